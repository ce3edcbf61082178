"""From the end of speech to its text: how long for 19 of 20, and whether it creeps.

Judged is what was seen from outside: from the moment at which a piece was played whole to the moment at which its text
was read. What the daemon says of itself stands beside it, and must not be much shorter. Where nothing was played (a
service that is only looked at) there is nothing but what it says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicebridge_bench.soak.growth import Life, Limit
from voicebridge_bench.soak.judges.case import Case, inconclusive, not_judged, outcome_of, plural
from voicebridge_bench.soak.judges.growing import Named, verdict_of
from voicebridge_bench.soak.judges.words import matched, once
from voicebridge_bench.soak.profiles import SECONDS_PER_HOUR
from voicebridge_bench.soak.record import Heard
from voicebridge_bench.soak.verdict import Outcome, Verdict

FEWEST = 20
"""A p95 of fewer is their largest."""
SHARE_ABOVE = 0.05
DOUBT = 0.025
QUANTUM_SECONDS = 0.001
SETTLING_SECONDS = 0.3
"""The first decodes are slower: caches are cold, the processor's clock is low."""
UNTOLD_SECONDS = 0.5
"""At the median a text comes no later, against what the daemon says of itself. Seen were 0.25 s sooner: recordings end
with some quiet, which the daemon's end of speech leaves out."""
P95, DRIFT = "Delay, 95 of 100", "Delay does not creep"


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one utterance: when its text came (or its speech ended), and how long that took; ``own`` is what it says."""

    at: float
    seconds: float
    """Infinite where no text ever came."""
    own: float | None


def judge(case: Case) -> list[Verdict]:
    """Judge the delays."""
    outside = bool(case.record.played) and not case.record.header.attached
    if not case.paced:
        return _neither("Faster than time there are no delays.")
    if outside and case.not_harvested:
        return [
            inconclusive("delay", P95, "s", case.not_harvested),
            inconclusive("delay_drift", DRIFT, "s/h", case.not_harvested),
        ]
    delays = sorted(_seen(case) if outside else _said(case.record.heard), key=lambda delay: delay.at)
    if not delays:
        return _neither("There are no delays.")
    return [_high(case, delays, outside=outside), _drift(case, delays)]


def _neither(why: str) -> list[Verdict]:
    return [not_judged("delay", P95, "s", why), not_judged("delay_drift", DRIFT, "s/h", why)]


def _said(heard: Sequence[Heard]) -> list[Delay]:
    """Return the delays as the daemon has them."""
    return [
        Delay(each.at, each.delay_ms / 1000, None)
        for each in heard
        if each.at is not None and each.delay_ms is not None
    ]


def _seen(case: Case) -> list[Delay]:
    """Return the delay of each utterance that holds played speech, from the end of its last piece.

    Left out are pieces without an utterance (`heard` judges them), texts that were not believed, and what a life that
    left by itself has left to a later one: how long that takes is the time in which there was no daemon.
    """
    record = case.record
    told = {announced.utterance: announced for announced in reversed(record.announced)}
    gone = {moment.life for moment in record.happened if moment.kind in ("crashed", "killed", "hang")}
    ends: dict[int, tuple[Heard, float]] = {}
    for piece, own in zip(record.played, matched(record.played, once(record.heard)), strict=True):
        if own:
            ends[own[-1].utterance] = own[-1], max(piece.ended, ends.get(own[-1].utterance, (None, -math.inf))[1])
    found = []
    for heard, ended in ends.values():
        text = told.get(heard.utterance)
        if text is not None and text.life == heard.life:
            said = None if heard.delay_ms is None else heard.delay_ms / 1000
            found.append(Delay(text.at, text.at - ended, said))
        elif text is None and heard.status != "rejected" and heard.life not in gone:
            found.append(Delay(ended, math.inf, None))
    return found


def _drift(case: Case, delays: Sequence[Delay]) -> Verdict:
    known = [delay for delay in delays if math.isfinite(delay.seconds)]
    at, values = np.array([delay.at for delay in known]), np.array([delay.seconds for delay in known])
    lives = [
        Life((at[own] - case.began) / SECONDS_PER_HOUR, values[own])
        for begin, end in case.soaked
        if (own := (at >= begin) & (at <= end)).any()
    ]
    limit = Limit(case.profile.bounds.delay_drift_seconds_per_hour, QUANTUM_SECONDS, SETTLING_SECONDS)
    return verdict_of(Named("delay_drift", DRIFT, "s/h"), limit, lives)


def _high(case: Case, delays: Sequence[Delay], *, outside: bool) -> Verdict:
    bound, count = case.profile.bounds.delay_p95_seconds, len(delays)
    seconds = sorted(delay.seconds for delay in delays)
    p50, p95, p99 = (_percentile(seconds, percent) for percent in (50, 95, 99))
    outcome = outcome_of(p95 <= bound)
    sentence = f"p50 {_told(p50)}, p95 {_told(p95)}, longest {_told(seconds[-1])}, of {plural(count, 'utterance')}"
    sentence += ", as seen from outside." if outside else ", as the daemon says."
    if count < FEWEST:
        proven = _chance_of(sum(delay > bound for delay in seconds), count) < DOUBT
        outcome = Outcome.FAIL if proven else Outcome.INCONCLUSIVE
        sentence += "" if proven else f" Fewer than {FEWEST} tell nothing of 95 in 100."
    facts: dict[str, float | int | None] = {"p50": p50, "p99": p99, "max": seconds[-1], "count": count}
    pairs = [(delay.seconds, delay.own) for delay in delays if delay.own is not None]
    if pairs:
        said = _percentile(sorted(own for _, own in pairs), 95)
        later = float(np.median([seen - own for seen, own in pairs]))
        facts |= {"said_p95": said, "later_than_said": later}
        sentence += f" The daemon says p95 {said:.2f} s."
        if len(pairs) >= FEWEST and later > UNTOLD_SECONDS:
            outcome = Outcome.FAIL
            sentence += f" It says {later:.2f} s too little at the median; {UNTOLD_SECONDS:g} s are allowed."
    return Verdict("delay", P95, outcome, p95 if math.isfinite(p95) else None, bound, "s", sentence, facts)


def _percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of an ordered series, between neighbours where it falls between; infinite among infinite."""
    place = percent / 100 * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return high if math.isinf(high) else low + (place - math.floor(place)) * (high - low)


def _told(seconds: float) -> str:
    return f"{seconds:.2f} s" if math.isfinite(seconds) else "never"


def _chance_of(above: int, count: int) -> float:
    """Return the chance that so many of ``count``, or more, are above the bound when one in twenty is."""
    return sum(
        math.comb(count, number) * SHARE_ABOVE**number * (1 - SHARE_ABOVE) ** (count - number)
        for number in range(above, count + 1)
    )
