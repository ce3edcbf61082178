"""Figures of checkpoints against the rows of the database: what was heard, settled, waits, is lost."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from voicebridge.domain.timeline import Anchor, Timeline
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds
from voicebridge_bench.checkpoint_times import Record
from voicebridge_bench.claims import Claim, Line, worst

Row: TypeAlias = Mapping[str, Any]
Way: TypeAlias = tuple[bool, bool]
"""Whether something surely was, and whether it may have been."""

SLACK_SECONDS = 0.5
"""Between what happens and what the database says of it lie a commit and turns of busy threads; within so much of a
checkpoint it may or may not be counted."""
ROUNDED_SECONDS = 0.02
"""A frame: what a sum of lengths may be off by."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance by its row, with moments on CLOCK_MONOTONIC."""

    status: str
    audio_seconds: float
    speech_end: float
    endpoint: float
    """At the latest: the hangover after the end of its speech."""
    settled: float | None
    delay_ms: float | None

    def was_heard(self, now: float) -> Way:
        """Say whether it had surely ended at a moment, and whether it may have."""
        return self.endpoint + SLACK_SECONDS <= now, self.speech_end - SLACK_SECONDS <= now

    def was_settled(self, now: float) -> Way:
        """Say whether it was surely settled at a moment, and whether it may have been."""
        if self.settled is None:
            return False, False
        return self.settled + SLACK_SECONDS <= now, self.settled - SLACK_SECONDS <= now

    def waited(self, now: float) -> Way:
        """Say whether it surely waited at a moment, and whether it may have."""
        (heard, perhaps_heard), (settled, perhaps_settled) = self.was_heard(now), self.was_settled(now)
        return heard and not perhaps_settled, perhaps_heard and not settled


def heard_of(rows: Sequence[Row], anchors: Sequence[Row], wall_offset: float, hangover_ms: int) -> list[Heard]:
    """Return the utterances of a session in order; ``wall_offset`` is wall time less CLOCK_MONOTONIC, in seconds."""
    timeline = _timeline(anchors)
    found = []
    for row in sorted(rows, key=lambda row: row["start_sample"]):
        end = timeline.monotonic_seconds(row["speech_end"])
        found.append(
            Heard(
                status=row["status"],
                audio_seconds=samples_to_seconds(row["end_sample"] - row["start_sample"]),
                speech_end=end,
                endpoint=end + hangover_ms / 1000,
                settled=None if row["settled_at"] is None else row["settled_at"] - wall_offset,
                delay_ms=row["delay_ms"],
            )
        )
    return found


def _timeline(anchors: Sequence[Row]) -> Timeline:
    """Join the anchors as the daemon does; the first one tells when sample 0 came, too."""
    kept = [Anchor(row["sample_index"], row["monotonic_seconds"], row["realtime_seconds"]) for row in anchors]
    first = kept[0]
    ago = first.sample_index / SAMPLE_RATE
    timeline = Timeline(Anchor(0, first.monotonic_seconds - ago, first.realtime_seconds - ago))
    for anchor in kept:
        timeline.add(anchor)
    return timeline


def by_rows(records: Sequence[Record], heard: Sequence[Heard]) -> list[Line]:
    """Compare counts and the backlog with the utterances of the session."""
    decoded = [u for u in heard if u.status in {"done", "rejected"}]
    audio = [u.audio_seconds for u in decoded]

    def counted(name: str, ways: Callable[[float], list[Way]]) -> Line:
        return worst(f"utterances {name}", [_bracket(r["utterances"][name], ways(at_of(r))) for r in records], 0)

    def settled_as(status: str) -> Callable[[float], list[Way]]:
        return lambda now: [u.was_settled(now) for u in heard if u.status == status]

    def audio_decoded(record: Record) -> Claim:
        ways = [u.was_settled(at_of(record)) for u in decoded]
        return _bracket(record["decodes"]["audio_seconds"], ways, audio)

    return [
        counted("heard", lambda now: [u.was_heard(now) for u in heard]),
        counted("done", settled_as("done")),
        counted("rejected", settled_as("rejected")),
        counted("failed", settled_as("failed")),
        counted("waiting", lambda now: [u.waited(now) for u in heard]),
        worst("backlog, s of audio", [_backlog(record, heard) for record in records], ROUNDED_SECONDS),
        worst("audio decoded, s", [audio_decoded(record) for record in records], ROUNDED_SECONDS),
    ]


def by_gaps(records: Sequence[Record], gaps: Sequence[Row], wall_offset: float) -> list[Line]:
    """Compare what was lost with the gaps of the session."""
    seconds = [samples_to_seconds(gap["end_sample"] - gap["start_sample"]) for gap in gaps]

    def noted(now: float) -> list[Way]:
        moments = [gap["noted_at"] - wall_offset for gap in gaps]
        return [(moment + SLACK_SECONDS <= now, moment - SLACK_SECONDS <= now) for moment in moments]

    return [
        worst("gaps", [_bracket(r["gaps"]["count"], noted(at_of(r))) for r in records], 0),
        worst("lost, s", [_bracket(r["gaps"]["seconds"], noted(at_of(r)), seconds) for r in records], ROUNDED_SECONDS),
    ]


def _backlog(record: Record, heard: Sequence[Heard]) -> Claim:
    """Return the claim of what waits.

    The oldest is being decoded and not in it, unless an early decode, begun before its end, still holds the engine.
    """
    ways = [(u.audio_seconds, *u.waited(at_of(record))) for u in heard]
    surely = [seconds for seconds, sure, _ in ways if sure]
    perhaps = [seconds for seconds, _, possible in ways if possible]
    return Claim(record["backlog_seconds"], sum(surely[1:]), sum(perhaps))


def _bracket(told: float, ways: Sequence[Way], weights: Sequence[float] | None = None) -> Claim:
    """Return the claim of a sum over what surely was, and what may have been; each counts 1 unless weighed."""
    found = list(zip(ways, itertools.repeat(1) if weights is None else weights, strict=False))
    low = sum(weight for (sure, _), weight in found if sure)
    return Claim(told, low, sum(weight for (_, possible), weight in found if possible))


def at_of(record: Record) -> float:
    """Return its moment on CLOCK_MONOTONIC."""
    return float(record["monotonic_seconds"])
