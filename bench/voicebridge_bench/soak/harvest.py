"""What the daemon's database holds: checkpoints while it runs, utterances and gaps at the end."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.domain.errors import StoreError
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.soak.record import Checkpoint, Heard, Lost

if TYPE_CHECKING:
    from sqlite_utils import Database

BATCH = 500
"""Checkpoints read at once."""
BUSY_MS = 2000


class Checkpoints:
    """Reads checkpoints as they are written; each once."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._last_id = 0
        self._heap: tuple[Any, int | None] = None, None
        """Of the newest, and the session that wrote it."""

    def skip(self, known: Sequence[Checkpoint]) -> None:
        """Leave out what an earlier run has put into the record."""
        moments = {checkpoint.content.get("monotonic_seconds") for checkpoint in known}
        for number, content in _rows(self._database, 0):
            if content.get("monotonic_seconds") in moments:
                self._last_id = number

    def new(self) -> list[Checkpoint]:
        """Return those that were written since the last time; what cannot be read now is read later."""
        found: list[Checkpoint] = []
        for number, content in _rows(self._database, self._last_id):
            self._last_id = number
            self._heap = content.get("session_id"), content["memory"]["heap_bytes"]
            found.append(Checkpoint(float(content["monotonic_seconds"]), content))
        return found

    def heap_of(self, session: int) -> int | None:
        """Return Python's heap at the newest checkpoint, if this session wrote it."""
        return self._heap[1] if self._heap[0] == session else None


def _rows(database: Path, after: int) -> list[tuple[int, dict[str, Any]]]:
    """Return ids and contents of checkpoints with higher ids; none when the database cannot be read."""
    try:
        with _opened(database) as db:
            sql = "SELECT id, record FROM checkpoints WHERE id > ? ORDER BY id LIMIT ?"
            return [(number, json.loads(text)) for number, text in db.conn.execute(sql, (after, BATCH))]
    except (StoreError, _sqlite_error()):
        return []


class Ending:
    """What is in the database at the end. Raises StoreError when it cannot be read."""

    def __init__(self, database: Path, sessions: Mapping[int, int], wall_of_zero: float) -> None:
        """Take of which life each session is, and the wall time at which CLOCK_MONOTONIC was 0."""
        self._sessions = sessions
        self._wall_of_zero = wall_of_zero
        try:
            self._read(database)
        except _sqlite_error() as error:
            raise StoreError(f"SQLite says of {database}: {error}.") from error

    def _read(self, database: Path) -> None:
        with _opened(database) as db:
            self._utterances = list(db.query("SELECT * FROM utterances ORDER BY id"))
            self._gaps = list(db.query("SELECT * FROM gaps ORDER BY id"))
            anchors = list(db.query("SELECT * FROM anchors ORDER BY session_id, sample_index"))
            self.integrity = str(next(iter(db.query("PRAGMA integrity_check")))["integrity_check"])
        self._anchors: dict[int, list[dict[str, Any]]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor["session_id"], []).append(anchor)

    def heard(self, announced: Mapping[int, float]) -> Iterator[Heard]:
        """Yield the utterances; ``announced`` says when each was told of, for a wall clock may have been moved."""
        for row in self._utterances:
            at = announced.get(row["id"])
            if at is None and row["settled_at"] is not None:
                at = row["settled_at"] - self._wall_of_zero
            yield Heard(
                utterance=row["id"],
                session=row["session_id"],
                life=self._life(row["session_id"]),
                start_sample=row["start_sample"],
                end_sample=row["end_sample"],
                status=row["status"],
                text=row["text"] or "",
                delay_ms=row["delay_ms"],
                at=at,
            )

    def lost(self) -> Iterator[Lost]:
        """Yield the gaps."""
        for row in self._gaps:
            yield Lost(
                session=row["session_id"],
                life=self._life(row["session_id"]),
                start_sample=row["start_sample"],
                end_sample=row["end_sample"],
                reason=row["reason"],
                at=self._moment_of(row),
            )

    def _life(self, session: int) -> int:
        return self._sessions.get(session, 0)

    def _moment_of(self, gap: Mapping[str, Any]) -> float:
        """Return when a gap ended, by the anchors of its session."""
        anchors = self._anchors.get(gap["session_id"], [])
        place = bisect_right(anchors, gap["end_sample"], key=lambda anchor: anchor["sample_index"])
        if not place:
            return float(gap["noted_at"]) - self._wall_of_zero
        anchor = anchors[place - 1]
        return float(anchor["monotonic_seconds"] + (gap["end_sample"] - anchor["sample_index"]) / SAMPLE_RATE)


def _opened(database: Path) -> "Database":
    from voicebridge.store.database import open_database

    return open_database(database, read_only=True, busy_timeout_ms=BUSY_MS)


def _sqlite_error() -> type[Exception]:
    import sqlite3

    return sqlite3.Error
