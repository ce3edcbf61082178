"""Stretches of time, and sums over them. A stretch is (from, until) in seconds; lists of them need no order."""

from collections.abc import Iterable, Sequence

Stretch = tuple[float, float]


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the same time without overlaps, in order; empty stretches go."""
    found: list[Stretch] = []
    for begin, end in sorted(stretch for stretch in stretches if stretch[1] > stretch[0]):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def without(stretches: Iterable[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """Return what of the stretches is in none of the others."""
    left = merged(stretches)
    for begin, end in merged(others):
        cut: list[Stretch] = []
        for from_, until in left:
            cut += [(from_, min(until, begin)), (max(from_, end), until)]
        left = [stretch for stretch in cut if stretch[1] > stretch[0]]
    return left


def within(stretches: Iterable[Stretch], begin: float, end: float) -> list[Stretch]:
    """Return what of the stretches lies between two moments."""
    return merged((max(from_, begin), min(until, end)) for from_, until in stretches)


def seconds(stretches: Iterable[Stretch]) -> float:
    """Return how long they are together; what overlaps counts once."""
    return sum(end - begin for begin, end in merged(stretches))


def covers(stretches: Sequence[Stretch], moment: float) -> bool:
    """Return whether a moment lies in one of them."""
    return any(begin <= moment <= end for begin, end in stretches)
