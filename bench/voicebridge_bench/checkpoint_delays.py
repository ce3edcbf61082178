"""The delays that checkpoints tell of the session, against those of the rows and the ages of what waited."""

import itertools
from collections.abc import Iterator, Mapping, Sequence

from voicebridge_bench.checkpoint_rows import Heard, at_of
from voicebridge_bench.checkpoint_times import Record
from voicebridge_bench.claims import Claim, Line, worst

PERCENTILES = (50, 95, 99)
HDR_PERCENT = 0.1
"""Three significant figures: steps of 1 in 1024 at most."""
ROUNDED_MS = 1.0
"""The histogram counts whole milliseconds."""
MAX_UNSURE = 4
"""With more utterances than this in doubt at one moment there are too many ways: their delays are not compared. That is
so when the engine, let go at the end, works off what waited."""


def by_delays(records: Sequence[Record], heard: Sequence[Heard]) -> list[Line]:
    """Compare the session's delays with those of the rows, and the ages of what waited; in percent of each figure."""
    found: dict[str, list[Claim]] = {name: [] for name in (*(f"p{percent}" for percent in PERCENTILES), "max")}
    counts = []
    for record in records:
        told = record["delay_session_ms"]
        sure, unsure = _delays(heard, at_of(record))
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
