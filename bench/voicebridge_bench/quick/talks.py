"""What is said to a daemon in the parts that hear one, and what became of each piece of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.units import ms_to_samples, seconds_to_samples
from voicebridge_bench.corpora.levels import end_of_speech
from voicebridge_bench.latency.script import Part, Script, quiet
from voicebridge_bench.quick.sitting import Noted


@dataclass(frozen=True, slots=True)
class Told:
    """One piece that became one utterance, ended by silence; moments on CLOCK_MONOTONIC, in seconds."""

    began_at: float
    """When its first word began, by its level."""
    endpoint_at: float
    """When the hangover after its speech was over, by samples."""
    endpoint_came_at: float
    """When the block came in which the endpoint lies: nobody can know of it before."""
    settled_at: float
    """When its text was announced."""
    decode_kind: str
    decode_ms: float
    text: str
    decoded_at: float = math.inf
    """When the decode was over that brought the text; infinite where none was noted."""
    place: int = 0
    """Of the piece in its script."""
    partials: list[dict[str, Any]] = field(default_factory=list)
    partial_decodes_ms: list[float] = field(default_factory=list)
    """How long those took that ran between its first word and its text."""

    @property
    def after_endpoint_ms(self) -> float:
        """From the endpoint to the text."""
        return 1000 * (self.settled_at - self.endpoint_at)

    @property
    def after_block_ms(self) -> float:
        """From the arrival of the endpoint's block to the text."""
        return 1000 * (self.settled_at - self.endpoint_came_at)


def begin_of_speech(samples: Samples) -> int:
    """Return the index of the first sample of speech, by the same rule as its end."""
    return len(samples) - end_of_speech(samples[::-1])


def trimmed(samples: Samples) -> Samples:
    """Return speech without the silence around it."""
    return samples[begin_of_speech(samples) : end_of_speech(samples)]


def without_rest(pieces: Sequence[Samples], seconds: float, pause_seconds: float) -> Samples:
    """Return so much speech, over and over, with pauses of this length and nothing before the first piece."""
    random = np.random.default_rng(1)
    parts: list[Samples] = []
    held, wanted = 0, seconds_to_samples(seconds)
    while held < wanted:
        piece = trimmed(pieces[len(parts) // 2 % len(pieces)])
        parts += [piece, quiet(pause_seconds, random)]
        held += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)


def told_of(script: Script, noted: Noted, hangover_ms: int) -> list[Told]:
    """Return what became of each piece; those that ended otherwise, or were not believed, are left out."""
    settled = {event["id"]: event for event in noted.of_kind("settled")}
    found = []
    for place, part in enumerate(script.parts):
        span = Span(part.span.start + noted.script_start, part.span.end + noted.script_start)
        over = [one for one in noted.of_kind("stored") if one["start"] < span.end and one["end"] > span.start]
        if len(over) == 1 and over[0]["reason"] == "hangover" and _is_done(settled.get(over[0]["id"])):
            told = _told(script, (part, span), over[0], settled[over[0]["id"]], (noted, hangover_ms))
            found.append(replace(told, place=place))
    return found


def _is_done(settled: dict[str, Any] | None) -> bool:
    return settled is not None and settled["status"] == "done"


def _told(
    script: Script,
    piece: tuple[Part, Span],
    stored: dict[str, Any],
    settled: dict[str, Any],
    heard: tuple[Noted, int],
) -> Told:
    (part, span), (noted, hangover_ms) = piece, heard
    endpoint = stored["speech_end"] + ms_to_samples(hangover_ms)
    began_at = noted.said_at(span.start + begin_of_speech(script.samples[part.span.start : part.span.end]))
    return Told(
        began_at=began_at,
        endpoint_at=noted.said_at(endpoint),
        endpoint_came_at=noted.arrived_at(endpoint),
        settled_at=settled["at"],
        decode_kind=settled["decode_kind"],
        decode_ms=settled["decode_ms"] or 0.0,
        text=settled["text"],
        decoded_at=max(
            (at + seconds for start, at, seconds in noted.decodes if start == stored["start"] and at <= settled["at"]),
            default=math.inf,
        ),
        partials=[one for one in noted.of_kind("partial") if one["start"] == stored["start"]],
        partial_decodes_ms=[
            1000 * seconds for at, seconds in noted.partial_decodes if began_at <= at + seconds and at <= settled["at"]
        ],
    )
