"""From the end of speech to its text: how long for 19 of 20, and whether it creeps."""

import math

import numpy as np

from voicebridge_bench.soak.growth import Life, Limit
from voicebridge_bench.soak.judges.case import Case, not_judged, outcome_of, plural
from voicebridge_bench.soak.judges.growing import verdict_of
from voicebridge_bench.soak.profiles import SECONDS_PER_HOUR
from voicebridge_bench.soak.verdict import Outcome, Verdict

FEWEST = 20
"""A p95 of fewer is their largest."""
SHARE_ABOVE = 0.05
DOUBT = 0.025
QUANTUM_SECONDS = 0.001
SETTLING_SECONDS = 0.3
"""The first decodes are slower: caches are cold, the processor's clock is low."""


def judge(case: Case) -> list[Verdict]:
    """Judge the delays."""
    found = [(utterance.at, utterance.delay_ms) for utterance in case.record.heard]
    settled = sorted((at, delay / 1000) for at, delay in found if at is not None and delay is not None)
    p95, drift = "Delay, 95 of 100", "Delay does not creep"
    if not settled:
        why = "There are no delays." if case.paced else "Faster than time there are no delays."
        return [not_judged("delay", p95, "s", why), not_judged("delay_drift", drift, "s/h", why)]
    at, delays = np.array([at for at, _ in settled]), np.array([delay for _, delay in settled])
    lives = [
        Life((at[own] - case.began) / SECONDS_PER_HOUR, delays[own])
        for begin, end in case.soaked
        if (own := (at >= begin) & (at <= end)).any()
    ]
    limit = Limit(case.profile.bounds.delay_drift_seconds_per_hour, QUANTUM_SECONDS, SETTLING_SECONDS)
    return [_high(case, p95, delays), verdict_of("delay_drift", drift, "s/h", limit, lives)]


def _high(case: Case, title: str, delays: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Verdict:
    bound, count = case.profile.bounds.delay_p95_seconds, len(delays)
    p95 = float(np.percentile(delays, 95))
    outcome = outcome_of(p95 <= bound)
    sentence = f"p50 {np.median(delays):.2f} s, p95 {p95:.2f} s, longest {delays.max():.2f} s, "
    sentence += f"of {plural(count, 'utterance')}."
    if count < FEWEST:
        proven = _chance_of(int((delays > bound).sum()), count) < DOUBT
        outcome = Outcome.FAIL if proven else Outcome.INCONCLUSIVE
        sentence += "" if proven else f" Fewer than {FEWEST} tell nothing of 95 in 100."
    facts = {
        "p50": float(np.median(delays)),
        "p99": float(np.percentile(delays, 99)),
        "max": float(delays.max()),
        "count": count,
    }
    return Verdict("delay", title, outcome, p95, bound, "s", sentence, facts)


def _chance_of(above: int, count: int) -> float:
    """Return the chance that so many of ``count``, or more, are above the bound when one in twenty is."""
    return sum(
        math.comb(count, number) * SHARE_ABOVE**number * (1 - SHARE_ABOVE) ** (count - number)
        for number in range(above, count + 1)
    )
