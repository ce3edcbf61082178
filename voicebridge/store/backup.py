"""Backups: a copy of the database as it was at one moment, alone or in a tar with the audio.

The copy is made with SQLite's online backup from a snapshot that is held meanwhile: a daemon that goes on writing
neither waits nor makes it begin again (https://sqlite.org/backup.html). It is checked, synced, and only then gets its
name.
"""

import os
import re
import sqlite3
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from voicebridge.domain.errors import ExitCode, StoreDamagedError, StoreError, StoreFullError
from voicebridge.settings.paths import audio_dir, backups_dir, database_path, spool_dir
from voicebridge.store.database import FILE_MODE, give_to_owner, make_directory, open_database, sync_directory, told
from voicebridge.store.reserve import MARGIN_BYTES, MARGIN_SHARE, size_and_free_bytes
from voicebridge.store.set_aside import STAMP_FORMAT
from voicebridge.store.size import measure

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGES = 256
"""Pages (1 MB) copied in one step; progress is told after each."""
LEFT_SECONDS = 86_400
"""No backup takes a day: a partial one that is older is nobody's."""
DATABASE_MEMBER = "voicebridge.db"
SPOOL_MEMBERS = "spool"
AUDIO_MEMBERS = "audio"
"""Names in a tar."""

_NAME = re.compile(r"voicebridge-\d{8}T\d{6}Z\.(db|tar)")
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how much is done, and of how much; pages of the database first, then files of audio."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    path: Path
    utterances: int
    audio_files: int
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be backed up, and where to; ``with_audio`` makes it a tar."""

    state_dir: Path
    target: Path
    with_audio: bool = False
    force: bool = False
    """Write over a file that is there already."""


def default_target(state_dir: Path, now: datetime, *, with_audio: bool) -> Path:
    """Return where a backup made now goes: `backups/voicebridge-TIME.db` in the state directory, `.tar` with audio."""
    end = "tar" if with_audio else "db"
    return backups_dir(state_dir) / f"voicebridge-{now.astimezone(UTC):{STAMP_FORMAT}}.{end}"


def backup(wish: Wish, busy_timeout_ms: int = 5000, progress: Progress = lambda _done, _total: None) -> Backup:
    """Back up a state directory, beside a running daemon. Raises StoreError, also when the disk would get full.

    A tar holds the database, the spool and the kept audio; models and settings are never in it.
    """
    target = wish.target
    if target.exists() and not wish.force:
        raise StoreError(f"{target} exists.", "Name another file, or add --force.", exit_code=ExitCode.FAILURE)
    with closing(open_database(database_path(wish.state_dir), busy_timeout_ms, read_only=True)) as db:
        make_directory(target.parent)
        if target.parent == backups_dir(wish.state_dir):
            give_to_owner(wish.state_dir, target.parent)
        _require_space(wish)
        with _named_at_the_end(target) as partial:
            if wish.with_audio:
                utterances, files = _archive(db, wish.state_dir, partial, progress)
            else:
                with _snapshot(db) as utterances:
                    _copy(db, partial, progress)
                files = 0
    with told(target):
        if target.parent == backups_dir(wish.state_dir):
            give_to_owner(wish.state_dir, target)
        return Backup(target, utterances, files, target.stat().st_size)


def rotate(folder: Path, keep: int, now: datetime) -> list[Path]:
    """Delete the oldest backups of a folder but so many; return which. Raises StoreError.

    What a kill left of one that was being made goes, too.
    """
    old = backups_in(folder)[:-keep]
    with told(folder):
        for left in folder.glob(".voicebridge-*.partial*"):
            if left.stat().st_mtime < now.timestamp() - LEFT_SECONDS:
                left.unlink()
        for path in old:
            path.unlink(missing_ok=True)
        if old:
            sync_directory(folder)
    return old


def backups_in(folder: Path) -> list[Path]:
    """List the backups of a folder that have a name of ours, oldest first. Raises StoreError."""
    with told(folder):
        paths = list(folder.iterdir()) if folder.is_dir() else []
    return sorted(path for path in paths if _NAME.fullmatch(path.name))


def require_intact(db: sqlite3.Connection, path: Path) -> None:
    """Raise StoreDamagedError when SQLite's check of everything finds something wrong."""
    with told(path):
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreDamagedError(f"{path} is damaged ({found}).", "Use another backup, or `sqlite3 FILE .recover`.")


def _require_space(wish: Wish) -> None:
    """Raise StoreFullError when the backup would leave less than the daemon should have."""
    usage = measure(wish.state_dir)
    wanted = 2 * usage.database + usage.spool + usage.kept if wish.with_audio else usage.database
    folder = wish.target.parent
    with told(folder):
        size, free = size_and_free_bytes(folder)
    if free < wanted + min(MARGIN_BYTES, size // MARGIN_SHARE):
        raise StoreFullError(
            f"The disk of {folder} has {free // 1_000_000} MB free; the backup may take {wanted // 1_000_000} MB.",
            "Free some space, name another disk, or keep fewer backups (store.backups_kept).",
        )


@contextmanager
def _named_at_the_end(target: Path) -> Iterator[Path]:
    """Give an empty file that gets its name when what is in it is complete and synced; else it is deleted."""
    with _scratch(target) as partial:
        yield partial
        with told(target):
            descriptor = os.open(partial, os.O_RDONLY | _FLAGS)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            partial.replace(target)
            sync_directory(target.parent)


@contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """Give a new empty file that only its owner can read; it is deleted at the end."""
    path = beside.with_name(f".{beside.name}.partial")
    with told(path):
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, FILE_MODE))
    try:
        yield path
    finally:
        for end in ("", "-journal", "-wal", "-shm"):
            Path(f"{path}{end}").unlink(missing_ok=True)


@contextmanager
def _snapshot(db: "Database") -> Iterator[int]:
    """Hold the database as it is now, for reading; gives how many utterances it has."""
    with told(db):
        db.conn.execute("BEGIN")
        try:
            # The snapshot begins with the first read.
            yield db.conn.execute("SELECT count(*) FROM utterances").fetchone()[0]
        finally:
            db.rollback()


def _copy(db: "Database", path: Path, progress: Progress) -> None:
    """Copy a database into an empty file, and check the copy."""
    with told(path), closing(sqlite3.connect(path, isolation_level=None)) as copy:
        db.conn.backup(copy, pages=PAGES, progress=lambda _, left, total: progress(total - left, total))
        # One file that is complete without a log beside it; opening it for writing changes that back.
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        require_intact(copy, path)


def _archive(db: "Database", state_dir: Path, partial: Path, progress: Progress) -> tuple[int, int]:
    """Write everything into a tar; return how many utterances and files of audio are in it.

    The spool is read before and after the snapshot begins: what is pending in the snapshot was in it at one of the two
    moments, unless it came and was decoded between them.
    """
    spool = spool_dir(state_dir)
    with told(partial), tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        names = _add_files(tar, SPOOL_MEMBERS, spool, _names_in(spool))
        with _scratch(partial) as copied:
            with _snapshot(db) as utterances:
                names |= _add_files(tar, SPOOL_MEMBERS, spool, _names_in(spool) - names)
                _copy(db, copied, progress)
                kept = [Path(row[0]).name for row in db.conn.execute("SELECT path FROM audio ORDER BY utterance_id")]
            tar.add(copied, DATABASE_MEMBER, filter=_anonymous)
        folder = audio_dir(state_dir)
        added = _add_files(tar, AUDIO_MEMBERS, folder, kept, lambda done: progress(done, len(kept)))
    return utterances, len(names) + len(added)


def _names_in(folder: Path) -> set[str]:
    with told(folder):
        return {path.name for path in folder.glob("*.pcm")} if folder.is_dir() else set()


def _add_files(
    tar: tarfile.TarFile,
    prefix: str,
    folder: Path,
    names: Iterable[str],
    progress: Callable[[int], None] = lambda _: None,
) -> set[str]:
    """Add files; what was deleted meanwhile (decoded, expired, forgotten) is left out. Return what was added."""
    added = set()
    for number, name in enumerate(sorted(names), 1):
        try:
            # Read whole, a megabyte at the most: a file that is being written has no length to rely on.
            data = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        member = tarfile.TarInfo(f"{prefix}/{name}")
        member.size, member.mode = len(data), FILE_MODE
        tar.addfile(member, BytesIO(data))
        added.add(name)
        progress(number)
    return added


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = FILE_MODE
    return member
