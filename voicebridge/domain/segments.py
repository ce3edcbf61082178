"""What the segmenter says about the stream of frames: where utterances start, pause, go on and end."""

from dataclasses import dataclass
from typing import TypeAlias

from voicebridge.domain.audio import Span
from voicebridge.domain.utterance import EndReason


@dataclass(frozen=True, slots=True)
class Started:
    """Speech has lasted for the minimum; the utterance is open.

    ``start`` is the first sample of the utterance, pre-roll included: audio from there on belongs to it.
    """

    start: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The open utterance's speech has paused; ``at`` is the sample after the last speech. The hangover runs."""

    at: int


@dataclass(frozen=True, slots=True)
class MayEnd:
    """The pause has lasted for ``endpoint.speculate_after_ms``: said once in each pause of an open utterance.

    If speech does not resume, the Ended that follows has this very span and speech, however long the hangover is.
    """

    span: Span
    speech: Span
    fall_db: float
    """How much quieter the last 200 ms of speech were than the 600 ms of speech before them, in decibels; 0 where there
    was less. A sentence that is done falls."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Speech went on within the hangover; ``at`` is the first sample of it."""

    at: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The open utterance has ended; follows its Started exactly once."""

    span: Span
    """The audio to decode: pre-roll, speech and tail. Its start is that of the Started event."""
    speech: Span
    """First to last sample that the detector called speech."""
    speech_ratio: float
    """Share of the span's samples that the detector called speech, 0 to 1."""
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Discarded:
    """What began as speech ended before it had lasted for the minimum; no Started was said of it.

    ``start`` is its first speech sample.
    """

    start: int


SegmenterEvent: TypeAlias = Started | Paused | MayEnd | Resumed | Ended | Discarded
