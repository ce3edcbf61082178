"""Runs made up from samples, and figures on clocks that do as they are told."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path

import numpy as np

from voicebridge_bench.components import host
from voicebridge_bench.components.figure import Context, Figure, Parameters, Ready, Suite
from voicebridge_bench.components.measure import Stopwatch
from voicebridge_bench.components.results import Host, Run
from voicebridge_bench.components.runner import Wish, run
from voicebridge_bench.components.targets import FigureTargets, Targets

MACHINE = Host.model_validate(
    {
        "cpu": "Test 3000",
        "architecture": "x86_64",
        "cores": 2,
        "cores_usable": 2,
        "memory_gib": 8.0,
        "machine": "",
        "container": "",
        "virtual": False,
        "gpus": 0,
        "system": "Debian",
        "kernel": "6.1",
        "python": "3.11.7",
        "versions": {"voicebridge": "1.0"},
        "governor": "",
        "load_average": (0.1, 0.1, 0.1),
        "fingerprint": "0123456789abcdef",
    }
)
X86 = host.HardwareClass("x86-2core", "a test")


def stepping(steps_ns: Sequence[int]) -> Stopwatch:
    """Return a stopwatch whose clock moves on by these steps, over and over, from one reading to the next."""
    steps = cycle(steps_ns)
    now = 0

    def clock() -> int:
        nonlocal now
        now += next(steps)
        return now

    return Stopwatch(clock)


def stopwatch() -> Stopwatch:
    """Return a stopwatch whose timing costs nothing: made-up figures bring their own seconds."""
    ticks = count()
    return Stopwatch(lambda: next(ticks) * 0)


def noisy(median_ms: float, seed: int, spread: float = 0.1) -> Iterator[float]:
    """Yield made-up seconds around a median, without an end."""
    generator = np.random.default_rng(seed)
    while True:
        yield float(median_ms / 1000 * np.exp(generator.normal(0, spread)))


def suite_of(
    medians_ms: Mapping[str, float],
    seed: int = 1,
    parameters: Parameters | None = None,
    ready: Mapping[str, object] | None = None,
    name: str = "fake",
) -> Suite:
    """Return a suite of made-up figures in milliseconds."""

    @contextmanager
    def opened(_context: Context) -> Iterator[Ready]:
        figures = []
        for place, (figure, median) in enumerate(medians_ms.items()):
            samples = noisy(median, seed * 100 + place)
            take = samples.__next__
            figures.append(Figure(figure, f"Made-up {figure}", "ms", take, parameters=parameters or {}))
        yield Ready(figures, **(ready or {}))  # type: ignore[arg-type]

    return Suite(name, "Made-up figures", tuple(medians_ms), opened)


def targets_of(most_ms: Mapping[str, float], statistic: str = "p50") -> Targets:
    """Return targets in milliseconds for the class x86-2core."""
    return Targets(
        {
            name: (
                FigureTargets.model_validate(
                    {"statistic": statistic, "unit": "ms", "x86-2core": {"most": most, "reason": "a test"}}
                ),
                "test",
            )
            for name, most in most_ms.items()
        }
    )


def run_of(
    suites: Sequence[Suite],
    scratch: Path,
    targets: Targets | None = None,
    iterations: int = 80,
    machine: Host = MACHINE,
) -> Run:
    """Run suites for real, on made-up figures."""
    scratch.mkdir(parents=True, exist_ok=True)
    wish = Wish(suites, iterations, targets or Targets({}), X86)
    return run(wish, Context(scratch, stopwatch(), scratch, 10), machine, lambda _what, _share: None)
