"""Sessions: one for each run; when it began, what it heard with, and how it ended."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from voicebridge.domain.audio import Gap
from voicebridge.domain.timeline import Anchor
from voicebridge.store.database import told, transaction
from voicebridge.store.rows import storable

if TYPE_CHECKING:
    from sqlite_utils import Database

CLEAN = "clean"
CRASHED = "crashed"
MAX_DETAIL_CHARS = 2000
"""Longer details of events are cut: a message may quote a whole file."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What is known of a run when it begins; engine and model may follow with ``note_engine``."""

    version: str
    host: str
    boot_id: str
    source: str
    settings_digest: str
    pid: int
    engine: str | None = None
    model: str | None = None


def begin_session(db: "Database", info: SessionInfo, started_at: float) -> int:
    """Commit that a session begins and return its id. ``started_at`` is in seconds since the epoch."""
    columns = {name: storable(value) for name, value in asdict(info).items()} | {"started_at": started_at}
    names = ", ".join(columns)
    places = ", ".join(f":{name}" for name in columns)
    with transaction(db):
        added = db.conn.execute(f"INSERT INTO sessions ({names}) VALUES ({places})", columns)  # noqa: S608 - our columns
        assert added.lastrowid is not None
        return added.lastrowid


def note_engine(db: "Database", session_id: int, engine: str, model: str) -> None:
    """Commit which engine and model decode in a session."""
    with transaction(db):
        db.conn.execute("UPDATE sessions SET engine = ?, model = ? WHERE id = ?", (engine, storable(model), session_id))


def end_session(db: "Database", session_id: int, ending: str, ended_at: float) -> None:
    """Commit that a session ended: ``clean``, or ``error: ...``. One that has ended is left as it is."""
    with transaction(db):
        db.conn.execute(
            "UPDATE sessions SET ending = ?, ended_at = ? WHERE id = ? AND ending IS NULL",
            (storable(ending[:MAX_DETAIL_CHARS]), ended_at, session_id),
        )


def earlier_in_this_boot(db: "Database", session_id: int) -> int:
    """Return how many sessions there were before this one since the machine was booted. Raises StoreError."""
    with told(db):
        count: int = db.conn.execute(
            "SELECT count(*) FROM sessions WHERE id < :id AND boot_id = (SELECT boot_id FROM sessions WHERE id = :id)",
            {"id": session_id},
        ).fetchone()[0]
        return count


def newest_session(db: "Database") -> tuple[int, str | None, float | None] | None:
    """Return id, ending and end of the session that began last; both are None while it runs, and after a crash.

    Raises StoreError.
    """
    with told(db):
        found: tuple[int, str | None, float | None] | None = db.conn.execute(
            "SELECT id, ending, ended_at FROM sessions ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return found


def close_crashed(db: "Database") -> int:
    """Mark every session without an end as crashed, at the last moment known of it; return how many.

    Only the holder of the state directory may call it, and before it begins its own session. Inside a transaction.
    """
    return db.conn.execute(
        """UPDATE sessions SET ending = ?, ended_at = max(
            started_at,
            coalesce((SELECT max(ended_at) FROM utterances WHERE session_id = sessions.id), 0),
            coalesce((SELECT max(realtime_seconds) FROM anchors WHERE session_id = sessions.id), 0),
            coalesce((SELECT max(noted_at) FROM events WHERE session_id = sessions.id), 0)
        ) WHERE ending IS NULL""",
        (CRASHED,),
    ).rowcount


class SqliteSessionLog:
    """What a database keeps of one session besides its utterances. Every call is durable when it returns."""

    def __init__(self, db: "Database", session_id: int, realtime_seconds: Callable[[], float] = time.time) -> None:
        self._db = db
        self._session_id = session_id
        self._realtime_seconds = realtime_seconds

    def add_gap(self, gap: Gap) -> None:
        """Commit a gap."""
        with transaction(self._db):
            self._db.conn.execute(
                "INSERT INTO gaps (session_id, start_sample, end_sample, reason, noted_at) VALUES (?, ?, ?, ?, ?)",
                (self._session_id, gap.span.start, gap.span.end, gap.reason.value, self._realtime_seconds()),
            )

    def add_event(self, kind: str, detail: str) -> None:
        """Commit an event for people and later analysis; its detail is cut at 2000 characters.

        It holds no text of what was heard: forgetting an utterance leaves events alone.
        """
        with transaction(self._db):
            self._db.conn.execute(
                "INSERT INTO events (session_id, noted_at, kind, detail) VALUES (?, ?, ?, ?)",
                (self._session_id, self._realtime_seconds(), kind, storable(detail[:MAX_DETAIL_CHARS])),
            )

    def add_anchor(self, anchor: Anchor) -> None:
        """Commit an anchor, so that wall times can be recomputed."""
        with transaction(self._db):
            self._db.conn.execute(
                "INSERT INTO anchors (session_id, sample_index, monotonic_seconds, realtime_seconds) "
                "VALUES (?, ?, ?, ?)",
                (self._session_id, anchor.sample_index, anchor.monotonic_seconds, anchor.realtime_seconds),
            )
