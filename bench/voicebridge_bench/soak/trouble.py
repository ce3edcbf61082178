"""When which fault is made: drawn beforehand from a seed, so that a soak can be run again. Pure."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

KILL, STOP, SOURCE_LOSS = "kill", "stop", "source_loss"
ENGINE_HANG, DISK_FULL, CLOCK_STEP = "engine_hang", "disk_full", "clock_step"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A kind of fault: how often, for how long, and what the daemon may need to hear again afterwards."""

    kind: str
    weight: float
    """How often it is drawn, against the others."""
    seconds: tuple[float, float]
    """Shortest and longest; zeros for one that is a moment."""
    allowance_seconds: float
    """How long it may be deaf after the fault has ended."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that is to be made ``at`` so many seconds after the soak began, for so many seconds."""

    kind: str
    at: float
    seconds: float
    allowance_seconds: float


BY_KIND: Mapping[str, FaultPlan] = {
    plan.kind: plan
    for plan in (
        # A start takes 0.3 to 0.6 s on an idle machine (docs/performance.md); 5 s is what the issue allows.
        FaultPlan(KILL, 2.0, (0.0, 0.0), 5.0),
        # Up to 8 s: the watchdog's time in the unit is 30 s, and what was said meanwhile still fits the feed's pipe.
        FaultPlan(STOP, 2.0, (2.0, 8.0), 5.0),
        # Past `capture.stall_seconds`, so that the daemon calls itself deaf.
        FaultPlan(SOURCE_LOSS, 2.0, (4.0, 15.0), 5.0),
        # It hears on until its deadline, leaves, and starts as after a kill. That takes a decode to come (40 s) and its
        # deadline (10 s).
        FaultPlan(ENGINE_HANG, 1.0, (60.0, 60.0), 5.0),
        # It hears on.
        FaultPlan(DISK_FULL, 1.0, (5.0, 20.0), 5.0),
        FaultPlan(CLOCK_STEP, 1.0, (5.0, 20.0), 5.0),
    )
}
WARM_UP_SECONDS = 15.0
"""Before the first fault: the engine is loaded, something was heard."""
CALM_SECONDS = (20.0, 60.0)
"""Between the end of a fault and the next one: recovery, catching up and some speech that nothing disturbs."""
LAST_CALM_SECONDS = 20.0
"""After the last fault, so that its recovery can be seen."""


def schedule(plans: Sequence[FaultPlan], seed: int, duration_seconds: float) -> list[Planned]:
    """Return the faults of a soak in order: each kind once, in random order, then drawn by weight."""
    chance = random.Random(f"faults {seed}")  # noqa: S311 - for moments, not for secrets
    planned: list[Planned] = []
    at = WARM_UP_SECONDS + chance.uniform(0, CALM_SECONDS[0])
    for plan in _drawn(plans, chance):
        seconds = chance.uniform(*plan.seconds)
        if at + seconds + plan.allowance_seconds + LAST_CALM_SECONDS > duration_seconds:
            break
        planned.append(Planned(plan.kind, at, seconds, plan.allowance_seconds))
        at += seconds + chance.uniform(*CALM_SECONDS)
    return planned


def _drawn(plans: Sequence[FaultPlan], chance: random.Random) -> Iterator[FaultPlan]:
    yield from chance.sample(plans, len(plans))
    while plans:
        yield chance.choices(plans, [plan.weight for plan in plans])[0]
