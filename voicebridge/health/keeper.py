"""The health keeper: duties that fall due at intervals. Pure but for the duties themselves; the clock is injected.

Each is due at fixed moments from the start on: lateness does not add up, moments that were missed are left out, and
duties whose intervals go into one another fall due together, so that the thread wakes once for all of them.
"""

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})
"""The process, or the machine, may open no more files: that passes, and what fails for it is due again."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every so many seconds."""

    every_seconds: float
    action: Callable[[], None]
    at_once: bool = False
    """Due at the first tick already."""


class Keeper:
    """Does what is due. A duty that was late is done once, not as often as it was missed.

    One for which no file can be opened is left for the next time, and counted.
    """

    def __init__(self, duties: Sequence[Duty], monotonic: Callable[[], float]) -> None:
        self._duties = duties
        self._monotonic = monotonic
        self.left_out = 0
        """Duties that needed a file descriptor when there was none."""
        now = monotonic()
        self._due = [now if duty.at_once else now + duty.every_seconds for duty in duties]

    def tick(self) -> float:
        """Do what is due and return the seconds until the next duty."""
        for position, duty in enumerate(self._duties):
            now = self._monotonic()
            if now >= self._due[position]:
                self._do(duty)
                self._due[position] = self._next(duty, self._due[position], now)
        return max(0.0, min(self._due) - self._monotonic())

    def _do(self, duty: Duty) -> None:
        try:
            duty.action()
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR:
                raise
            self.left_out += 1

    def counters(self) -> dict[str, int]:
        """Return what it has counted."""
        return {"duties_left_out": self.left_out}

    @staticmethod
    def _next(duty: Duty, due: float, now: float) -> float:
        return due + duty.every_seconds * (int((now - due) / duty.every_seconds) + 1)
