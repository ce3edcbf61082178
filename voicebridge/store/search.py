"""Finding what was heard: by time and status, by words, and as it comes."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.domain.utterance import Status, UtteranceRecord
from voicebridge.store.database import told
from voicebridge.store.rows import RECORD_SQL, record_of, storable

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGE_ROWS = 200
"""Rows fetched at once. No transaction is held between pages, so that a slow reader never keeps the log from being
cut."""
MAX_HITS = 1000
SNIPPET_TOKENS = 16
WORDS_POLLS = 4
"""Polls that a follower waits for the words of a text; two seconds as the commands ask. The search takes a fifth of a
decode at most."""
MAX_WAITING = 10_000
"""Utterances that a follower waits for at once; newer ones are looked at when some of these are settled."""


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which utterances, by the time they began (seconds since the epoch; not at ``until``), and in which order."""

    since: float | None = None
    until: float | None = None
    statuses: tuple[Status, ...] = ()
    """Empty for any."""
    session_id: int | None = None
    newest_first: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Which hits: by time as in HistoryQuery, and which page of them."""

    since: float | None = None
    until: float | None = None
    limit: int = 20
    offset: int = 0
    raw: bool = False
    """True for the query language of FTS5 (https://sqlite.org/fts5.html), False for plain words, all of them."""
    markers: tuple[str, str] = ("[", "]")
    """What stands around each found word in a snippet."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An utterance in which the words were found; ``score`` is BM25 (lower is better)."""

    record: UtteranceRecord
    snippet: str
    score: float


def history(db: "Database", query: HistoryQuery) -> Iterator[UtteranceRecord]:
    """Yield utterances in order of time, fetched in pages. Raises StoreError."""
    left = query.limit
    last: tuple[float, int] | None = None
    while left is None or left > 0:
        size = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        page = _page(db, query, last, size)
        yield from page
        if len(page) < size:
            return
        last = (page[-1].started_at, page[-1].utterance_id)
        left = None if left is None else left - size


def find(db: "Database", utterance_id: int) -> UtteranceRecord | None:
    """Return one utterance, or None."""
    records = _records(db, "WHERE id = ?", [utterance_id])
    return records[0] if records else None


def search(db: "Database", words: str, query: SearchQuery) -> list[Hit]:
    """Return the best hits for words in transcripts that are done, best first. Raises StoreError.

    A plain word that ends in ``*`` finds every word that begins so. Case and accents make no difference.
    """
    # SQLite takes NUL for the end of a text.
    words = storable(words).replace("\0", " ")
    match = words if query.raw else as_phrases(words)
    if not match.strip():
        return []
    sql = """SELECT utterances.*, audio.path AS audio_path, settled.sequence AS settled_sequence,
            snippet(utterances_fts, 0, :before, :after, '…', :tokens) AS snippet, bm25(utterances_fts) AS score
        FROM utterances_fts JOIN utterances ON utterances.id = utterances_fts.rowid
            LEFT JOIN audio ON audio.utterance_id = utterances.id
            LEFT JOIN settled ON settled.utterance_id = utterances.id
        WHERE utterances_fts MATCH :match AND status = 'done'
            AND (:since IS NULL OR started_at >= :since) AND (:until IS NULL OR started_at < :until)
        ORDER BY score, utterances.id DESC LIMIT :limit OFFSET :offset"""
    values = {
        "before": query.markers[0],
        "after": query.markers[1],
        "tokens": SNIPPET_TOKENS,
        "match": match,
        "since": query.since,
        "until": query.until,
        "limit": min(query.limit, MAX_HITS),
        "offset": query.offset,
    }
    with told(db):
        try:
            rows = list(db.query(sql, values))
        except sqlite3.OperationalError as error:
            if not query.raw or error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise StoreError(
                f"{match!r} is not a query ({error}).",
                "See https://sqlite.org/fts5.html, or search for plain words without --raw.",
                exit_code=ExitCode.USAGE,
            ) from error
    return [Hit(record_of(row), row["snippet"], row["score"]) for row in rows]


def as_phrases(words: str) -> str:
    """Return an FTS5 query for all of these words, none of which can be an operator of it."""
    phrases = []
    for word in words.split():
        plain = word.rstrip("*").replace('"', '""')
        # FTS5 finds nothing at all for a phrase without a letter or digit.
        if any(letter.isalnum() for letter in plain):
            phrases.append(f'"{plain}"' + ("*" if word.endswith("*") else ""))
    return " ".join(phrases)


class Follower:
    """Finds utterances as they are settled; each ``poll`` is a few short reads.

    With ``words`` a text that has none yet is held back for WORDS_POLLS polls: they are found after it. Where none come
    in that time (none are wanted, say) it is given without.
    """

    def __init__(self, db: "Database", statuses: tuple[Status, ...] = (), *, words: bool = False) -> None:
        self._db = db
        self._statuses = statuses or (Status.DONE, Status.REJECTED, Status.FAILED)
        with told(db):
            self._newest_id: int = db.conn.execute("SELECT coalesce(max(id), 0) FROM utterances").fetchone()[0]
            rows = db.conn.execute("SELECT id FROM utterances WHERE status = 'pending' LIMIT ?", (MAX_WAITING,))
            self._waiting = {row[0] for row in rows.fetchall()}
        self._left_out: set[int] = set()
        self._polls_held = WORDS_POLLS if words else 0
        self._held: dict[int, int] = {}
        """Polls in which a text was there without its words."""

    def poll(self) -> list[UtteranceRecord]:
        """Return what was settled since the last poll, lowest id first. Raises StoreError.

        A text that is held for its words comes with a later poll than those after it that had theirs, or have none.
        """
        room = max(MAX_WAITING - len(self._waiting), 0)
        with told(self._db):
            rows = self._db.conn.execute(
                "SELECT id FROM utterances WHERE id > ? ORDER BY id LIMIT ?", (self._newest_id, room)
            ).fetchall()
        new = [row[0] for row in rows]
        self._waiting.update(set(new) - self._left_out)
        self._left_out.clear()
        self._newest_id = max(new, default=self._newest_id)
        found = self._look(sorted(self._waiting))
        # What was forgotten meanwhile is not waited for any more.
        held = {record.utterance_id for record in found if self._is_held(record)}
        self._held = {utterance_id: self._held.get(utterance_id, 0) + 1 for utterance_id in held}
        self._waiting = held | {record.utterance_id for record in found if record.status is Status.PENDING}
        return [record for record in found if record.status in self._statuses and record.utterance_id not in held]

    def leave_out(self, utterance_id: int) -> None:
        """Do not return an utterance that was shown already; to be called before the next poll."""
        self._waiting.discard(utterance_id)
        if utterance_id > self._newest_id:
            self._left_out.add(utterance_id)

    def _is_held(self, record: UtteranceRecord) -> bool:
        return bool(record.text) and not record.words and self._held.get(record.utterance_id, 0) < self._polls_held

    def _look(self, ids: list[int]) -> list[UtteranceRecord]:
        found: list[UtteranceRecord] = []
        for start in range(0, len(ids), PAGE_ROWS):
            page = ids[start : start + PAGE_ROWS]
            found += _records(self._db, f"WHERE id IN ({', '.join('?' * len(page))}) ORDER BY id", page)
        return found


def _page(db: "Database", query: HistoryQuery, last: tuple[float, int] | None, size: int) -> list[UtteranceRecord]:
    compare, order = ("<", "DESC") if query.newest_first else (">", "ASC")
    conditions = ["1"]
    values: list[Any] = []
    if query.since is not None:
        conditions.append("started_at >= ?")
        values.append(query.since)
    if query.until is not None:
        conditions.append("started_at < ?")
        values.append(query.until)
    if query.statuses:
        conditions.append(f"status IN ({', '.join('?' * len(query.statuses))})")
        values.extend(status.value for status in query.statuses)
    if query.session_id is not None:
        conditions.append("session_id = ?")
        values.append(query.session_id)
    if last is not None:
        conditions.append(f"(started_at, id) {compare} (?, ?)")
        values.extend(last)
    where = " AND ".join(conditions)
    return _records(db, f"WHERE {where} ORDER BY started_at {order}, id {order} LIMIT ?", [*values, size])


def _records(db: "Database", condition: str, values: list[Any]) -> list[UtteranceRecord]:
    with told(db):
        return [record_of(row) for row in db.query(f"{RECORD_SQL} {condition}", values)]
