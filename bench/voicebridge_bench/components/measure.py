"""The measuring core: rounds of samples, percentiles with enough samples behind them, intervals that know of rounds.

Timings of one round resemble each other (caches, frequency, what else the machine does), so a plain bootstrap over
samples is far too sure of itself. Each figure is therefore taken in several rounds, with other figures between them,
and whole rounds are drawn: the cluster bootstrap (Davison and Hinkley, Bootstrap Methods, 1997, section 3.8), its
interval widened for few rounds as Hesterberg (What Teachers Should Know About the Bootstrap, 2015) widens it.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

ROUNDS = 8
PERCENTILES = (50, 95, 99)
LEVEL = 0.95
"""Of the interval of a median."""
DRAWS = 4000
ROUND_POINTS = 64
"""A round enters the bootstrap as at most so many of its quantiles."""
MIN_ROUNDS = 3
"""Fewer rounds say nothing about how rounds differ."""
OVERHEAD_READINGS = 2001
SEED = 20_240
FLOOR = 1e-9
"""What stands for nothing where a logarithm is taken."""

Rounds: TypeAlias = Sequence[Sequence[float]]
_Array: TypeAlias = npt.NDArray[np.float64]


class Stopwatch:
    """Times calls by a clock of nanoseconds and takes off what timing an empty call costs (its median)."""

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        readings = sorted(self._elapsed(_nothing) for _ in range(OVERHEAD_READINGS))
        self.overhead_seconds = readings[len(readings) // 2] / 1e9

    def seconds(self, call: Callable[[], object]) -> float:
        """Return how long one call took, never less than nothing."""
        return max(self._elapsed(call) / 1e9 - self.overhead_seconds, 0.0)

    def _elapsed(self, call: Callable[[], object]) -> int:
        began = self._clock()
        call()
        return self._clock() - began


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Summary:
    """What samples say. ``percentiles`` has None where too few samples stand behind one; ``withheld`` says why."""

    count: int
    mean: float
    minimum: float
    maximum: float
    percentiles: dict[str, float | None]
    iqr: float | None
    median_interval: tuple[float, float] | None
    withheld: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ratio:
    """B over A: their medians, with the interval of the bootstrap (None without enough rounds)."""

    estimate: float
    interval: tuple[float, float] | None


def needed(percentile: int) -> int:
    """Return how many samples a percentile needs: so many that one is expected beyond it."""
    return math.ceil(100 / (100 - percentile))


def shares(iterations: int, rounds: int = ROUNDS) -> list[int]:
    """Divide iterations among rounds, as evenly as they go; fewer iterations than rounds make fewer rounds."""
    count = min(rounds, iterations)
    return [iterations // count + (number < iterations % count) for number in range(count)]


def summarise(rounds: Rounds) -> Summary:
    """Return percentiles, spread and the interval of the median; at least one sample is needed."""
    values = np.concatenate([np.asarray(one, float) for one in rounds])
    percentiles: dict[str, float | None] = {}
    withheld = {}
    for percentile in PERCENTILES:
        enough = len(values) >= needed(percentile)
        percentiles[f"p{percentile}"] = float(np.percentile(values, percentile)) if enough else None
        if not enough:
            withheld[f"p{percentile}"] = f"{len(values)} samples; it needs {needed(percentile)}"
    interval = median_interval(rounds)
    if interval is None:
        withheld["median_interval"] = f"{_usable(rounds)} rounds; it needs {MIN_ROUNDS}"
    quartiles = np.percentile(values, [25, 75])
    return Summary(
        count=len(values),
        mean=float(values.mean()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        percentiles=percentiles,
        iqr=float(quartiles[1] - quartiles[0]) if len(values) >= 4 else None,
        median_interval=interval,
        withheld=withheld,
    )


def median_interval(rounds: Rounds, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the interval of the median, or None when there are too few rounds."""
    if _usable(rounds) < MIN_ROUNDS:
        return None
    drawn = _logs(_medians(rounds, np.random.default_rng(SEED)))
    return _widened(_median(rounds), drawn, _widening(_usable(rounds), _usable(rounds) - 1, level), level)


def ratio_of(a: Rounds, b: Rounds, level: float) -> Ratio:
    """Return the ratio of the medians of B and A; both must be above nothing."""
    estimate = _median(b) / _median(a)
    count = min(_usable(a), _usable(b))
    if count < MIN_ROUNDS:
        return Ratio(estimate, None)
    generator = np.random.default_rng(SEED)
    drawn = _logs(_medians(b, generator)) - _logs(_medians(a, generator))
    return Ratio(estimate, _widened(estimate, drawn, _widening(count, _usable(a) + _usable(b) - 2, level), level))


def thinned(rounds: Rounds, most: int) -> list[list[float]]:
    """Return the rounds with at most so many samples in all: of each round evenly spaced order statistics."""
    if sum(len(one) for one in rounds) <= most:
        return [list(one) for one in rounds]
    share = max(most // len(rounds), 1)
    return [_spaced(one, share) for one in rounds]


def _spaced(one: Sequence[float], count: int) -> list[float]:
    if len(one) <= count:
        return list(one)
    ordered = np.sort(np.asarray(one, float))
    places = np.linspace(0, len(ordered) - 1, count).round().astype(int)
    return [float(value) for value in ordered[places]]


def _usable(rounds: Rounds) -> int:
    return sum(1 for one in rounds if len(one))


def _median(rounds: Rounds) -> float:
    return float(np.median(np.concatenate([np.asarray(one, float) for one in rounds])))


def _medians(rounds: Rounds, generator: np.random.Generator) -> _Array:
    """Return medians of samples whose rounds were drawn with replacement."""
    points = min(max(len(one) for one in rounds), ROUND_POINTS)
    places = (np.arange(points) + 0.5) / points
    table = np.array([np.quantile(np.asarray(one, float), places) for one in rounds if len(one)])
    drawn = table[generator.integers(0, len(table), (DRAWS, len(table)))]
    return np.asarray(np.median(drawn.reshape(DRAWS, -1), axis=1), float)


def _logs(values: _Array) -> _Array:
    """Return logarithms: times and ratios are above nothing, and a half and a double are equally far from one."""
    return np.log(np.maximum(values, FLOOR))


def _widened(estimate: float, logs: _Array, factor: float, level: float) -> tuple[float, float]:
    low, high = np.quantile(logs, [(1 - level) / 2, (1 + level) / 2])
    centre = math.log(max(estimate, FLOOR))
    return math.exp(centre - factor * max(centre - low, 0)), math.exp(centre + factor * max(high - centre, 0))


def _widening(rounds: int, freedom: int, level: float) -> float:
    """Return how much wider an interval from few rounds must be.

    The bootstrap takes their variance (n-1)/n too small, and the normal distribution for Student's, whose quantile here
    is that of Abramowitz and Stegun, 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    student = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return math.sqrt(rounds / (rounds - 1)) * student / z
