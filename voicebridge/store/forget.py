"""Forgetting: text, words, audio and index really deleted from database, write-ahead log, spool and kept audio.

What stays of a session: when it ran, with what, its gaps and anchors, and its events, which hold no text of what was
heard. The name of its source (a file has a telling one) goes with its last utterance.
What it does not reach: backups in the state directory and databases that were set aside there (copies.py lists and
deletes them), copies made elsewhere (exports, snapshots of the file system), the journal if `log.transcripts` was on,
and blocks that a disk keeps after a file was deleted (encrypt the disk against that).
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.domain.errors import StoreBusyError
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.settings.paths import spool_dir
from voicebridge.store.database import told, transaction
from voicebridge.store.lock import holder
from voicebridge.store.retention import KeptAudio, Retention
from voicebridge.store.spool import DirectorySpool

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGE_ROWS = 200
CHECKPOINT_TRIES = 25
CHECKPOINT_BUSY_MS = 25
"""A checkpoint that waits for readers keeps writers out meanwhile, so that it waits shortly and often."""
CHECKPOINT_PAUSE_SECONDS = 0.15
COPIES_MAY_HOLD_IT = (
    "Copies made elsewhere still hold it: backups, exports, snapshots of the file system, and the journal "
    "if log.transcripts was on."
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be forgotten: ids, everything, or what was heard in a stretch of time (seconds since the epoch).

    An utterance that lies only partly in the stretch is forgotten whole.
    """

    ids: tuple[int, ...] = ()
    since: float | None = None
    until: float | None = None
    everything: bool = False

    @classmethod
    def heard_last(cls, seconds: float, now: float) -> "Selection":
        """Mean what was heard in the last so many seconds before ``now``, and nothing that is dated later."""
        return cls(since=now - seconds, until=now)

    @property
    def condition(self) -> tuple[str, dict[str, Any]]:
        """The condition on the table of utterances, and its values."""
        if self.everything:
            return "1", {}
        if self.ids:
            return "id IN (SELECT value FROM json_each(:ids))", {"ids": json.dumps(self.ids)}
        return "ended_at > :since AND started_at < :until", {
            "since": float("-inf") if self.since is None else self.since,
            "until": float("inf") if self.until is None else self.until,
        }

    def covers_open(self, started_at: float) -> bool:
        """Say whether an utterance without a row, of which only the start is known, is meant."""
        if self.ids:
            return False
        return self.everything or self.until is None or started_at < self.until


@dataclass(slots=True)
class Forgotten:
    """What was deleted, and what could not be."""

    utterances: int = 0
    audio_files: int = 0
    events: int = 0
    sources: int = 0
    """Sessions without any utterance left, of which the name of the source was deleted."""
    open_left: int = 0
    """Utterances that the running daemon is hearing just now; they are not in the database yet."""
    log_is_clean: bool = True
    """False when readers kept the write-ahead log busy: it may hold deleted text until the next checkpoint."""


def count(db: "Database", selection: Selection) -> int:
    """Return how many utterances a selection means."""
    condition, values = selection.condition
    with told(db):
        found: int = db.conn.execute(f"SELECT count(*) FROM utterances WHERE {condition}", values).fetchone()[0]  # noqa: S608 - one of three conditions
        return found


def forget(
    db: "Database", state_dir: Path, selection: Selection, pause: Callable[[float], None] = time.sleep
) -> Forgotten:
    """Delete what a selection means. Works beside a running daemon; a repetition goes on where one broke off.

    Raises StoreError; what was deleted by then stays deleted.
    """
    done = Forgotten()
    shelf = _Shelf(DirectorySpool(spool_dir(state_dir)), KeptAudio(state_dir, Retention(keeps=False)))
    condition, values = selection.condition
    sessions: set[int] = set()
    while ids := _page(db, condition, values):
        sessions |= _forget_page(db, shelf, ids, done)
    if selection.everything:
        with transaction(db):
            done.events += db.conn.execute("DELETE FROM events").rowcount
        _forget_stray(db, shelf, done)
    _forget_open(db, shelf, state_dir, selection, done)
    _forget_sources(db, None if selection.everything else sessions, holder(state_dir) is not None, done)
    with transaction(db):
        # A deleted text leaves its tokens in the index, marked as deleted, until the index is merged into one piece.
        db.conn.execute("INSERT INTO utterances_fts (utterances_fts) VALUES ('optimize')")
    done.log_is_clean = empty_log(db, pause)
    return done


def empty_log(db: "Database", pause: Callable[[float], None] = time.sleep) -> bool:
    """Move the write-ahead log into the database and cut it to nothing; False when readers kept it busy."""
    with told(db):
        before = db.conn.execute("PRAGMA busy_timeout").fetchone()[0]
        db.conn.execute(f"PRAGMA busy_timeout = {CHECKPOINT_BUSY_MS}")
        try:
            for left in reversed(range(CHECKPOINT_TRIES)):
                if _checkpoint(db):
                    return True
                if left:
                    pause(CHECKPOINT_PAUSE_SECONDS)
            return False
        finally:
            db.conn.execute(f"PRAGMA busy_timeout = {before}")


@dataclass(frozen=True, slots=True)
class _Shelf:
    spool: DirectorySpool
    kept: KeptAudio


@dataclass(frozen=True, slots=True)
class _Row:
    utterance_id: int
    key: UtteranceKey
    audio_path: str | None


def _checkpoint(db: "Database") -> bool:
    try:
        with told(db):
            return not db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except StoreBusyError:
        return False


def _page(db: "Database", condition: str, values: dict[str, Any]) -> list[int]:
    with told(db):
        rows = db.conn.execute(f"SELECT id FROM utterances WHERE {condition} LIMIT {PAGE_ROWS}", values)  # noqa: S608 - one of three conditions
        return [row[0] for row in rows.fetchall()]


def _forget_page(db: "Database", shelf: _Shelf, ids: list[int], done: Forgotten) -> set[int]:
    """Delete utterances and return the sessions that they were of."""
    # Files first: audio without a row would be taken for an interrupted utterance at the next start. And again after
    # the commit: the daemon may have settled one of them, and kept its audio, in between.
    done.audio_files += _delete_files(shelf, _rows(db, ids))
    with transaction(db):
        rows = _rows(db, ids)
        # Words, scores, kept audio and index go with the row, by foreign key and trigger.
        db.conn.executemany("DELETE FROM utterances WHERE id = ?", [(row.utterance_id,) for row in rows])
    done.utterances += len(rows)
    done.audio_files += _delete_files(shelf, rows)
    return {row.key.session_id for row in rows}


def _rows(db: "Database", ids: list[int]) -> list[_Row]:
    with told(db):
        rows = db.conn.execute(
            "SELECT id, session_id, start_sample, path FROM utterances "
            "LEFT JOIN audio ON utterance_id = id WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        ).fetchall()
    return [_Row(row[0], UtteranceKey(row[1], row[2]), row[3]) for row in rows]


def _delete_files(shelf: _Shelf, rows: list[_Row]) -> int:
    deleted = 0
    for row in rows:
        if shelf.spool.holds(row.key):
            shelf.spool.discard(row.key)
            deleted += 1
        if row.audio_path is not None:
            deleted += shelf.kept.delete(row.audio_path)
    return deleted


def _forget_stray(db: "Database", shelf: _Shelf, done: Forgotten) -> None:
    """Delete audio of which no row tells: what a lost database left, what a kill left, what was moved aside."""
    for utterance_id, path in shelf.kept.files():
        with told(db):
            # A daemon beside us may be settling what it has heard since.
            known = db.conn.execute("SELECT 1 FROM utterances WHERE id = ?", (utterance_id,)).fetchone()
        if not known:
            done.audio_files += shelf.kept.delete(path)
    done.audio_files += shelf.spool.discard_unreadable()


def _forget_sources(db: "Database", sessions: set[int] | None, daemon_runs: bool, done: Forgotten) -> None:
    """Delete the name of the source of sessions (None: of all) that have no utterance any more.

    The session of a running daemon keeps it: that one goes on hearing from there.
    """
    with transaction(db):
        done.sources += db.conn.execute(
            """UPDATE sessions SET source = '' WHERE source <> ''
            AND (:sessions IS NULL OR id IN (SELECT value FROM json_each(:sessions)))
            AND id NOT IN (SELECT session_id FROM utterances) AND NOT (:daemon_runs AND ending IS NULL)""",
            {"sessions": None if sessions is None else json.dumps(sorted(sessions)), "daemon_runs": daemon_runs},
        ).rowcount


def _forget_open(db: "Database", shelf: _Shelf, state_dir: Path, selection: Selection, done: Forgotten) -> None:
    """Delete audio that no row knows; while a daemon runs it is the utterance that is being heard, and is left."""
    daemon_runs = holder(state_dir) is not None
    for entry in shelf.spool.entries():
        key = (entry.key.session_id, entry.key.start_sample)
        known = "SELECT 1 FROM utterances WHERE session_id = ? AND start_sample = ?"
        with told(db):
            if db.conn.execute(known, key).fetchone() or not selection.covers_open(entry.started_at):
                continue
        if daemon_runs:
            done.open_left += 1
        else:
            shelf.spool.discard(entry.key)
            done.audio_files += 1
