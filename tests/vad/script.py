"""Input of the segmenter in plain seconds, and its output in plain seconds."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from voicebridge.domain.audio import Span
from voicebridge.domain.segments import SegmenterEvent
from voicebridge.domain.units import FRAME_SAMPLES, samples_to_seconds, seconds_to_samples
from voicebridge.domain.utterance import EndReason
from voicebridge.settings import EndpointSettings
from voicebridge.vad.segmenter import Segmenter

SETTINGS = EndpointSettings(
    pre_roll_ms=300,
    min_speech_ms=100,
    hangover_ms=700,
    tail_ms=140,
    max_utterance_ms=10_000,
    cut_search_ms=2000,
)
LEVELS = {"speech": 1000.0, "murmur": 400.0, "silence": 10.0, "hum": 20.0, "gap": 0.0}
"""What a script is made of, with its level; speech and murmur are speech."""
SPEECH = {"speech", "murmur"}
_Kind = TypeVar("_Kind", bound=SegmenterEvent)


def hear(
    script: str,
    settings: EndpointSettings = SETTINGS,
    begin: int = 0,
    piece_samples: int = FRAME_SAMPLES,
    finish: EndReason | None = EndReason.END_OF_STREAM,
) -> list[SegmenterEvent]:
    """Feed "speech 1.2, silence 0.5, gap 2" to a new segmenter and return what it says."""
    parts = [(name, float(seconds)) for name, seconds in (part.split() for part in script.split(","))]
    segmenter = Segmenter(settings)
    events = feed(segmenter, [(name, seconds_to_samples(seconds)) for name, seconds in parts], begin, piece_samples)
    return events if finish is None else [*events, *segmenter.finish(finish)]


def feed(
    segmenter: Segmenter, parts: Iterable[tuple[str, int]], begin: int, piece_samples: int = FRAME_SAMPLES
) -> list[SegmenterEvent]:
    """Feed parts of (name, samples), in pieces; a gap is given whole."""
    events: list[SegmenterEvent] = []
    for name, samples in parts:
        end = begin + samples
        if name == "gap":
            events += segmenter.gap(Span(begin, end))
            begin = end
        while begin < end:
            piece = min(piece_samples, end - begin)
            events += segmenter.push(begin, piece, name in SPEECH, LEVELS[name])
            begin += piece
    return events


def only(events: Sequence[SegmenterEvent], kind: type[_Kind]) -> list[_Kind]:
    """Return the events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def seconds(span: Span) -> tuple[float, float]:
    """Return the bounds of a span in seconds."""
    return samples_to_seconds(span.start), samples_to_seconds(span.end)
