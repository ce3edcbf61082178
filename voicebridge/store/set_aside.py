"""A damaged database at the start of a session: found, set aside under a name that tells, and a new one begun.

Nothing is deleted: what waits for its decode is in the spool, and `sqlite3 FILE .recover` may get back the rest.
"""

import os
import re
import sqlite3
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.domain.errors import StoreDamagedError
from voicebridge.settings.paths import database_path
from voicebridge.store.database import FILE_MODE, open_database, sync_directory, told, transaction

if TYPE_CHECKING:
    from sqlite_utils import Database

WORD = "corrupt"
"""Part of the name under which a damaged database is set aside."""
CHECK_SECONDS = 0.5
"""Time for a check after an unclean end; capture runs meanwhile, but nothing is decoded. 100,000 utterances (93 MB)
took 0.2 s from memory and 1.1 s from a cold disk."""
LONG_CHECK_SECONDS = 60.0
"""The same when SQLite itself has met a damage."""
INTERRUPT_AGAIN_SECONDS = 0.01
MAX_SET_ASIDE = 3
"""Damaged databases that are kept; the oldest goes. They count against no bound: somebody should look at them."""
MARK_NAME = "damaged"
"""A file that says that the last session met a damage."""
STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
WITH_DATABASE = ("-wal", "-shm")
TABLES = frozenset({"sessions", "anchors", "utterances", "gaps", "events", "audio", "utterances_fts"})

_STAMPED = re.compile(r"\d{8}T\d{6}Z")


def note_damage(state_dir: Path) -> None:
    """Remember for the next start that SQLite met a damage; a disk that refuses even that is no new trouble."""
    with suppress(OSError):
        os.close(os.open(state_dir / MARK_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE))


def open_checked(state_dir: Path, busy_timeout_ms: int, check_seconds: float = CHECK_SECONDS) -> "tuple[Database, str]":
    """Open the database for writing and check it when there is reason to; returns what the check could not do, if so.

    There is reason when the last session did not end, or met a damage. Raises StoreDamagedError, and everything that
    ``open_database`` raises.
    """
    path = database_path(state_dir)
    mark = state_dir / MARK_NAME
    marked = mark.exists()
    _refuse_other_tables(path, busy_timeout_ms)
    db = open_database(path, busy_timeout_ms)
    try:
        return db, _check(db, path, mark if marked else None, LONG_CHECK_SECONDS if marked else check_seconds)
    except BaseException:
        db.close()
        raise


def set_aside(state_dir: Path, now: datetime) -> Path:
    """Rename the database, with its log, to `voicebridge.db.corrupt-TIME`; return that path. Raises StoreError.

    The caller holds the state directory, and has closed the database. Only the newest three are kept.
    """
    database = database_path(state_dir)
    target = move_away(database, WORD, now)
    with told(target):
        (state_dir / MARK_NAME).unlink(missing_ok=True)
        for old in moved_away(database, WORD)[:-MAX_SET_ASIDE]:
            delete_with_log(old)
    return target


def move_away(path: Path, word: str, now: datetime) -> Path:
    """Rename a database, with its log, to a name that is free: `NAME.WORD-TIME`. Raises StoreError."""
    target = free_name(path, word, now)
    with told(path):
        # Its log first: a new database must never find the log of another.
        for end in (*WITH_DATABASE, ""):
            with suppress(FileNotFoundError):
                Path(f"{path}{end}").rename(f"{target}{end}")
        sync_directory(path.parent)
    return target


def free_name(path: Path, word: str, now: datetime) -> Path:
    """Return `NAME.WORD-TIME` that is not taken, in UTC."""
    while (target := path.with_name(f"{path.name}.{word}-{now.astimezone(UTC):{STAMP_FORMAT}}")).exists():
        now += timedelta(seconds=1)
    return target


def moved_away(path: Path, word: str) -> list[Path]:
    """List what was moved away from a path with a word, oldest first. Raises StoreError."""
    beginning = f"{path.name}.{word}-"
    with told(path.parent):
        found = path.parent.glob(f"{beginning}*")
        return sorted(name for name in found if _STAMPED.fullmatch(name.name.removeprefix(beginning)))


def delete_with_log(path: Path) -> None:
    """Delete a database and its log. Raises OSError."""
    for end in ("", *WITH_DATABASE):
        Path(f"{path}{end}").unlink(missing_ok=True)


def quick_check(db: "Database", seconds: float) -> str | None:
    """Return ``ok`` or the first thing wrong with a database, or None when there was no time to find out.

    A thread interrupts it: SQLite before 3.42 asks no progress handler during a check. Raises sqlite3.DatabaseError.
    """
    done = threading.Event()
    watch = threading.Thread(target=_interrupt_after, args=(db, seconds, done), name="store-check", daemon=True)
    watch.start()
    try:
        result: str = db.conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    finally:
        done.set()
        watch.join()  # it must not interrupt what comes next
    return result


def _interrupt_after(db: "Database", seconds: float, done: threading.Event) -> None:
    pause = seconds
    while not done.wait(pause):
        # Again and again: one that comes before the check has begun does nothing.
        db.conn.interrupt()
        pause = INTERRUPT_AGAIN_SECONDS


def _refuse_other_tables(path: Path, busy_timeout_ms: int) -> None:
    """Raise StoreDamagedError for a database of something else, before our tables are made in it.

    A mistake in our own SQL must never look like that.
    """
    if not path.exists():
        return
    with told(path), closing(sqlite3.connect(path, timeout=busy_timeout_ms / 1000)) as db:
        found = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    if found and "_sqlite_migrations" not in found:
        raise StoreDamagedError(f"The tables of {path} are not ours ({min(found)}).", "")


def _check(db: "Database", path: Path, mark: Path | None, seconds: float) -> str:
    with told(db):
        found = {row[0] for row in db.conn.execute("SELECT name FROM sqlite_master").fetchall()}
        if missing := TABLES - found:
            raise StoreDamagedError(f"The database {path} lacks the table {min(missing)}.", "It cannot be used.")
        unclean = db.conn.execute("SELECT 1 FROM sessions WHERE ending IS NULL").fetchone() is not None
        if not unclean and mark is None:
            return ""
        result = quick_check(db, seconds)
    if result is None:
        # SQLite itself has met a damage, and it cannot be said where: not to be trusted any more.
        if mark is not None:
            raise StoreDamagedError(f"The database {path} is damaged, and too long to find out where.", "")
        return f"the database could not be checked within {seconds:g} s"
    if result != "ok":
        raise StoreDamagedError(f"The database {path} is damaged ({result}).", "")
    if mark is not None:
        _mend_index(db, mark)
    return ""


def _mend_index(db: "Database", mark: Path) -> None:
    """Make the index of words anew: a damage that the check does not see is in there, and it holds no text itself."""
    with transaction(db):
        db.conn.execute("INSERT INTO utterances_fts (utterances_fts) VALUES ('rebuild')")
    with told(mark):
        mark.unlink(missing_ok=True)
