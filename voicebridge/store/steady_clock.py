"""What time it is for retention: a wall clock that jumps ahead must not delete anything before its time.

A box without a battery for its clock starts in the past and is set right by the network, or wrong by a bad server. What
is deleted cannot be had back, so a clock that runs ahead is believed only when it has been so for a day of running.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from voicebridge.domain.errors import StoreError
from voicebridge.store.database import FILE_MODE, told

TOLERANCE_SECONDS = 3600.0
"""A clock is set by less than this in the normal course of things."""
DOUBT_SECONDS = 86_400.0
NAME = "retention-clock.json"


@dataclass(frozen=True, slots=True)
class Trusted:
    """The newest wall time that is believed, and for how long the wall clock has been ahead of it (0: it is not)."""

    wall_seconds: float
    doubted_seconds: float = 0.0


def stepped(trusted: Trusted, wall_seconds: float, elapsed_seconds: float) -> Trusted:
    """Return what is believed when so much time has passed and the wall clock says this. Pure.

    A clock that is behind is believed at once: what is deleted later than it might be is no harm.
    """
    expected = trusted.wall_seconds + elapsed_seconds
    if wall_seconds <= expected + TOLERANCE_SECONDS:
        return Trusted(wall_seconds)
    doubted = trusted.doubted_seconds + elapsed_seconds
    if doubted >= DOUBT_SECONDS:
        return Trusted(wall_seconds)
    return Trusted(expected, doubted)


class RetentionClock:
    """The time for retention, kept across restarts in a small file. One thread.

    Without that file (a first start, or a lost one) the wall clock is believed as it is.
    """

    def __init__(
        self, state_dir: Path, wall_seconds: Callable[[], float], monotonic_seconds: Callable[[], float]
    ) -> None:
        self._path = state_dir / NAME
        self._wall_seconds = wall_seconds
        self._monotonic_seconds = monotonic_seconds
        self._trusted = self._read() or Trusted(wall_seconds())
        self._asked_at = monotonic_seconds()

    @property
    def ahead_seconds(self) -> float:
        """By how much the wall clock was ahead of what is believed, when it was last asked; 0 when it is believed."""
        return self._ahead

    _ahead = 0.0

    def now(self) -> float:
        """Return the time that retention may go by, in seconds since the epoch."""
        wall, monotonic = self._wall_seconds(), self._monotonic_seconds()
        self._trusted = stepped(self._trusted, wall, monotonic - self._asked_at)
        self._asked_at = monotonic
        self._ahead = wall - self._trusted.wall_seconds
        return self._trusted.wall_seconds

    def save(self) -> None:
        """Keep what is believed for the next start; a disk that refuses is of no concern here."""
        partial = self._path.with_name(f"{NAME}.partial")
        with suppress(StoreError), told(self._path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(partial, flags, FILE_MODE), "w", encoding="ascii") as file:
                json.dump(asdict(self._trusted), file)
            # Not synced: the file before it, or none, would do as well.
            partial.replace(self._path)

    def _read(self) -> Trusted | None:
        try:
            found = Trusted(**json.loads(self._path.read_text(encoding="ascii")))
            return Trusted(float(found.wall_seconds), float(found.doubted_seconds))
        except (OSError, ValueError, TypeError):
            return None
