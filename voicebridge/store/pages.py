"""Pages of what was heard: for those who look through the window (HTTP)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
