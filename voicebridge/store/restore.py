"""Restoring a backup: what it holds is checked first, what is there now is set aside, never deleted."""

import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.settings.paths import audio_dir, database_path, spool_dir
from voicebridge.store.backup import AUDIO_MEMBERS, DATABASE_MEMBER, SPOOL_MEMBERS, require_intact
from voicebridge.store.database import FILE_MODE, give_to_owner, make_directory, open_database, sync_directory, told
from voicebridge.store.forget import empty_log
from voicebridge.store.lock import LOCK_NAME, StateLock
from voicebridge.store.migrations import check_ours
from voicebridge.store.set_aside import free_name, move_away

WORD = "replaced"
"""Part of the names under which what was there before is set aside."""

_PREFIX = ".restore-"
_MAGIC = b"SQLite format 3\0"
_MEMBER = re.compile(
    rf"{re.escape(DATABASE_MEMBER)}|{SPOOL_MEMBERS}/\d{{8,18}}-\d{{12,18}}\.pcm|{AUDIO_MEMBERS}/\d{{8,18}}\.wav"
)


@dataclass(slots=True)
class Restored:
    """What was restored, and where what was there before is now."""

    utterances: int = 0
    audio_files: int = 0
    with_audio: bool = False
    """True when the backup holds audio (or would, had there been some)."""
    set_aside: list[Path] = field(default_factory=list)


def restore(source: Path, state_dir: Path, now: datetime) -> Restored:
    """Put a backup in the place of the database, and of the audio if it holds audio. Raises StoreError.

    Needs the state directory for itself: StoreBusyError while a daemon runs. Until everything is checked nothing is
    touched; a backup without audio leaves spool and kept audio as they are.
    """
    with StateLock(state_dir), _unpacked(source, state_dir) as (unpacked, restored):
        give_to_owner(state_dir, state_dir / LOCK_NAME)
        with closing(_opened(unpacked / DATABASE_MEMBER, source)) as db:
            check_ours(db, source)
            require_intact(db, source)
            restored.utterances = db.execute("SELECT count(*) FROM utterances").fetchone()[0]
        _put_in_place(unpacked, state_dir, restored, now)
    return restored


@contextmanager
def _unpacked(source: Path, state_dir: Path) -> Iterator[tuple[Path, Restored]]:
    """Give a directory on the disk of the state directory with what a backup holds."""
    with told(source):
        try:
            with source.open("rb") as file:
                is_database = file.read(len(_MAGIC)) == _MAGIC
        except (FileNotFoundError, IsADirectoryError) as error:
            raise StoreError(
                f"There is no backup at {source} ({error.strerror}).",
                "Name a file that `voicebridge backup` has made.",
                exit_code=ExitCode.NO_INPUT,
            ) from None
    for left in state_dir.glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)  # of one that was killed; the lock is ours
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=state_dir) as name:
        unpacked, restored = Path(name), Restored()
        with told(unpacked):
            if is_database:
                with source.open("rb") as file:
                    _write(file, unpacked / DATABASE_MEMBER)
            else:
                restored.with_audio = True
                restored.audio_files = _unpack(source, unpacked)
        yield unpacked, restored


def _unpack(source: Path, target: Path) -> int:
    """Write the members of a tar that are ours, and refuse it if there are others; return how many are audio."""
    audio = 0
    try:
        with tarfile.open(source, "r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() and _MEMBER.fullmatch(member.name) else None
                if content is None:
                    raise StoreError(f"{source} holds {member.name!r}, which no backup does.", "It is not used.")
                path = target / member.name
                make_directory(path.parent)
                _write(content, path)
                audio += member.name != DATABASE_MEMBER
    except tarfile.TarError as error:
        raise StoreError(
            f"{source} is no backup ({error}).", "Use a file that `voicebridge backup` has made."
        ) from error
    for folder in (SPOOL_MEMBERS, AUDIO_MEMBERS):
        make_directory(target / folder)
    if not (target / DATABASE_MEMBER).is_file():
        raise StoreError(f"{source} holds no database.", "Use a file that `voicebridge backup` has made.")
    return audio


def _write(content: IO[bytes], path: Path) -> None:
    with path.open("xb") as out:
        path.chmod(FILE_MODE)
        shutil.copyfileobj(content, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())


def _opened(path: Path, source: Path) -> sqlite3.Connection:
    with told(source):
        # Immutable: it is ours alone, and nothing is to be written beside it.
        return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)


def _put_in_place(unpacked: Path, state_dir: Path, restored: Restored, now: datetime) -> None:
    database = database_path(state_dir)
    if database.exists():
        _settle_log(database)
        restored.set_aside.append(move_away(database, WORD, now))
    with told(state_dir):
        give_to_owner(state_dir, *unpacked.rglob("*"))
        if restored.with_audio:
            for folder in (spool_dir(state_dir), audio_dir(state_dir)):
                _replace_folder(unpacked / folder.name, folder, restored, now)
        (unpacked / DATABASE_MEMBER).rename(database)
        sync_directory(state_dir)


def _settle_log(database: Path) -> None:
    """Move the log of the present database into it, so that what is set aside is one file, if that can be done."""
    try:
        with closing(open_database(database, 0)) as db:
            empty_log(db, lambda _: None)
    except StoreError:
        return  # damaged or from a newer version: it is moved away together with its log


def _replace_folder(new: Path, folder: Path, restored: Restored, now: datetime) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        target = free_name(folder, WORD, now)
        folder.rename(target)
        restored.set_aside.append(target)
    elif folder.is_dir():
        folder.rmdir()
    sync_directory(new)
    new.rename(folder)
