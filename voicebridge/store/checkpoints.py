"""Checkpoints: health records in the database, and as lines of a file that is bounded by size.

What a record holds is the business of voicebridge.health; here it is JSON, with a few columns beside it to look for.
"""

import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.domain.errors import StoreError
from voicebridge.store.database import FILE_MODE, told, transaction
from voicebridge.store.retention import SECONDS_PER_DAY

if TYPE_CHECKING:
    from sqlite_utils import Database

FILE_NAME = "checkpoints.jsonl"
THINNED_SECONDS = 300
"""What is older than a day keeps one record in this time."""
LINES_REMEMBERED = 512
"""Records whose line is known to be written; more do not wait for the database (voicebridge.daemon.checkpointing)."""
MAX_RECORDS = 10_000
"""Most records in one answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """What stands in columns of its own; the rest is in ``record``. ``at`` is in seconds since the epoch."""

    session_id: int
    at: float
    state: str
    uptime_seconds: float
    backlog_seconds: float
    delay_p95_ms: float | None
    cpu_share: float | None
    rss_bytes: int | None
    record: Mapping[str, Any]


class CheckpointLog:
    """Keeps checkpoints. Used by the store writer's thread; what it does bears repetition. Raises StoreError."""

    def __init__(self, db: "Database", state_dir: Path, max_bytes: int) -> None:
        self.path = state_dir / FILE_NAME
        self._db = db
        self._max_bytes = max_bytes
        self._lined: deque[float] = deque(maxlen=LINES_REMEMBERED)
        self.lines_failed = 0
        """Lines that the file did not take; the database has them."""

    def add(self, row: Row) -> None:
        """Commit a checkpoint and write its line; a second call with the same record changes nothing."""
        with transaction(self._db):
            self._db.conn.execute(
                """INSERT INTO checkpoints (session_id, at, state, uptime_seconds, backlog_seconds, delay_p95_ms,
                        cpu_share, rss_bytes, record)
                    SELECT :session_id, :at, :state, :uptime_seconds, :backlog_seconds, :delay_p95_ms,
                        :cpu_share, :rss_bytes, :record
                    WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE session_id = :session_id AND at = :at)""",
                {
                    "session_id": row.session_id,
                    "at": row.at,
                    "state": row.state,
                    "uptime_seconds": row.uptime_seconds,
                    "backlog_seconds": row.backlog_seconds,
                    "delay_p95_ms": row.delay_p95_ms,
                    "cpu_share": row.cpu_share,
                    "rss_bytes": row.rss_bytes,
                    "record": _text(row),
                },
            )
        self.line(row)

    def line(self, row: Row) -> None:
        """Write its line, once, for a database that is locked or lost holds up no file; one that fails is counted."""
        if row.at in self._lined:
            return
        self._lined.append(row.at)
        try:
            self._append(_text(row))
        except StoreError:
            self.lines_failed += 1

    def _append(self, text: str) -> None:
        """Add a line; not synced on purpose: the database has the record, durably."""
        line = text.encode(errors="replace") + b"\n"
        with told(self.path):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path, flags, FILE_MODE)
            try:
                length = os.fstat(descriptor).st_size
                if length and length + len(line) > self._max_bytes:
                    self.path.replace(self.path.with_name(FILE_NAME + ".1"))
                    os.close(descriptor)
                    descriptor = os.open(self.path, flags, FILE_MODE)
                    length = 0
                if os.write(descriptor, line) < len(line):
                    # A full disk took a part of it: half a line would spoil the next one, too.
                    os.ftruncate(descriptor, length)
                    raise OSError(28, os.strerror(28), str(self.path))
            finally:
                os.close(descriptor)


def _text(row: Row) -> str:
    return json.dumps(row.record, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def checkpoints_between(db: "Database", since: float, until: float, limit: int) -> Sequence[dict[str, Any]]:
    """Return records of this time, oldest first; of more than ``limit`` evenly spread ones, the newest among them.

    Raises StoreError.
    """
    limit = max(1, min(limit, MAX_RECORDS))
    with told(db):
        (count,) = db.conn.execute(
            "SELECT count(*) FROM checkpoints WHERE at >= ? AND at < ?", (since, until)
        ).fetchone()
        step = -(-count // limit) if count else 1
        rows = db.conn.execute(
            """SELECT record FROM (
                    SELECT at, id, record, row_number() OVER (ORDER BY at DESC, id DESC) - 1 AS back
                    FROM checkpoints WHERE at >= ? AND at < ?
                ) WHERE back % ? = 0 ORDER BY at, id""",
            (since, until, step),
        ).fetchall()
    return [json.loads(row[0]) for row in rows]


def newest_checkpoints(
    db: "Database", limit: int, since: float = 0.0, until: float | None = None
) -> Sequence[dict[str, Any]]:
    """Return the newest records of a time, oldest first. Raises StoreError."""
    with told(db):
        rows = db.conn.execute(
            "SELECT record FROM checkpoints WHERE at >= ? AND (? IS NULL OR at < ?) ORDER BY at DESC, id DESC LIMIT ?",
            (since, until, until, max(1, min(limit, MAX_RECORDS))),
        ).fetchall()
    return [json.loads(row[0]) for row in reversed(rows)]


def drop_old(db: "Database", days: int, now: float) -> int:
    """Delete checkpoints older than so many days, and thin out those older than a day; return how many went.

    A day of one a second is 86,400 rows of 4 kB; older ones are thinned to the first in five minutes, so that 90 days
    take no more than 26,000 rows however often one is taken. Raises StoreError.
    """
    with transaction(db):
        old = db.conn.execute("DELETE FROM checkpoints WHERE at < ?", (now - days * SECONDS_PER_DAY,))
        thinned = db.conn.execute(
            """DELETE FROM checkpoints WHERE at < :before AND id NOT IN (
                SELECT min(id) FROM checkpoints WHERE at < :before GROUP BY session_id, CAST(at / :every AS INTEGER)
            )""",
            {"before": now - SECONDS_PER_DAY, "every": THINNED_SECONDS},
        )
        return old.rowcount + thinned.rowcount


def last_line(state_dir: Path) -> dict[str, Any] | None:
    """Return the newest whole record in the file, or None when there is none that can be read."""
    for path in (state_dir / FILE_NAME, state_dir / (FILE_NAME + ".1")):
        with suppress(OSError, ValueError), path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65_536))
            for line in reversed(file.read().splitlines()):
                with suppress(ValueError):
                    if isinstance(found := json.loads(line), dict):
                        return found
    return None
