"""Housekeeping: what the store does of itself, so that it stays within its bounds for years.

Everything here runs in the store writer's thread, as one of its jobs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from voicebridge.domain.errors import StoreError
from voicebridge.domain.events import StoreNotice, StoreNoticeKind
from voicebridge.store.checkpoints import drop_old
from voicebridge.store.reserve import Reserve
from voicebridge.store.retention import KeptAudio, purge
from voicebridge.store.size import Shrunk, SizeBound, Usage
from voicebridge.store.spool import DirectorySpool
from voicebridge.store.steady_clock import RetentionClock
from voicebridge.store.strays import Strays
from voicebridge.store.thinning import thin_out

if TYPE_CHECKING:
    from sqlite_utils import Database

Tell: TypeAlias = Callable[[StoreNotice], None]
"""Takes what a person should know; never blocks."""

LAST_RESORT_SECONDS = 60.0
"""Pause between two looks for what can be deleted while the disk stays full."""
CHECKPOINTS_KEPT_DAYS = 90
"""Where nobody says otherwise (`health.checkpoints_kept_days`)."""
TOLD_AGAIN_SECONDS = 86_400.0
"""A bound that is always reached is told once a day."""


@dataclass(frozen=True, slots=True)
class Things:
    """What is kept in order."""

    db: "Database"
    spool: DirectorySpool
    kept: KeptAudio
    state_dir: Path


class Housekeeping:
    """Keeps reserve, expiry and bounds; ``tell`` is given what a person should know of it."""

    def __init__(
        self,
        things: Things,
        reserve: Reserve,
        max_bytes: int,
        tell: Tell,
        realtime_seconds: Callable[[], float] = time.time,
        elapsed_seconds: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self.purged = 0
        """Files of kept audio that had expired."""
        self.shrunk = Shrunk()
        """What was deleted for its size."""
        self.strays = 0
        self.checkpoints_kept_days = CHECKPOINTS_KEPT_DAYS
        self._things = things
        self.reserve = reserve
        self._tell = tell
        self._elapsed_seconds = elapsed_seconds
        # Time in suspend counts, or every lid that is opened would be a jump of the clock.
        self._clock = RetentionClock(things.state_dir, realtime_seconds, elapsed_seconds)
        self._bound = SizeBound(things.db, things.spool, things.kept, things.state_dir, max_bytes, elapsed_seconds)
        self._strays = Strays(things.db, things.spool, elapsed_seconds, realtime_seconds)
        self._clock.now()
        # A box that was switched off for a while is no news.
        self._was_ahead = self._clock.ahead_seconds > 0
        self._told_expired_at: float | None = None
        self._last_resort_at: float | None = None

    @property
    def usage(self) -> Usage:
        """What database, spool and kept audio took when they were last measured."""
        return self._bound.usage

    def apply(self, max_bytes: int, reserve_bytes: int) -> None:
        """Take over new bounds, from any thread; they hold from the next ``tidy`` on."""
        self._bound.max_bytes = max_bytes
        self.reserve.size_bytes = reserve_bytes

    def tidy(self) -> None:
        """Look after reserve and bound; to be called about once a minute, and cheap. Raises StoreError."""
        if self.reserve.keep() and self.reserve.given_up:
            self._say(StoreNoticeKind.RESERVE_BACK, "There is space again: the reserve was made anew.")
        self._shrink(self._now())

    def purge(self) -> int:
        """Delete what has expired, thin out what gathers, find strays; return how many files of kept audio went.

        To be called at the start and about once an hour. Raises StoreError.
        """
        now = self._now()
        purged = purge(self._things.db, self._things.kept, now)
        self.purged += purged
        thin_out(self._things.db, now)
        drop_old(self._things.db, self.checkpoints_kept_days, now)
        self._find_strays()
        self.reserve.keep()
        self._shrink(now, measure_anew=True)
        self._clock.save()
        return purged

    def make_room(self) -> bool:
        """Free space on a full disk: first the reserve, then what has expired. True when trying again may help."""
        if self.reserve.give_up():
            self._say(
                StoreNoticeKind.RESERVE_GIVEN_UP,
                f"The disk is full; the reserve of {self.reserve.size_bytes // 1_000_000} MB was given up, so that "
                "the database can go on for a while. Free some space.",
            )
            self._purge_expired()
            return True
        elapsed = self._elapsed_seconds()
        if self._last_resort_at is not None and elapsed - self._last_resort_at < LAST_RESORT_SECONDS:
            return False
        self._last_resort_at = elapsed
        return self._purge_expired()

    def close(self) -> None:
        """Keep what the next start has to know."""
        self._clock.now()
        self._clock.save()

    def _purge_expired(self) -> bool:
        try:
            purged = purge(self._things.db, self._things.kept, self._now())
        except StoreError:
            return False  # it deletes the files first, but even that may be refused
        self.purged += purged
        return purged > 0

    def _shrink(self, now: float, *, measure_anew: bool = False) -> None:
        shrunk = self._bound.keep(now, measure_anew=measure_anew)
        self.shrunk.add(shrunk)
        if shrunk.pending:
            self._say(
                StoreNoticeKind.AUDIO_DROPPED,
                f"What waits for its decode takes more than store.max_bytes: the audio of the {shrunk.pending} oldest "
                "utterances was deleted, and they are failed. See why no engine decodes (`voicebridge status`).",
            )
        if shrunk.kept or shrunk.failed:
            self._say_expired(shrunk)

    def _say_expired(self, shrunk: Shrunk) -> None:
        elapsed = self._elapsed_seconds()
        if self._told_expired_at is not None and elapsed - self._told_expired_at < TOLD_AGAIN_SECONDS:
            return
        self._told_expired_at = elapsed
        self._say(
            StoreNoticeKind.AUDIO_EXPIRED,
            f"store.max_bytes is reached: the audio of {shrunk.kept} settled and {shrunk.failed} failed utterances "
            "was deleted before its time, oldest first. It goes on so; this is told once a day.",
        )

    def _find_strays(self) -> None:
        found = self._strays.recover()
        self.strays += found
        if found:
            self._say(
                StoreNoticeKind.STRAYS_FOUND,
                f"The commit of {found} utterances had failed; they are pending now, as far as they were spooled.",
            )

    def _now(self) -> float:
        now = self._clock.now()
        ahead = self._clock.ahead_seconds
        if ahead > 0 and not self._was_ahead:
            self._say(
                StoreNoticeKind.CLOCK_AHEAD,
                f"The clock has jumped {ahead / 3600:.1f} h ahead. Retention goes on by the time before that, until "
                "the clock has been so for a day of running.",
            )
        self._was_ahead = ahead > 0
        return now

    def _say(self, kind: StoreNoticeKind, detail: str) -> None:
        self._tell(StoreNotice(kind, detail))
