"""Pages of what was heard, and what happened meanwhile: for those who look through the window (HTTP)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicebridge.domain.units import SAMPLE_RATE
from voicebridge.domain.utterance import Status, UtteranceRecord
from voicebridge.store.database import told
from voicebridge.store.rows import RECORD_SQL, record_of, storable
from voicebridge.store.search import as_phrases

if TYPE_CHECKING:
    from sqlite_utils import Database

MAX_ROWS = 1000
"""Most rows of one kind in one answer; of more the newest are given."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which utterances, newest first; with ``words`` the best hits first, of done ones unless told otherwise.

    Times are in seconds since the epoch, by when one began; not at ``until``. ``before_id`` goes on after a page.
    """

    since: float | None = None
    until: float | None = None
    statuses: tuple[Status, ...] = ()
    words: str = ""
    limit: int = 50
    before_id: int | None = None


def page(db: "Database", query: PageQuery) -> list[UtteranceRecord]:
    """Return a page of utterances. Raises StoreError."""
    # SQLite takes NUL for the end of a text.
    match = as_phrases(storable(query.words).replace("\0", " "))
    if query.words.strip() and not match:
        return []
    statuses = query.statuses or ((Status.DONE,) if match else ())
    conditions, values = ["1"], dict[str, Any]()
    for name, value, condition in (
        ("since", query.since, "started_at >= :since"),
        ("until", query.until, "started_at < :until"),
        ("before_id", query.before_id, "utterances.id < :before_id"),
        ("match", match or None, "utterances_fts MATCH :match"),
    ):
        if value is not None:
            conditions.append(condition)
            values[name] = value
    if statuses:
        conditions.append(f"status IN ({', '.join(f':status{n}' for n in range(len(statuses)))})")
        values |= {f"status{n}": status.value for n, status in enumerate(statuses)}
    hits = "JOIN utterances_fts ON utterances_fts.rowid = utterances.id" if match else ""
    order = "bm25(utterances_fts), utterances.id DESC" if match else "utterances.id DESC"
    sql = f"{RECORD_SQL} {hits} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT :limit"
    with told(db):
        return [record_of(row) for row in db.query(sql, values | {"limit": min(query.limit, MAX_ROWS)})]


def settled_after(db: "Database", sequence: int, limit: int) -> list[UtteranceRecord]:
    """Return utterances that were settled after that number, in that order. Raises StoreError."""
    sql = f"{RECORD_SQL} WHERE settled.sequence > ? ORDER BY settled.sequence LIMIT ?"
    with told(db):
        return [record_of(row) for row in db.query(sql, [sequence, min(limit, MAX_ROWS)])]


def newest_settled(db: "Database") -> int:
    """Return the number of the utterance that was settled last, 0 when none was. Raises StoreError."""
    with told(db):
        newest: int = db.conn.execute("SELECT coalesce(max(sequence), 0) FROM settled").fetchone()[0]
        return newest


def gaps_between(db: "Database", since: float, until: float) -> Sequence[dict[str, Any]]:
    """Return gaps that touch this time, oldest first, with the wall times that the session's anchors give them.

    Without an anchor (a source that is not paced) a gap ends when it was noted. Raises StoreError.
    """
    sql = f"""SELECT * FROM (
            SELECT gaps.id, gaps.session_id, gaps.reason, gaps.start_sample, gaps.end_sample,
                (gaps.end_sample - gaps.start_sample) / {float(SAMPLE_RATE)} AS seconds,
                coalesce(
                    (SELECT anchors.realtime_seconds + (gaps.start_sample - anchors.sample_index) / {float(SAMPLE_RATE)}
                        FROM anchors WHERE anchors.session_id = gaps.session_id
                            AND anchors.sample_index <= gaps.start_sample
                        ORDER BY anchors.sample_index DESC LIMIT 1),
                    gaps.noted_at - (gaps.end_sample - gaps.start_sample) / {float(SAMPLE_RATE)}
                ) AS started_at
            FROM gaps WHERE gaps.noted_at >= :since ORDER BY gaps.id DESC LIMIT :limit
        ) WHERE started_at < :until AND started_at + seconds >= :since ORDER BY id"""  # noqa: S608 - our own numbers
    return _rows(db, sql, since, until)


def sessions_between(db: "Database", since: float, until: float) -> Sequence[dict[str, Any]]:
    """Return sessions that touch this time, oldest first. Raises StoreError."""
    sql = """SELECT * FROM (
            SELECT id, started_at, ended_at, ending, version, source, engine, model FROM sessions
            WHERE started_at < :until AND (ended_at IS NULL OR ended_at >= :since) ORDER BY id DESC LIMIT :limit
        ) ORDER BY id"""
    return _rows(db, sql, since, until)


def events_between(db: "Database", since: float, until: float) -> Sequence[dict[str, Any]]:
    """Return events of this time, oldest first. Raises StoreError."""
    sql = """SELECT * FROM (
            SELECT id, session_id, noted_at AS at, kind, detail FROM events
            WHERE noted_at >= :since AND noted_at < :until ORDER BY id DESC LIMIT :limit
        ) ORDER BY id"""
    return _rows(db, sql, since, until)


def _rows(db: "Database", sql: str, since: float, until: float) -> Sequence[dict[str, Any]]:
    with told(db):
        return list(db.query(sql, {"since": since, "until": until, "limit": MAX_ROWS}))
