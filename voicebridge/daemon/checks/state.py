"""The state directory, its disk, and what is in it."""

import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.daemon.checks.finding import Finding, error, ok, warning
from voicebridge.domain.units import samples_to_seconds
from voicebridge.settings import Settings, paths
from voicebridge.store.database import DIRECTORY_MODE, open_database, told
from voicebridge.store.lock import holder

if TYPE_CHECKING:
    from voicebridge.store.database import Database

LOW_DISK_BYTES = 1_000_000_000
FULL_DISK_BYTES = 100_000_000
FEW_FILES = 1000
"""One utterance that waits for its text is one file."""
THOROUGH_BYTES = 500_000_000
"""Up to this size every index is compared with its table too (integrity_check); that takes a second for each 100 MB."""


def directory(settings: Settings) -> Finding:
    """Look at the state directory: there or creatable, ours, and closed to others."""
    name, state = "state directory", paths.state_dir(settings)
    there = _existing(state)
    if there != state:
        if os.access(there, os.W_OK | os.X_OK):
            return ok(name, f"{state} does not exist yet; it is made at the first start")
        return error(name, f"{state} does not exist and cannot be made in {there}", _as_owner(there))
    about = state.stat()
    if not stat.S_ISDIR(about.st_mode):
        return error(name, f"{state} is not a directory", "Move it away, or set store.state_dir.")
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        return error(name, f"{state} cannot be read and written", _as_owner(state))
    if about.st_mode & ~DIRECTORY_MODE & 0o777:
        found = f"{state} is open to other users (mode {stat.S_IMODE(about.st_mode):03o})"
        return warning(name, found, f"Close it: chmod 700 {state}")
    return ok(name, f"{state}, of {_owner(state)}")


def disk(settings: Settings) -> Finding:
    """Look at the space that is left for database, spool and models."""
    place = _existing(paths.state_dir(settings))
    return judge_disk(place, os.statvfs(place))


def judge_disk(place: Path, about: os.statvfs_result) -> Finding:
    """Say whether a file system has room for what will be heard."""
    name, free_bytes = "disk", about.f_bavail * about.f_frsize
    found = f"{_size(free_bytes)} free under {place}"
    if about.f_flag & os.ST_RDONLY:
        return error(name, f"{place} is on a disk that is mounted read-only", f"See `findmnt -T {place}` and `dmesg`.")
    if free_bytes < FULL_DISK_BYTES:
        return error(name, found, "Free some space; what is heard is kept in memory only while the disk is full.")
    if free_bytes < LOW_DISK_BYTES:
        return warning(name, found, "Free some space, or keep less audio (store.retain_audio).")
    if about.f_files and about.f_favail < FEW_FILES:
        return warning(name, f"only {about.f_favail} more files fit under {place}", "Delete files there.")
    return ok(name, found)


def daemon(settings: Settings) -> Finding:
    """Say who holds the state directory."""
    running = holder(paths.state_dir(settings))
    return ok("daemon", str(running) if running else "does not run on this state directory")


def database(settings: Settings) -> Finding:
    """Open the database for reading and let SQLite check it."""
    name, path = "database", paths.database_path(paths.state_dir(settings))
    with told(path):
        if not path.exists():
            return ok(name, f"there is none at {path} yet; it is made at the first start")
        size_bytes = path.stat().st_size
    if not size_bytes:
        return warning(name, f"{path} is empty", "Nothing is in it; it is set up at the next start.")
    db = open_database(path, settings.store.busy_timeout_ms, read_only=True)
    try:
        check = "integrity_check" if size_bytes <= THOROUGH_BYTES else "quick_check"
        problems = _check(db, check)
        if problems != ["ok"]:
            return error(name, f"{path} is damaged ({problems[0]})", f"Save it, then try `sqlite3 {path} .recover`.")
        with told(db):
            (count,) = db.conn.execute("SELECT count(*) FROM utterances").fetchone()
    finally:
        db.close()
    return ok(name, f"{path}, {_size(size_bytes)}, {count} utterances, {check} found nothing wrong")


def spool(settings: Settings) -> Finding:
    """Look at the audio that waits for its text."""
    from voicebridge.store.spool import DirectorySpool

    name, state = "spool", paths.state_dir(settings)
    place = paths.spool_dir(state)
    with told(place):
        if not place.exists():
            return ok(name, "empty")
    entries = list(DirectorySpool(place).entries())
    unreadable = sum(not entry.readable for entry in entries)
    seconds = samples_to_seconds(sum(entry.samples for entry in entries))
    if unreadable:
        return warning(name, f"{unreadable} files in {place} are damaged", "They cannot be decoded: delete them.")
    if entries and holder(state) is None:
        found = f"{len(entries)} utterances ({seconds:.0f} s) wait for their text"
        return warning(name, found, "They are decoded at the next start (voicebridge run), unless they failed before.")
    return ok(name, f"{len(entries)} utterances, {seconds:.0f} s" if entries else "empty")


def _check(db: "Database", pragma: str) -> list[str]:
    with told(db):
        return [str(row[0]) for row in db.conn.execute(f"PRAGMA {pragma}(1)").fetchall()]


def _existing(path: Path) -> Path:
    """Return the path, or what is nearest above it and exists."""
    with told(path):
        return next(place for place in (path, *path.absolute().parents) if place.exists())


def _as_owner(path: Path) -> str:
    return f"Use the account that it belongs to (sudo -u {_owner(path)} ...), or another place with --state-dir."


def _owner(path: Path) -> str:
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _size(count_bytes: int) -> str:
    return f"{count_bytes / 1e9:.1f} GB" if count_bytes >= 1e9 else f"{count_bytes / 1e6:.1f} MB"
