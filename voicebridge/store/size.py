"""Retention by size: what database, spool and kept audio take, and what goes when that is too much.

Text is never deleted for its size. Audio goes in this order: the oldest kept audio of settled utterances; the audio of
those that failed more than 30 days ago; and, only when what waits for its decode takes more than all that is allowed
(no engine for weeks), the oldest of that, which is then failed.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.domain.units import SAMPLE_BYTES
from voicebridge.domain.utterance import Status, UtteranceKey
from voicebridge.settings.paths import audio_dir, database_path, spool_dir
from voicebridge.store.database import told, transaction
from voicebridge.store.retention import SECONDS_PER_DAY, KeptAudio
from voicebridge.store.spool import HEADER, DirectorySpool
from voicebridge.store.utterances import update

if TYPE_CHECKING:
    from sqlite_utils import Database

FAILED_DAYS = 30
"""Audio of failed utterances is not deleted for its size before this: somebody may still `voicebridge retry` it."""
GROWTH_BYTES_PER_SECOND = 64_000
"""Twice what a microphone that never falls silent brings: audio that is settled is in the spool and kept for a moment.
What cannot have grown over the bound since it was last measured is not measured again."""
SLACK = 0.98
"""What is too much is brought down to this share of the bound, so that not every utterance needs a deletion."""
PAGE_ROWS = 100
REASON = "store.max_bytes"
"""Reason of an utterance whose audio was deleted before it was decoded."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in a state directory, in bytes; models, backups and the reserve are not counted."""

    database: int = 0
    spool: int = 0
    kept: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.database + self.spool + self.kept


@dataclass(slots=True)
class Shrunk:
    """Of how many utterances the audio was deleted for its size."""

    kept: int = 0
    failed: int = 0
    pending: int = 0

    def add(self, other: "Shrunk") -> None:
        """Add another count to this one."""
        self.kept, self.failed, self.pending = (
            self.kept + other.kept,
            self.failed + other.failed,
            self.pending + other.pending,
        )


def measure(state_dir: Path) -> Usage:
    """Return what a state directory holds. Raises StoreError."""
    with told(state_dir):
        path = database_path(state_dir)
        database = sum(_length(path.with_name(path.name + end)) for end in ("", "-wal", "-shm"))
        return Usage(database, _bytes_in(spool_dir(state_dir)), _bytes_in(audio_dir(state_dir)))


class SizeBound:
    """Keeps a state directory within ``max_bytes``; 0 sets no bound. One thread: the store writer's."""

    def __init__(
        self,
        db: "Database",
        spool: DirectorySpool,
        kept: KeptAudio,
        state_dir: Path,
        max_bytes: int,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_bytes = max_bytes
        self.usage = Usage()
        """As it was last measured, less what was deleted then."""
        self._db = db
        self._spool = spool
        self._kept = kept
        self._state_dir = state_dir
        self._monotonic_seconds = monotonic_seconds
        self._measured_at: float | None = None

    def keep(self, now: float, *, measure_anew: bool = False) -> Shrunk:
        """Delete what is too much; ``now`` is in seconds since the epoch. Raises StoreError."""
        done = Shrunk()
        if not measure_anew and not self._may_be_over():
            return done
        self.usage = measure(self._state_dir)
        self._measured_at = self._monotonic_seconds()
        if not self.max_bytes or self.usage.total <= self.max_bytes:
            return done
        excess = self.usage.total - int(self.max_bytes * SLACK)
        excess -= self._drop_kept(excess, done)
        if excess > 0:
            self._drop_failed(excess, now, done)
        self._drop_pending(now, done)
        self.usage = measure(self._state_dir)
        return done

    def _may_be_over(self) -> bool:
        if self._measured_at is None:
            return True
        elapsed = self._monotonic_seconds() - self._measured_at
        return self.max_bytes > 0 and self.usage.total + GROWTH_BYTES_PER_SECOND * elapsed > self.max_bytes

    def _drop_kept(self, excess: int, done: Shrunk) -> int:
        """Delete kept audio, oldest first; return how many bytes."""
        freed = self._drop_unknown(excess, done)
        while freed < excess:
            rows = self._ask(
                "SELECT utterance_id, path FROM audio JOIN utterances ON id = utterance_id ORDER BY started_at LIMIT ?",
                PAGE_ROWS,
            )
            if not rows:
                break
            gone = []
            for utterance_id, path in rows:
                if freed >= excess:
                    break
                freed += _length(self._kept.path_of(path))
                self._kept.delete(path)
                gone.append((utterance_id,))
            with transaction(self._db):
                self._db.conn.executemany("DELETE FROM audio WHERE utterance_id = ?", gone)
            done.kept += len(gone)
        return freed

    def _drop_unknown(self, excess: int, done: Shrunk) -> int:
        """Delete kept audio that a lost database left: nobody can tell its age, so that it counts as the oldest."""
        freed = 0
        for utterance_id, path in self._kept.files():
            if freed >= excess:
                break
            if not self._ask("SELECT 1 FROM audio WHERE utterance_id = ?", utterance_id):
                freed += _length(self._kept.path_of(path))
                done.kept += self._kept.delete(path)
        return freed

    def _drop_failed(self, excess: int, now: float, done: Shrunk) -> None:
        rows = self._ask(
            "SELECT id, session_id, start_sample, reasons FROM utterances "
            "WHERE status = 'failed' AND settled_at < ? ORDER BY settled_at",
            now - FAILED_DAYS * SECONDS_PER_DAY,
        )
        for utterance_id, session_id, start_sample, reasons in rows:
            key = UtteranceKey(session_id, start_sample)
            if excess <= 0:
                return
            if not self._spool.holds(key):
                continue
            excess -= _length(self._spool.file_of(key))
            self._spool.discard(key)
            self._fail(utterance_id, {"reasons": json.dumps([*json.loads(reasons or "[]"), REASON])})
            done.failed += 1

    def _drop_pending(self, now: float, done: Shrunk) -> None:
        waiting = f"SELECT coalesce(sum((end_sample - start_sample) * {SAMPLE_BYTES} + {HEADER.size}), 0) "
        (held,) = self._ask(waiting + "FROM utterances WHERE status = 'pending'")[0]
        if held <= self.max_bytes:
            return
        excess = held - int(self.max_bytes * SLACK)
        rows = self._ask("SELECT id, session_id, start_sample FROM utterances WHERE status = 'pending' ORDER BY id")
        for utterance_id, session_id, start_sample in rows:
            if excess <= 0:
                return
            key = UtteranceKey(session_id, start_sample)
            length = _length(self._spool.file_of(key))
            failed = {"status": Status.FAILED.value, "reasons": json.dumps([REASON]), "settled_at": now}
            # The row first: a pending one without audio would say less of why.
            self._fail(utterance_id, failed)
            self._spool.discard(key)
            excess -= length
            done.pending += 1

    def _fail(self, utterance_id: int, columns: dict[str, Any]) -> None:
        with transaction(self._db):
            update(self._db, utterance_id, columns)

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        with told(self._db):
            return self._db.conn.execute(sql, values).fetchall()


def _length(path: Path) -> int:
    """Return the length of a file; one that has gone takes nothing."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _bytes_in(folder: Path) -> int:
    """Return the length of the files in a folder."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total
