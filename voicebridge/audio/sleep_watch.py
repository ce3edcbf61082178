"""Notices that the machine slept: CLOCK_BOOTTIME counts suspended time, CLOCK_MONOTONIC does not."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SUSPEND_SECONDS = 0.5
"""Shorter sleeps are not told."""
_STEADY_SECONDS = 0.02
"""The clocks are read one after the other; a thread that was held in between says nothing of them."""


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks of capture, in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    boottime: Callable[[], float] = boottime


class SleepWatch:
    """Compares the two clocks; used by one thread at a time."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._ahead: float | None = None

    def suspended_seconds(self) -> float:
        """Return how long the machine was suspended since the last time this was asked (0 for the first)."""
        before = self._clocks.monotonic()
        boot = self._clocks.boottime()
        if self._clocks.monotonic() - before > _STEADY_SECONDS:
            return 0.0
        ahead = boot - before
        if self._ahead is None:
            self._ahead = ahead
        slept = ahead - self._ahead
        if slept <= SUSPEND_SECONDS:
            return 0.0
        self._ahead = ahead
        return slept
