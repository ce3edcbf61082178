"""Checkpoints: health records in the database, and as lines of a file that is bounded by size.

What a record holds is the business of voicebridge.health; here it is JSON, with a few columns beside it to look for.
"""

import errno
import json
import math
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.domain.errors import StoreError, UnstorableError
from voicebridge.store.database import FILE_MODE, told, transaction
from voicebridge.store.retention import SECONDS_PER_DAY
from voicebridge.store.rows import storable

if TYPE_CHECKING:
    from sqlite_utils import Database

FILE_NAME = "checkpoints.jsonl"
THINNED_SECONDS = 300
"""What is older than a day keeps one record in this time: the worst."""
WHOLE_RECORDS = 10_000
"""So many of the newest are kept as they are, and of more the older are thinned before they are a day old: at one a
second they would be 86,400, and take the room of kept audio."""
MOST_RECORDS = 40_000
"""Of more the oldest go: 160 MB at 4 kB each. 90 days of one in five minutes are 26,000; each session has its own."""
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
        """Commit a checkpoint and write its line; a second call with the same record changes nothing.

        Raises UnstorableError for a record that cannot be kept, ever.
        """
        with _storable(row), transaction(self._db):
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
                    # The new one first: if it cannot be had, the old one is still ours to close, once.
                    full, descriptor = descriptor, os.open(self.path, flags, FILE_MODE)
                    os.close(full)
                    length = 0
                if os.write(descriptor, line) < len(line):
                    # A full disk took a part of it: half a line would spoil the next one, too.
                    os.ftruncate(descriptor, length)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            finally:
                os.close(descriptor)


def _text(row: Row) -> str:
    with _storable(row):
        return json.dumps(_plain(row.record), separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """Return what every reader of JSON takes: text that is Unicode, and no number that is none."""
    if isinstance(value, Mapping):
        return {storable(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return storable(value)


@contextmanager
def _storable(row: Row) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise UnstorableError(f"The checkpoint of {row.at:.0f} cannot be kept: {error}.", "Report it.") from error


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

    Of five minutes of a session the worst stays: the gravest state, then the longest delay. A short trouble is to be
    found after weeks. Raises StoreError.
    """
    with transaction(db):
        old = db.conn.execute("DELETE FROM checkpoints WHERE at < ?", (now - days * SECONDS_PER_DAY,))
        thinned = db.conn.execute(
            """DELETE FROM checkpoints WHERE id IN (
                SELECT id FROM (
                    SELECT id, row_number() OVER (
                        PARTITION BY session_id, CAST(at / :every AS INTEGER)
                        ORDER BY CASE state WHEN 'deaf' THEN 0 WHEN 'degraded' THEN 1 ELSE 2 END,
                            delay_p95_ms DESC, id
                    ) AS place
                    FROM checkpoints WHERE at < max(
                        :before,
                        coalesce((SELECT at FROM checkpoints ORDER BY at DESC, id DESC LIMIT 1 OFFSET :whole), 0)
                    )
                ) WHERE place > 1
            )""",
            {"before": now - SECONDS_PER_DAY, "every": THINNED_SECONDS, "whole": WHOLE_RECORDS},
        )
        most = db.conn.execute(
            "DELETE FROM checkpoints WHERE at < "
            "(SELECT at FROM checkpoints ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?)",
            (MOST_RECORDS - 1,),
        )
        return old.rowcount + thinned.rowcount + most.rowcount


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
