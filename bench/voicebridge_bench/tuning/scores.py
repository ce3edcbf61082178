"""What is known of each candidate, and which are worth more time. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

RESAMPLINGS = 2000
SEED = 1
ALIKE = 0.05
"""Delays that differ by less are about the same: the machine's own unrest is as large."""
FEWEST_FOR_P95 = 20
"""A p95 of fewer files is their largest, or nearly so."""
MISSED_DELAY_MS = float("inf")
"""Of a file in which nothing was heard: no text ever came."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One file tried with one candidate."""

    errors: int
    words: int
    delay_ms: float | None
    decode_ms: float


@dataclass(slots=True)
class Score:
    """One candidate: what came of each file (by its number)."""

    number: int
    files: dict[int, Tried] = field(default_factory=dict)
    memory_mb: float = 0.0
    fault: str = ""
    """Why it cannot be used."""

    @property
    def error_rate(self) -> float:
        """All errors by all words."""
        return sum(one.errors for one in self.files.values()) / sum(one.words for one in self.files.values())

    @property
    def missed(self) -> int:
        """Files in which nothing was heard."""
        return sum(one.delay_ms is None for one in self.files.values())

    def delay_ms(self, percentile: float = 50) -> float:
        """Return a percentile of the delays; infinite where too many files were missed to tell."""
        delays = sorted(MISSED_DELAY_MS if one.delay_ms is None else one.delay_ms for one in self.files.values())
        return delays[min(round(percentile / 100 * (len(delays) - 1)), len(delays) - 1)]

    @property
    def late_percent(self) -> float:
        """Which percentile of the delays decides: 95 where there are files enough for it, else the median."""
        return 95 if len(self.files) >= FEWEST_FOR_P95 else 50

    @property
    def deciding_ms(self) -> float:
        """That percentile."""
        return self.delay_ms(self.late_percent)


def fronts(scores: Sequence[Score]) -> list[list[Score]]:
    """Return candidates by rank: those that none beats in error and delay, then those that only these beat."""
    left = list(scores)
    ranked: list[list[Score]] = []
    while left:
        front = [one for one in left if not any(_beats(other, one) for other in left)]
        ranked.append(sorted(front, key=lambda one: (one.error_rate, one.delay_ms())))
        left = [one for one in left if all(one is not other for other in front)]
    return ranked


def survivors(scores: Sequence[Score], count: int) -> list[Score]:
    """Return the candidates that are worth more time: the first ranks, of the last one those with the fewest errors."""
    usable = [score for score in scores if score.files and not score.fault]
    return [one for front in fronts(usable) for one in front][:count]


def rungs(files: int, first: int) -> list[int]:
    """Return how many files are heard after each round: twice as many each time, up to all."""
    found = [min(first, files)]
    while found[-1] < files:
        found.append(min(2 * found[-1], files))
    return found


def finalists(scores: Iterable[Score]) -> list[Score]:
    """Return the candidates that were tried on the most files; only those are compared."""
    usable = [score for score in scores if score.files and not score.fault]
    most = max((len(score.files) for score in usable), default=0)
    return [score for score in usable if len(score.files) == most]


def choose(
    scores: Iterable[Score], allowed_points: float, dislike: Callable[[Score], float] = lambda _: 0.0
) -> tuple[Score, Score] | None:
    """Return the recommended candidate and the one with the fewest errors; None when nothing was tried.

    Recommended is the quickest (by its p95; by its median below 20 files) of those whose error rate is at most so many
    percentage points above. Of those about as quick it is the one with the fewest errors, then the least disliked, then
    the lightest.
    """
    final = finalists(scores)
    if not final:
        return None
    best = min(final, key=lambda one: (one.error_rate, one.deciding_ms))
    good = [one for one in final if one.error_rate <= best.error_rate + allowed_points / 100]
    quickest = min(one.deciding_ms for one in good)
    alike = [one for one in good if one.deciding_ms <= quickest * (1 + ALIKE)]
    return min(alike, key=lambda one: (one.error_rate, dislike(one), one.memory_mb, one.deciding_ms)), best


def difference(score: Score, other: Score) -> tuple[float, float]:
    """Return the 95 % interval of the error rate of one less that of another: paired bootstrap over files."""
    common = sorted(score.files.keys() & other.files.keys())
    mine = np.array([score.files[file].errors - other.files[file].errors for file in common])
    words = np.array([score.files[file].words for file in common])
    picks = np.random.default_rng(SEED).integers(0, len(common), (RESAMPLINGS, len(common)))
    low, high = np.quantile(mine[picks].sum(axis=1) / words[picks].sum(axis=1), [0.025, 0.975]).tolist()
    return float(low), float(high)


def _beats(one: Score, other: Score) -> bool:
    mine, theirs = (one.error_rate, one.delay_ms()), (other.error_rate, other.delay_ms())
    return mine != theirs and mine[0] <= theirs[0] and mine[1] <= theirs[1]
