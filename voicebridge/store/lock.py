"""The lock on a state directory: one `run` at a time, and who it is."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from voicebridge.domain.errors import StoreBusyError
from voicebridge.store.database import FILE_MODE, make_directory, told

LOCK_NAME = "lock"
TRIES = 7
PAUSE_SECONDS = 0.05
"""`status` takes the lock for an instant to see whether it is free; a start that meets it tries again for 0.3 s."""
MAX_CONTENT_BYTES = 4096
HOLDING_COMMANDS = ("run", "transcribe", "try")
"""The words of a command line that are told: those of the commands that hold a state directory."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a state directory. ``pid`` is 0 when it has not said who it is yet."""

    pid: int = 0
    started_at: float = 0.0
    command: str = ""
    boot_id: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "another process"
        since = datetime.fromtimestamp(self.started_at).astimezone()
        return f"process {self.pid} ({self.command}, since {since:%Y-%m-%d %H:%M:%S})"


class StateLock:
    """Holds a state directory until it is closed or the process ends, however it ends."""

    def __init__(self, state_dir: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self._state_dir = state_dir
        self._pause = pause
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; creates the directory. Raises StoreBusyError that names the holder."""
        make_directory(self._state_dir)
        path = self._state_dir / LOCK_NAME
        with told(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
            try:
                self._take(descriptor)
                _write_holder(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. Calling it twice is harmless."""
        if self._descriptor is not None:
            # The file stays: deleting it would let two processes lock two files of the same name.
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "StateLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _take(self, descriptor: int) -> None:
        for left in reversed(range(TRIES)):
            if _lock(descriptor, fcntl.LOCK_EX):
                return
            if left:
                self._pause(PAUSE_SECONDS)
        raise StoreBusyError(
            f"{self._state_dir} is in use by {_read_holder(descriptor)}.",
            "Stop it (`systemctl stop voicebridge`), or use another place with --state-dir.",
        )


def holder(state_dir: Path) -> Holder | None:
    """Return who holds a state directory, or None. Raises StoreError when it must not be looked at."""
    path = state_dir / LOCK_NAME
    with told(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            # Closing it gives the lock back.
            return None if _lock(descriptor, fcntl.LOCK_SH) else _read_holder(descriptor)
        finally:
            os.close(descriptor)


def boot_id() -> str:
    """Return the id that the kernel gave to this boot, or nothing where it gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def told_command(words: Sequence[str]) -> str:
    """Return program and command of a command line, for everybody who asks who holds the lock.

    Nothing else of it: a setting or a path given there may be a secret.
    """
    program = Path(words[0]).name[:100]
    command = next((word for word in words[1:] if word in HOLDING_COMMANDS), "")
    return f"{program} {command}".rstrip()


def _write_holder(descriptor: int) -> None:
    content = json.dumps(asdict(Holder(os.getpid(), time.time(), told_command(sys.argv), boot_id())))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content.encode(), 0)


def _read_holder(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, MAX_CONTENT_BYTES, 0)))
    except (ValueError, TypeError):
        return Holder()
