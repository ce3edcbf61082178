"""Strays: audio in the spool of which no row tells although its utterance is over.

That is what is left when its commit failed for good (a part of its audio was refused), or when it could not be read at
the start. The next start would find it; a daemon that runs for months need not wait for that.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from voicebridge.store.database import told, transaction
from voicebridge.store.recovery import SHORTEST_SAMPLES, ended_where_its_audio_ends, ensure_session
from voicebridge.store.rows import columns_of_ended
from voicebridge.store.spool import DirectorySpool, SpoolEntry
from voicebridge.store.utterances import insert

if TYPE_CHECKING:
    from sqlite_utils import Database

    from voicebridge.domain.utterance import UtteranceKey

QUIET_SECONDS = 600.0
"""An utterance lasts for half a minute at most. Everything that was on its way to the store writer when a file was seen
first has been done, in order, when it is seen with the same length so much later."""


class Strays:
    """Finds strays and makes them pending. One thread: the store writer's."""

    def __init__(
        self,
        db: "Database",
        spool: DirectorySpool,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        realtime_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._db = db
        self._spool = spool
        self._monotonic_seconds = monotonic_seconds
        self._realtime_seconds = realtime_seconds
        self._seen: dict[UtteranceKey, tuple[int, float]] = {}

    def recover(self) -> int:
        """Make pending what has lain in the spool without a row for ten minutes; return how many. Raises StoreError."""
        now = self._monotonic_seconds()
        unknown = {entry.key: entry for entry in self._spool.entries() if self._is_unknown(entry)}
        self._seen = {key: self._first_sight(entry, now) for key, entry in unknown.items()}
        found = [unknown[key] for key, (_, since) in self._seen.items() if now - since >= QUIET_SECONDS]
        with transaction(self._db):
            for entry in found:
                ensure_session(self._db, entry)
                columns = columns_of_ended(ended_where_its_audio_ends(entry, self._realtime_seconds()))
                insert(self._db, columns | {"recovered": 1})
        return len(found)

    def _is_unknown(self, entry: SpoolEntry) -> bool:
        if not entry.readable or entry.samples < SHORTEST_SAMPLES:
            return False
        key = (entry.key.session_id, entry.key.start_sample)
        with told(self._db):
            sql = "SELECT 1 FROM utterances WHERE session_id = ? AND start_sample = ?"
            return self._db.conn.execute(sql, key).fetchone() is None

    def _first_sight(self, entry: SpoolEntry, now: float) -> tuple[int, float]:
        samples, since = self._seen.get(entry.key, (entry.samples, now))
        return (samples, since) if samples == entry.samples else (entry.samples, now)
