"""Figures of checkpoints against the rows of the database: what was heard, settled, waits, is lost, and the delays."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from voicebridge.domain.timeline import Anchor, Timeline
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds
from voicebridge_bench.checkpoint_times import Record
from voicebridge_bench.claims import Claim, Line, worst

Row: TypeAlias = Mapping[str, Any]

SLACK_SECONDS = 0.5
"""Between what happens and what the database says of it lie a commit and turns of busy threads; within so much of a
checkpoint it may or may not be counted."""
PERCENTILES = (50, 95, 99)
HDR_PERCENT = 0.1
"""Three significant figures: steps of 1 in 1024 at most."""
ROUNDED_MS = 1.0
MAX_UNSURE = 4
"""With more utterances than this in doubt at one moment there are too many ways: their delays are not compared. That is
so when the engine, let go at the end, works off what waited."""


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

    def was_heard(self, now: float) -> tuple[bool, bool]:
        """Say whether it had surely ended at a moment, and whether it may have."""
        return self.endpoint + SLACK_SECONDS <= now, self.speech_end - SLACK_SECONDS <= now

    def was_settled(self, now: float) -> tuple[bool, bool]:
        """Say whether it was surely settled at a moment, and whether it may have been."""
        if self.settled is None:
            return False, False
        return self.settled + SLACK_SECONDS <= now, self.settled - SLACK_SECONDS <= now

    def waited(self, now: float) -> tuple[bool, bool]:
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

    def counted(figure: str, name: str, status: str) -> Line:
        claims = [
            _bracket(r["utterances"][name], (u.was_settled(_at(r)) for u in heard if u.status == status))
            for r in records
        ]
        return worst(figure, claims, 0)

    decoded = [u for u in heard if u.status in {"done", "rejected"}]
    seconds = [u.audio_seconds for u in decoded]
    return [
        worst(
            "utterances heard",
            [_bracket(r["utterances"]["heard"], (u.was_heard(_at(r)) for u in heard)) for r in records],
            0,
        ),
        counted("utterances done", "done", "done"),
        counted("utterances rejected", "rejected", "rejected"),
        counted("utterances failed", "failed", "failed"),
        worst(
            "utterances waiting",
            [_bracket(r["utterances"]["waiting"], (u.waited(_at(r)) for u in heard)) for r in records],
            0,
        ),
        worst("backlog, s of audio", [_backlog(r, heard) for r in records], 0.02),
        worst(
            "audio decoded, s",
            [
                _bracket(r["decodes"]["audio_seconds"], (u.was_settled(_at(r)) for u in decoded), seconds)
                for r in records
            ],
            0.02,
        ),
    ]


def by_gaps(records: Sequence[Record], gaps: Sequence[Row], wall_offset: float) -> list[Line]:
    """Compare what was lost with the gaps of the session."""
    seconds = [samples_to_seconds(gap["end_sample"] - gap["start_sample"]) for gap in gaps]

    def noted(now: float) -> list[tuple[bool, bool]]:
        moments = [gap["noted_at"] - wall_offset for gap in gaps]
        return [(moment + SLACK_SECONDS <= now, moment - SLACK_SECONDS <= now) for moment in moments]

    return [
        worst("gaps", [_bracket(r["gaps"]["count"], noted(_at(r))) for r in records], 0),
        worst("lost, s", [_bracket(r["gaps"]["seconds"], noted(_at(r)), seconds) for r in records], 0.02),
    ]


def by_delays(records: Sequence[Record], heard: Sequence[Heard]) -> list[Line]:
    """Compare the session's delays with those of the rows, and the ages of what waited; in percent of each figure."""
    found: dict[str, list[Claim]] = {name: [] for name in (*(f"p{percent}" for percent in PERCENTILES), "max")}
    counts = []
    for record in records:
        told = record["delay_session_ms"]
        sure, unsure = _delays(heard, _at(record))
        counts.append(Claim(told["count"], len(sure), len(sure) + len(unsure)))
        possible = _possible(sure, unsure) if len(unsure) <= MAX_UNSURE else ()
        fitting = [delays for delays in possible if len(delays) == told["count"] > 0]
        if not fitting:
            continue
        best = min((_delay_claims(told, delays) for delays in fitting), key=_furthest)
        for name, claim in best.items():
            found[name].append(claim)
    lines = [worst("delays counted", counts, 0)]
    for name, claims in found.items():
        line = worst(f"delay {name}, s", [_in_percent(claim) for claim in claims], HDR_PERCENT)
        shown = claims[_worst_at(claims)] if claims else Claim(0, 0, 0)
        told, low, high = (value / 1000 for value in (shown.told, shown.low, shown.high))
        lines.append(Line(f"delay {name}, s (off by %)", told, low, high, line.off, line.bound, line.compared))
    return lines


def _delays(heard: Sequence[Heard], now: float) -> tuple[list[float], list[tuple[float | None, ...]]]:
    """Return the delays that surely counted at a moment, and for each one in doubt what it may have counted as."""
    sure: list[float] = []
    unsure: list[tuple[float | None, ...]] = []
    for utterance in heard:
        age_ms = max(0.0, now - utterance.speech_end) * 1000
        (settled, perhaps_settled), (waited, perhaps_waited) = utterance.was_settled(now), utterance.waited(now)
        if settled and utterance.delay_ms is not None:
            sure.append(utterance.delay_ms)
        elif waited:
            sure.append(age_ms)
        elif perhaps_waited:
            settled_ms = (utterance.delay_ms,) if perhaps_settled else ()
            unsure.append((None, age_ms, *settled_ms))
    return sure, unsure


def _possible(sure: Sequence[float], unsure: Sequence[Sequence[float | None]]) -> Iterator[list[float]]:
    """Yield the delays, sorted, of each way in which those in doubt may have counted."""
    for choice in itertools.product(*unsure):
        yield sorted([*sure, *(delay for delay in choice if delay is not None)])


def _delay_claims(told: Mapping[str, float | None], delays: Sequence[float]) -> dict[str, Claim]:
    """Return the claims of all percentiles; ranks as in HdrHistogram: half of a step is rounded up."""
    ranks = {f"p{p}": max(int(p * len(delays) / 100 + 0.5), 1) for p in PERCENTILES} | {"max": len(delays)}
    return {name: _delay_claim(told[name], delays[rank - 1]) for name, rank in ranks.items()}


def _delay_claim(told: float | None, delay_ms: float) -> Claim:
    return Claim(float("nan") if told is None else told, delay_ms - ROUNDED_MS, delay_ms + ROUNDED_MS)


def _in_percent(claim: Claim) -> Claim:
    whole = max(claim.high, ROUNDED_MS)
    return Claim(*(100 * value / whole for value in (claim.told, claim.low, claim.high)))


def _furthest(claims: Mapping[str, Claim]) -> float:
    return max(_in_percent(claim).off for claim in claims.values())


def _worst_at(claims: Sequence[Claim]) -> int:
    return max(range(len(claims)), key=lambda at: (_in_percent(claims[at]).off, at))


def _backlog(record: Record, heard: Sequence[Heard]) -> Claim:
    """Return the claim of what waits; the oldest, which is being decoded, is not in it unless that may just change."""
    ways = [(u.audio_seconds, *u.waited(_at(record))) for u in heard]
    surely = [seconds for seconds, sure, _ in ways if sure]
    perhaps = [seconds for seconds, _, possible in ways if possible]
    settled = len(surely) == len(perhaps)
    return Claim(record["backlog_seconds"], sum(surely[1:]), sum(perhaps[1:] if settled else perhaps))


def _bracket(told: float, ways: Iterable[tuple[bool, bool]], weights: Iterable[float] | None = None) -> Claim:
    """Return the claim of a sum over what surely was, and what may have been; each counts 1 unless weighed."""
    found = list(zip(ways, itertools.repeat(1) if weights is None else weights, strict=False))
    low = sum(weight for (sure, _), weight in found if sure)
    return Claim(told, low, sum(weight for (_, possible), weight in found if possible))


def _at(record: Record) -> float:
    return float(record["monotonic_seconds"])
