"""Memory, heap, descriptors, threads, database and log: what may not grow without end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicebridge_bench.soak.figures import length_of_time, told
from voicebridge_bench.soak.growth import Life, Limit, Told, grown
from voicebridge_bench.soak.judges.case import Case, not_judged, plural
from voicebridge_bench.soak.profiles import KB, MB, SECONDS_PER_HOUR
from voicebridge_bench.soak.record import Sample
from voicebridge_bench.soak.verdict import Outcome, Verdict

PAGE_BYTES = 4096
ANCHOR_SECONDS = 60.0
"""`health.anchor_seconds` by default."""
_OUTCOMES = {Told.WITHIN: Outcome.PASS, Told.ABOVE: Outcome.FAIL, Told.UNCERTAIN: Outcome.INCONCLUSIVE}


@dataclass(frozen=True, slots=True)
class Named:
    """What grows, and how that is told: in ``unit``, ``factor`` of what is measured."""

    code: str
    title: str
    unit: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One thing that may grow: how it is told (in ``unit``, ``factor`` of what is measured) and how it is read."""

    code: str
    title: str
    unit: str
    factor: float
    read: Callable[[Sample], float | None]
    quantum: float
    settling: float
    """What a young process may still gain after its warm-up; see Limit.settling."""
    with_process: bool = True
    """It begins anew with each process; files do not."""


def judge(case: Case) -> list[Verdict]:
    """Judge what may grow."""
    bounds = _bounds(case)
    return [_judged(case, measured, getattr(bounds, name)) for name, measured in _measured(case).items()]


def _measured(case: Case) -> dict[str, Measured]:
    seen = any(sample.uss_bytes is not None for sample in case.record.samples)
    all_own = seen and all(sample.own_bytes is not None for sample in case.record.samples)

    def own(sample: Sample) -> float | None:
        # Of USS, what the process has written to; the rest changes with who else runs (see Sample.own_bytes).
        return sample.own_bytes if all_own else sample.uss_bytes

    memory = Measured("memory", "Memory (USS)", "KB/h", 1 / KB, own, PAGE_BYTES, 12 * MB)
    if not seen:
        # Without the right to read another user's map of memory; what is shared is in it, too.
        memory = Measured(
            "memory", "Memory (RSS)", "KB/h", 1 / KB, lambda sample: sample.rss_bytes, PAGE_BYTES, 12 * MB
        )

    def log(sample: Sample) -> float | None:
        # The journal of a service that is only looked at is not ours to measure.
        return None if case.record.header.attached else sample.log_bytes

    return {
        "uss_bytes": memory,
        "heap_bytes": Measured("heap", "Python's heap", "KB/h", 1 / KB, lambda sample: sample.heap_bytes, 64, 1 * MB),
        # None at all means that it may not be asked.
        "open_files": Measured("open_files", "Open files", "/h", 1, lambda sample: sample.open_files or None, 1, 4),
        "threads": Measured("threads", "Threads", "/h", 1, lambda sample: sample.threads, 1, 4),
        "database_bytes": Measured(
            "database",
            "Database",
            "KB/h",
            1 / KB,
            lambda sample: sample.database_bytes or None,
            PAGE_BYTES,
            256 * KB,
            False,
        ),
        "log_bytes": Measured("log", "Log", "KB/h", 1 / KB, log, 100, 64 * KB, False),
    }


def _bounds(case: Case) -> Any:
    """Return the bounds in an hour of audio; the database's follows what there was to store."""
    hours, settings = case.audio_hours, {**case.record.header.settings, **case.profile.settings}
    utterances = len(case.record.heard) / hours if hours > 0 else 0.0
    every, anchors = case.checkpoint_seconds, float(settings.get("health.anchor_seconds", ANCHOR_SECONDS))
    return case.profile.bounds.growth(utterances, every * case.pace, anchors * case.pace)


def _judged(case: Case, measured: Measured, per_hour: float) -> Verdict:
    lives = _lives(case, measured)
    if not lives:
        return not_judged(measured.code, measured.title, measured.unit, "It cannot be seen in this kind of run.")
    limit = Limit(per_hour, measured.quantum, measured.settling)
    named = Named(measured.code, measured.title, measured.unit, measured.factor)
    return verdict_of(named, limit, lives, case.pace)


def _lives(case: Case, measured: Measured) -> list[Life]:
    """Return what was measured, by process or by stretch of the soak; hours are those of the audio."""
    groups: dict[Any, list[tuple[float, float]]] = {}
    for sample in sorted(case.record.samples, key=lambda sample: sample.at):
        value = measured.read(sample)
        if value is not None:
            stretch = next((begin for begin, end in reversed(case.soaked) if sample.at >= begin), case.began)
            hours = (sample.at - case.began) / SECONDS_PER_HOUR * case.pace
            groups.setdefault((stretch, sample.pid if measured.with_process else 0), []).append((hours, float(value)))
    return [_life(pairs) for pairs in groups.values()]


def _life(pairs: Sequence[tuple[float, float]]) -> Life:
    hours, values = zip(*pairs, strict=True)
    return Life(np.array(hours, float), np.array(values, float))


def verdict_of(named: Named, limit: Limit, lives: Sequence[Life], pace: float = 1.0) -> Verdict:
    """Return the verdict on a growth; ``pace`` as for ``grown``."""
    code, title, unit, factor = named.code, named.title, named.unit, named.factor
    growth = grown(lives, limit, pace)
    outcome, bound = _OUTCOMES[growth.told], limit.per_hour * factor
    leak = growth.leak_per_hour * factor
    facts = {
        "judged_hours": growth.judged_hours,
        "warm_up_hours": growth.warm_up_hours,
        "bins": growth.bins,
        "block_bins": growth.block_bins,
        "leak_above": leak,
    }
    if growth.per_hour is None or growth.low is None or growth.high is None or growth.tellable_per_hour is None:
        sentence = f"{plural(growth.bins, 'bin')} after the warm-up: too short to tell anything."
        return Verdict(code, title, Outcome.INCONCLUSIVE, None, bound, unit, sentence, facts)
    low, high, least = (number * factor for number in (growth.low, growth.high, growth.tellable_per_hour))
    found = f"Between {told(low, unit)} and {told(high, unit)} (95 %)" if high > low else f"{told(low, unit)}, steadily"
    sentence = f"{found if high > low or low else 'No growth seen'}; this run can tell {told(least, unit)} or more."
    if outcome is Outcome.INCONCLUSIVE:
        sentence += " Too short, or too noisy, to say that it keeps the bound."
    if pace != 1:
        clock = growth.judged_hours / pace
        sentence += f" Hours are of audio; by the clock {length_of_time(clock * SECONDS_PER_HOUR)} were judged."
    facts |= {"low": low, "high": high, "smallest_told": least}
    return Verdict(code, title, outcome, growth.per_hour * factor, bound, unit, sentence, facts)
