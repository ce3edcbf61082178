"""Runs suites: round by round, figure by figure, so that what the machine does meanwhile falls on all of them alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.components import host
from voicebridge_bench.components.figure import PER_SECOND, Context, Figure, Ready, Suite
from voicebridge_bench.components.measure import ROUNDS, Rounds, Stopwatch, shares, summarise, thinned
from voicebridge_bench.components.results import (
    MAX_SAMPLES,
    FigureResult,
    Host,
    Run,
    SuiteResult,
    Timer,
    Verdict,
    outcome_of,
)
from voicebridge_bench.components.targets import Targets, TargetsError

ITERATIONS = 200

Progress = Callable[[str, float], None]
"""Told what is being measured, and which share of its suite is done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run, and held against what."""

    suites: Sequence[Suite]
    iterations: int
    targets: Targets
    hardware_class: host.HardwareClass


def run(wish: Wish, context: Context, machine: Host, progress: Progress) -> Run:
    """Run every suite; one that cannot run is skipped, one that fails on its way is broken, and the others go on."""
    began = time.monotonic()
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    results = []
    for number, suite in enumerate(wish.suites):
        scratch = context.scratch / f"{number}-{suite.name}"
        scratch.mkdir()
        room = Context(scratch, context.watch, context.models_dir, context.utterances)
        results.append(run_suite(suite, room, wish, progress))
    outcome, because = outcome_of(results)
    return Run(
        created_at=created_at,
        seconds=time.monotonic() - began,
        host=machine,
        hardware_class=wish.hardware_class.name,
        class_reason=wish.hardware_class.reason,
        timer=Timer(clock="perf_counter_ns", overhead_ns=context.watch.overhead_seconds * 1e9),
        iterations=wish.iterations,
        rounds=ROUNDS,
        warnings=[busy] if (busy := host.is_busy(machine)) else [],
        suites=results,
        outcome=outcome,
        because=because,
    )


def run_suite(suite: Suite, context: Context, wish: Wish, progress: Progress) -> SuiteResult:
    """Run one suite. Raises TargetsError for targets that cannot be used."""
    began = time.monotonic()
    state, reason = "skipped", ""
    ready: Ready | None = None
    figures: list[FigureResult] = []
    measured: list[list[list[float]]] = []
    progress(f"{suite.name}: preparing", 0.0)
    try:
        with suite.open(context) as ready:
            state = "broken"
            for figure in ready.figures:
                wish.targets.check(figure.name, figure.unit)
            measured = measure(ready.figures, wish.iterations, progress)
            state = "ran"
    except TargetsError:
        raise
    except VoicebridgeError as error:
        reason = str(error)
    if state == "ran":
        assert ready is not None
        figures = [_result(*pair, ready, wish) for pair in zip(ready.figures, measured, strict=True)]
    return SuiteResult.model_validate(
        {
            "name": suite.name,
            "title": suite.title,
            "state": state,
            "reason": reason,
            "seconds": time.monotonic() - began,
            "left_out": {one.what: one.reason for one in ready.left_out} if ready else {},
            "facts": dict(ready.facts) if ready else {},
            "warnings": list(ready.warnings) if ready else [],
            "figures": figures,
        }
    )


def measure(figures: Sequence[Figure], iterations: int, progress: Progress) -> list[list[list[float]]]:
    """Take every figure in rounds, all figures once in each round; return the samples in each figure's unit."""
    plans = [shares(max(1, round(iterations * figure.share))) for figure in figures]
    samples: list[list[list[float]]] = [[] for _ in figures]
    turns = ROUNDS * len(figures)
    for number in range(ROUNDS):
        for place, figure in enumerate(figures):
            progress(figure.name, (number * len(figures) + place) / turns)
            if number < len(plans[place]):
                samples[place].append(_round(figure, plans[place][number]))
    return samples


def _round(figure: Figure, count: int) -> list[float]:
    for _ in range(figure.warm_up):
        figure.take()
    factor = PER_SECOND[figure.unit]
    return [figure.take() * factor for _ in range(count)]


def _result(figure: Figure, rounds: Rounds, ready: Ready, wish: Wish) -> FigureResult:
    summary = summarise(rounds)
    target, verdict, because = wish.targets.judge(figure.name, figure.unit, summary, wish.hardware_class.name)
    if target is not None and ready.unjudged:
        verdict, because = Verdict.NOT_JUDGED, ready.unjudged
    median = summary.percentiles["p50"]
    factor: float | None = None
    if figure.audio_seconds is not None and median is not None:
        factor = median / PER_SECOND[figure.unit] / figure.audio_seconds
    return FigureResult(
        name=figure.name,
        title=figure.title,
        unit=figure.unit,
        parameters=dict(figure.parameters),
        iterations=summary.count,
        warm_up=figure.warm_up,
        p50=summary.percentiles["p50"],
        p95=summary.percentiles["p95"],
        p99=summary.percentiles["p99"],
        mean=summary.mean,
        minimum=summary.minimum,
        maximum=summary.maximum,
        iqr=summary.iqr,
        median_interval=summary.median_interval,
        withheld=summary.withheld,
        real_time_factor=factor,
        target=target,
        verdict=verdict,
        because=because,
        rounds=thinned(rounds, MAX_SAMPLES),
    )


def context_in(scratch: Path, models_dir: Path, utterances: int) -> Context:
    """Return what the suites are given, with a stopwatch of this machine."""
    return Context(scratch, Stopwatch(), models_dir, utterances)
