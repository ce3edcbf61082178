"""Runs suites round by round, so that what the machine does meanwhile falls on all figures alike."""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

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
"""Told what is being measured, and which share of the rounds is done."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run, and held against what."""

    suites: Sequence[Suite]
    iterations: int
    targets: Targets
    hardware_class: host.HardwareClass


def run(wish: Wish, context: Context, machine: Host, progress: Progress) -> Run:
    """Run every suite; one that cannot run is skipped, one that fails on its way is broken, and the others go on.

    All suites are set up first; then each round takes all figures of all suites, so that the rounds of a figure stand
    minutes apart, and its interval knows how much the machine changes within minutes. Ctrl-C ends it with what is known
    so far. Raises TargetsError for targets that cannot be used.
    """
    began = time.monotonic()
    meanwhile = host.Meanwhile()
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    interrupted = False
    turns = [_Turn(suite, wish) for suite in wish.suites]
    with ExitStack() as stack:
        for turn in turns:
            stack.callback(turn.close)
        try:
            for number, turn in enumerate(turns):
                progress(f"{turn.suite.name}: preparing", 0.0)
                turn.open(_room(context, f"{number}-{turn.suite.name}"))
            for number, turn in itertools.product(range(ROUNDS), turns):
                turn.take(number, progress)
        except KeyboardInterrupt:
            interrupted = True
    others = meanwhile.others_cores()
    results = [turn.result() for turn in turns]
    outcome, because = outcome_of(results, interrupted=interrupted)
    return Run(
        created_at=created_at,
        seconds=time.monotonic() - began,
        host=machine,
        hardware_class=wish.hardware_class.name,
        class_reason=wish.hardware_class.reason,
        timer=Timer(clock="perf_counter_ns", overhead_ns=context.watch.overhead_seconds * 1e9),
        others_cores=others,
        iterations=wish.iterations,
        rounds=ROUNDS,
        warnings=[told for told in (host.is_busy(machine), host.is_disturbed(others, machine.cores)) if told],
        suites=results,
        interrupted=interrupted,
        outcome=outcome,
        because=because,
    )


def _room(context: Context, name: str) -> Context:
    scratch = context.scratch / name
    scratch.mkdir()
    return replace(context, scratch=scratch)


class _Turn:
    """One suite within a run."""

    def __init__(self, suite: Suite, wish: Wish) -> None:
        self.suite = suite
        self._wish = wish
        self._stack = ExitStack()
        self._ready = Ready(())
        self._state: Literal["ran", "skipped", "broken"] = "skipped"
        self._reason = "the run was ended before"
        self._seconds = 0.0
        self._samples: list[list[list[float]]] = []

    def open(self, context: Context) -> None:
        """Set it up; it stays so until it is closed."""
        with self._told("skipped"):
            self._ready = self._stack.enter_context(self.suite.open(context))
            for figure in self._ready.figures:
                self._wish.targets.check(figure.name, figure.unit)
            self._samples = [[] for _ in self._ready.figures]
            self._state, self._reason = "ran", ""

    def close(self) -> None:
        """Take down what was set up."""
        with self._told("broken"):
            self._stack.close()

    def take(self, number: int, progress: Progress) -> None:
        """Take the so-manieth round of all its figures, if it still runs."""
        if self._state != "ran":
            return
        with self._told("broken"):
            for figure, samples in zip(self._ready.figures, self._samples, strict=True):
                progress(figure.name, number / ROUNDS)
                plan = shares(max(1, round(self._wish.iterations * figure.share)))
                if number < len(plan):
                    samples.append(_round(figure, plan[number]))

    def result(self) -> SuiteResult:
        """Return what came of it; of one that broke no figure counts, and none without a round."""
        pairs = list(zip(self._ready.figures, self._samples, strict=True)) if self._state == "ran" else []
        left_out = {one.what: one.reason for one in self._ready.left_out}
        left_out |= {figure.name: "the run was ended before its first round" for figure, rounds in pairs if not rounds}
        return SuiteResult(
            name=self.suite.name,
            title=self.suite.title,
            state=self._state,
            reason=self._reason,
            seconds=self._seconds,
            left_out=left_out,
            facts=dict(self._ready.facts),
            warnings=list(self._ready.warnings),
            figures=[_result(figure, rounds, self._ready, self._wish) for figure, rounds in pairs if rounds],
        )

    @contextmanager
    def _told(self, otherwise: Literal["skipped", "broken"]) -> Iterator[None]:
        """Keep what goes wrong inside as the state of the suite, and count the time."""
        began = time.monotonic()
        try:
            yield
        except TargetsError:
            raise
        except VoicebridgeError as error:
            self._state, self._reason = otherwise, str(error)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            # A full disk, a locked database, a decode that fails: the others go on.
            self._state, self._reason = "broken", f"{type(error).__name__}: {error}"
        finally:
            self._seconds += time.monotonic() - began


def _round(figure: Figure, count: int) -> list[float]:
    figure.begin()
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
    return Context(scratch, Stopwatch(), models_dir, utterances, scratch.parent)
