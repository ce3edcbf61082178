"""The database: how it is opened, how it is written to, and how its errors are told."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from voicebridge.domain.errors import (
    ExitCode,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from voicebridge.settings.paths import make_private

if TYPE_CHECKING:
    from sqlite_utils import Database as Database  # noqa: PLC0414 - other rooms name the type through this module

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
WAL_LIMIT_BYTES = 8 * 1024 * 1024
"""Length that the write-ahead log is cut back to after a checkpoint; it checkpoints by itself at 4 MB."""

_PRIMARY_CODE = 0xFF
"""Mask of the primary result code in an extended one (https://sqlite.org/rescode.html)."""
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY_ERRNOS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def open_database(path: Path, busy_timeout_ms: int = 5000, *, read_only: bool = False) -> "Database":
    """Open the database and bring its tables up to date; for writers it is created when missing.

    One thread at a time may use it (the one that opens it need not be the one that uses it). Raises StoreError:
    missing (readers only, exit code 66), corrupt, not a database, from a newer version, read-only, locked, disk full.
    """
    from voicebridge.store.migrations import check_current, migrate

    if read_only:
        _require(path)
    else:
        _create(path)
    with told(path):
        db = _connect(path, busy_timeout_ms, read_only)
        try:
            if read_only:
                check_current(db, path)
            else:
                _prepare_for_writing(db)
                migrate(db, path)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def transaction(db: "Database") -> Iterator[None]:
    """Make one durable write of what is inside: it is on disk when this ends, or nothing of it happened.

    The lock is taken first (BEGIN IMMEDIATE): a lock taken later, after a read, is refused without any waiting.
    """
    with told(db):
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.conn.execute("COMMIT")
        except BaseException:
            # A disk that fails may refuse this too; SQLite has then rolled back by itself.
            with suppress(sqlite3.Error):
                db.rollback()
            raise


@contextmanager
def told(where: "Path | Database") -> Iterator[None]:
    """Turn errors of SQLite and of the file system into StoreErrors that say what to do; other errors pass."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        problem = _of_sqlite(error, where if isinstance(where, Path) else _path_of(where))
        if problem is None:
            raise
        raise problem from error
    except OSError as error:
        raise _of_system(error, where if isinstance(where, Path) else _path_of(where)) from error


def make_directory(path: Path) -> None:
    """Create a directory that only its owner can enter, with its parents. Raises StoreError."""
    with told(path):
        make_private(path)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_to_owner(directory: Path, *paths: Path) -> None:
    """Let what root has made belong to the owner of a directory: the daemon must be able to use it. Raises OSError."""
    if os.geteuid() == 0:
        owner = directory.stat()
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _require(path: Path) -> None:
    with told(path):
        exists = path.exists()
    if not exists:
        raise StoreError(
            f"There is no database at {path} yet.",
            "Start `voicebridge run` first, or name another place with --state-dir.",
            exit_code=ExitCode.NO_INPUT,
        )


def _create(path: Path) -> None:
    make_directory(path.parent)
    with told(path):
        # SQLite would create it with the umask's mode; its -wal and -shm files take over the mode they find here.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE))


def _connect(path: Path, busy_timeout_ms: int, read_only: bool) -> "Database":
    from sqlite_utils import Database

    uri = f"file:{quote(str(path.absolute()))}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=busy_timeout_ms / 1000,
        isolation_level=None,  # transactions are begun and ended by `transaction` only
        check_same_thread=False,  # opened by the main thread, then handed to the store writer for good
    )
    try:
        # Plugins of sqlite-utils that happen to be installed have no business here.
        return Database(connection, execute_plugins=False)
    except BaseException:
        connection.close()
        raise


def _prepare_for_writing(db: "Database") -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"journal_size_limit={WAL_LIMIT_BYTES}",
    ):
        db.conn.execute(f"PRAGMA {pragma}").fetchall()


def _path_of(db: "Database") -> Path:
    # Answered from memory: works on a database that cannot be read any more.
    return Path(db.conn.execute("PRAGMA database_list").fetchone()[2])


def _of_sqlite(error: sqlite3.DatabaseError, path: Path) -> StoreError | None:
    code = getattr(error, "sqlite_errorcode", 0)
    make = _SQLITE_PROBLEMS.get(code) or _SQLITE_PROBLEMS.get(code & _PRIMARY_CODE)
    return make(path, str(error)) if make else None


def _busy(path: Path, _: str) -> StoreError:
    return StoreBusyError(
        f"Another process holds the database {path}.", "Try again; if it stays so, see `fuser` on that file."
    )


def _failing(path: Path, detail: str) -> StoreError:
    return StoreUnavailableError(
        f"The disk fails under the database {path} ({detail}).", "Look at `dmesg`; the disk may be worn or gone."
    )


def _cannot_open(path: Path, _: str) -> StoreError:
    return StoreUnavailableError(
        f"The database {path} cannot be opened.",
        "Its directory must be readable and, unless the daemon runs, writable (for the -wal and -shm files beside "
        "it): use the account that Voicebridge runs as, for example with `sudo -u`.",
    )


def _not_a_database(path: Path, _: str) -> StoreError:
    return StoreDamagedError(f"{path} is not a database.", "`voicebridge run` sets it aside and begins a new one.")


def _damaged(path: Path, detail: str) -> StoreError:
    return StoreDamagedError(
        f"The database {path} is damaged ({detail}).",
        f"`voicebridge restore` puts a backup back; `sqlite3 {path} .recover` may save what is in it. The next "
        "`voicebridge run` sets it aside and begins a new one.",
    )


def _full(path: Path, _: str) -> StoreError:
    return StoreFullError(f"The disk is full: {path} cannot grow.", "Free some space; it is tried again.")


def _read_only(path: Path, _: str) -> StoreError:
    return StoreUnavailableError(
        f"{path} cannot be opened or written.",
        "Check who owns it and its directory, and whether the disk is mounted read-only (`findmnt -T`).",
    )


_SQLITE_PROBLEMS: dict[int, Callable[[Path, str], StoreError]] = {
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_PROTOCOL: _busy,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_PERM: _read_only,
    sqlite3.SQLITE_READONLY_CANTINIT: _cannot_open,
    sqlite3.SQLITE_READONLY_DIRECTORY: _cannot_open,
    sqlite3.SQLITE_IOERR: _failing,
    sqlite3.SQLITE_CANTOPEN: _cannot_open,
    sqlite3.SQLITE_NOTADB: _not_a_database,
    sqlite3.SQLITE_CORRUPT: _damaged,
}


def _of_system(error: OSError, path: Path) -> StoreError:
    if error.errno in _FULL_ERRNOS:
        return _full(path, "")
    if error.errno in _READ_ONLY_ERRNOS:
        return _read_only(path, "")
    if error.errno == errno.ELOOP:
        return StoreError(f"{path} holds a symbolic link where a file should be.", "Remove the link.")
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return StoreError(f"{path} is not what it should be ({error.strerror}).", "Move what stands there away.")
    return StoreUnavailableError(f"{path} cannot be used ({error.strerror}).", "Look at `dmesg`, and at the disk.")
