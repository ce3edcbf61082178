"""How fast something grows, and how sure that is: pure numerics.

A straight line through noisy, autocorrelated measurements of a process that may be started anew in between:

1. The warm-up of each life is left out: a young process still fills its caches and the arenas of its allocator.
2. The rest is put into bins, and each bin gives its median: bursts and single readings weigh nothing.
3. The slope is that of Theil and Sen: the median of the slopes of all pairs of bins (pairs within one life only). Up to
   29 % of the bins may be anywhere. (H. Theil, "A rank-invariant method of linear and polynomial regression analysis",
   1950; P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.)
4. Its interval is from a moving-block bootstrap of the residuals, blocks wrapped around the end (H. R. Künsch, Annals
   of Statistics 17, 1989; D. N. Politis and J. P. Romano, "A circular block-resampling procedure", 1992). Memory of a
   minute ago is much like memory now; an interval, or a Mann-Kendall test, that takes bins for independent would see
   leaks in 12 to 30 % of healthy runs at a nominal 5 %. The length of the blocks follows from the autocorrelation of
   the residuals by E. Carlstein's rule for AR(1) (Annals of Statistics 14, 1986). Over 150 series of 8 h of AR(1) noise
   each, intervals of 95 % held the truth in 94 to 95 of 100 with correlation times of 1 to 10 min, in 89 with 30 min.
5. The smallest slope that can be told is what would be found above the bound in 19 of 20 such runs: the bound, and both
   tails of the bootstrap (H. S. Bloom, "Minimum detectable effects", Evaluation Review 19, 1995), and never less than
   two units of what is counted over the run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

MOST_BINS = 64
"""One in seven minutes of eight hours; more would only be more alike."""
READINGS_IN_BIN = 5
"""A median of fewer is no more robust than a reading."""
FEWEST_BINS = 16
"""With fewer there are not enough blocks for a bootstrap."""
WARM_UP_SHARE = 0.2
LONGEST_WARM_UP_HOURS = 1.0
SHORTEST_PASS_HOURS = 0.25
"""By the clock. What was looked at for less may still be settling: it never passes."""
ROUNDS = 399
"""Bootstrap samples: the ends of a 95 % interval are then the tenth from either side."""
MOST_CORRELATED = 0.95
"""Beyond this the residuals are no noise around a line."""
SETTLING_HOURS = 1 / 6
"""By the clock. A process settles like exp(-t / 10 min): what is left after the warm-up is not held against it."""
_BATCH = 64
_LOW, _HIGH, _TWENTIETH = 2.5, 97.5, 5.0


class Told(StrEnum):
    """What can be said of a growth."""

    WITHIN = "within"
    ABOVE = "above"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Life:
    """What was measured of one life of a process: ``hours`` (rising) and ``values``, both of shape (n,)."""

    hours: Numbers
    values: Numbers


@dataclass(frozen=True, slots=True)
class Limit:
    """What growth is allowed, in units of what is measured."""

    per_hour: float
    quantum: float
    """The smallest step of it: a page, a descriptor."""
    settling: float = 0.0
    """By how much a healthy process grows once, while it is young."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A slope per hour, its interval of 95 %, and what of it can be told."""

    told: Told
    per_hour: float | None
    """None when there was too little to fit anything to."""
    low: float | None
    high: float | None
    tellable_per_hour: float | None
    """The smallest slope that such a run finds too much, 19 times in 20."""
    leak_per_hour: float
    """Above this it counts as a leak: what is allowed, and what is left of the settling."""
    judged_hours: float
    warm_up_hours: float
    bins: int
    block_bins: int
    """Bins in a block of the bootstrap."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Medians of time and value, and which life each belongs to. All of shape (n,)."""

    hours: Numbers
    values: Numbers
    life: Indices


def grown(lives: Sequence[Life], limit: Limit, pace: float = 1.0, seed: int = 1) -> Growth:
    """Judge a series against a limit. Hours are those of the load, of which ``pace`` go by in an hour of the clock.

    It is ``ABOVE`` when the whole interval is above the bound, ``WITHIN`` when the whole interval is within what is
    allowed, and uncertain else; what is too short, or so coarse that growth at the bound would not show one step, is
    never ``WITHIN``.
    """
    warm_up = warm_up_hours(lives, pace)
    bins = binned(lives, warm_up)
    judged = _judged_hours(bins)
    bound = limit.per_hour
    if judged:
        # Each life settles anew.
        settling = limit.settling * len(np.unique(bins.life))
        bound += settling * math.exp(-warm_up / pace / SETTLING_HOURS) / judged
    if len(bins.hours) < FEWEST_BINS:
        return Growth(Told.UNCERTAIN, None, None, None, None, bound, judged, warm_up, len(bins.hours), 0)
    slope = theil_sen(bins)
    others, block = bootstrapped(bins, slope, seed)
    low, high, twentieth = (float(slope + end) for end in np.percentile(others - slope, [_LOW, _HIGH, _TWENTIETH]))
    tellable = bound + max((slope - low) + (slope - twentieth), 2 * limit.quantum / judged)
    coarse = limit.quantum / judged > limit.per_hour
    told = Told.UNCERTAIN
    if low > bound:
        told = Told.ABOVE
    elif high <= limit.per_hour and judged >= SHORTEST_PASS_HOURS * pace and not coarse:
        told = Told.WITHIN
    return Growth(told, slope, low, high, tellable, bound, judged, warm_up, len(bins.hours), block)


def warm_up_hours(lives: Sequence[Life], pace: float = 1.0) -> float:
    """Return how much of each life is left out: a fifth of the longest, an hour of the clock at most."""
    longest = max((float(life.hours[-1] - life.hours[0]) for life in lives if len(life.hours)), default=0.0)
    return min(LONGEST_WARM_UP_HOURS * pace, WARM_UP_SHARE * longest)


def binned(lives: Sequence[Life], warm_up: float) -> Bins:
    """Return medians of equal stretches of time; a life that gives less than two bins gives none."""
    kept = [_settled(life, warm_up) for life in lives]
    readings = sum(len(life.hours) for life in kept)
    total = sum(float(life.hours[-1] - life.hours[0]) for life in kept if len(life.hours))
    wanted = min(MOST_BINS, readings // READINGS_IN_BIN)
    found: list[tuple[float, float, int]] = []
    for index, life in enumerate(kept):
        if wanted < 2 or total <= 0 or len(life.hours) < 2 * READINGS_IN_BIN:
            continue
        count = max(2, round(wanted * float(life.hours[-1] - life.hours[0]) / total))
        found += [(hour, value, index) for hour, value in _medians(life, count)]
    hours, values, owners = zip(*found, strict=True) if found else ((), (), ())
    return Bins(np.array(hours, float), np.array(values, float), np.array(owners, np.intp))


def theil_sen(bins: Bins) -> float:
    """Return the median slope of all pairs of bins of the same life."""
    first, second = _pairs(bins)
    return float(_slopes(bins.values[None, :], bins.hours, first, second)[0])


def bootstrapped(bins: Bins, slope: float, seed: int) -> tuple[Numbers, int]:
    """Return slopes of resampled series, shape (ROUNDS,), and the length of the blocks in bins."""
    line = _line(bins, slope)
    residuals = bins.values - line
    residuals = residuals - residuals.mean()
    count = len(residuals)
    if not residuals.any():
        return np.full(ROUNDS, slope), 1
    block = block_bins(residuals)
    random = np.random.default_rng(seed)
    starts = random.integers(0, count, size=(ROUNDS, math.ceil(count / block)))
    places = (starts[:, :, None] + np.arange(block)[None, None, :]) % count
    first, second = _pairs(bins)
    series = line + residuals[places.reshape(ROUNDS, -1)[:, :count]]
    parts = [_slopes(series[at : at + _BATCH], bins.hours, first, second) for at in range(0, ROUNDS, _BATCH)]
    return slope + (np.concatenate(parts) - slope) * widening(residuals, block), block


def widening(residuals: Numbers, block: int) -> float:
    """Return by what the bootstrap's spread is too small; 95 % intervals without it were seen to hold 83 to 91 %.

    Three things make it so: residuals of a fitted line are smaller than the noise was (2 of the degrees of freedom go);
    few blocks tell the spread itself only roughly (Student's t, by its first-order expansion); and blocks cut the
    correlation off at their ends (by the share that an AR(1) with the same correlation loses).
    """
    spare = max(1.5 * len(residuals) / block - 2, 1.0)
    unsure = 1 + (1.96**2 + 1) / (4 * spare)
    correlation = _bounded_correlation(residuals)
    lags = np.arange(1, block)
    seen = 1 + 2 * float(np.sum((1 - lags / block) * correlation**lags))
    return unsure * math.sqrt((spare + 2) / spare * (1 + correlation) / (1 - correlation) / seen)


def block_bins(residuals: Numbers) -> int:
    """Return how many neighbouring bins belong together, by their autocorrelation."""
    count = len(residuals)
    correlation = _bounded_correlation(residuals)
    length = (math.sqrt(6) * correlation / (1 - correlation**2)) ** (2 / 3) * count ** (1 / 3)
    return int(min(max(1, math.ceil(length)), max(1, count // 4)))


def autocorrelation(residuals: Numbers) -> float:
    """Return the correlation of neighbours, outliers clipped, made up for what fitting a line takes from it.

    A fitted line takes (2 + 4 r) / n of it, to first order (the sum of Kendall's and Orcutt and Winokur's terms).
    """
    low, high = np.percentile(residuals, [2.5, 97.5])
    clipped = np.clip(residuals, low, high)
    clipped = clipped - clipped.mean()
    power = float(clipped @ clipped)
    # What is left of a straight line by rounding is no noise.
    if power <= len(residuals) * (1e-9 * float(np.abs(residuals).max(initial=0.0))) ** 2:
        return 0.0
    raw = float(clipped[1:] @ clipped[:-1]) / power
    return raw + (2 + 4 * raw) / len(residuals)


def _bounded_correlation(residuals: Numbers) -> float:
    return min(MOST_CORRELATED, max(0.0, autocorrelation(residuals)))


def _judged_hours(bins: Bins) -> float:
    return float(sum(np.ptp(bins.hours[bins.life == life]) for life in np.unique(bins.life)))


def _settled(life: Life, warm_up: float) -> Life:
    if not len(life.hours):
        return life
    late = life.hours >= life.hours[0] + warm_up
    return Life(life.hours[late], life.values[late])


def _medians(life: Life, count: int) -> list[tuple[float, float]]:
    start, end = float(life.hours[0]), float(life.hours[-1])
    places = np.minimum(((life.hours - start) * count / (end - start)).astype(int), count - 1) if end > start else None
    if places is None:
        return []
    return [
        (float(np.median(life.hours[places == place])), float(np.median(life.values[places == place])))
        for place in np.unique(places)
    ]


def _pairs(bins: Bins) -> tuple[Indices, Indices]:
    first, second = np.triu_indices(len(bins.hours), k=1)
    alike = (bins.life[first] == bins.life[second]) & (bins.hours[first] < bins.hours[second])
    return first[alike], second[alike]


def _slopes(series: Numbers, hours: Numbers, first: Indices, second: Indices) -> Numbers:
    slopes = series[:, second]
    slopes -= series[:, first]
    slopes /= hours[second] - hours[first]
    # The median, without np.median's copies and its look for NaN: most of the judge's time is spent here.
    middle = slopes.shape[1] // 2
    below = middle - 1 + slopes.shape[1] % 2
    slopes.partition((below, middle), axis=1)
    found: Numbers = (slopes[:, below] + slopes[:, middle]) / 2
    return found


def _line(bins: Bins, slope: float) -> Numbers:
    line = slope * bins.hours
    for life in np.unique(bins.life):
        own = bins.life == life
        line[own] += np.median(bins.values[own] - line[own])
    return line
