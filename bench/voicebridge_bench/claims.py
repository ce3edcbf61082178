"""What a record claims against what was seen, and the worst of such comparisons as one line of a table."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure that was told, and the least and the most that it may be by what was seen."""

    told: float
    low: float
    high: float

    @property
    def off(self) -> float:
        """How far it is outside of what was seen."""
        return max(self.low - self.told, self.told - self.high, 0.0)


@dataclass(frozen=True, slots=True)
class Line:
    """The worst of all comparisons of one figure; without any, nothing is proven, and it is not ok."""

    figure: str
    told: float
    low: float
    high: float
    off: float
    bound: float
    compared: int

    @property
    def ok(self) -> bool:
        """True when it was within its bound each time."""
        return self.compared > 0 and self.off <= self.bound


def worst(figure: str, claims: Iterable[Claim], bound: float, scale: float = 1.0) -> Line:
    """Return the line of the claim that is furthest off, of equals the last; ``scale`` divides all but the bound."""
    found = list(claims)
    if not found:
        return Line(figure, math.nan, math.nan, math.nan, math.nan, bound, 0)
    # Not a number is off by more than any number.
    at = max(range(len(found)), key=lambda i: (math.inf if math.isnan(found[i].off) else found[i].off, i))
    claim = found[at]
    told, low, high, off = (value / scale for value in (claim.told, claim.low, claim.high, claim.off))
    return Line(figure, told, low, high, off, bound, len(found))


def exactly(told: float, outside: float) -> Claim:
    """Return the claim of a figure that was seen as one number."""
    return Claim(told, outside, outside)


def within(told: float, seen: Sequence[float]) -> Claim:
    """Return the claim of a figure that was seen several times around its moment."""
    return Claim(told, min(seen), max(seen))
