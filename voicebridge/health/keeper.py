"""The health keeper: duties that fall due at intervals. Pure but for the duties themselves; the clock is injected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every so many seconds."""

    every_seconds: float
    action: Callable[[], None]
    at_once: bool = False
    """Due at the first tick already."""
    steady: bool = False
    """Due at fixed moments, so that lateness does not add up; moments that were missed are left out."""


class Keeper:
    """Does what is due. A duty that was late is done once, not as often as it was missed."""

    def __init__(self, duties: Sequence[Duty], monotonic: Callable[[], float]) -> None:
        self._duties = duties
        self._monotonic = monotonic
        now = monotonic()
        self._due = [now if duty.at_once else now + duty.every_seconds for duty in duties]

    def tick(self) -> float:
        """Do what is due and return the seconds until the next duty."""
        for position, duty in enumerate(self._duties):
            now = self._monotonic()
            if now >= self._due[position]:
                duty.action()
                self._due[position] = self._next(duty, self._due[position], now)
        return max(0.0, min(self._due) - self._monotonic())

    @staticmethod
    def _next(duty: Duty, due: float, now: float) -> float:
        if not duty.steady:
            return now + duty.every_seconds
        return due + duty.every_seconds * (int((now - due) / duty.every_seconds) + 1)
