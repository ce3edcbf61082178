"""The reserve: space on the disk that is held by a file, to be given up when nothing else is left.

On a full disk SQLite cannot even delete: DELETE and a checkpoint fail with SQLITE_FULL, too.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from voicebridge.domain.errors import StoreError
from voicebridge.store.database import FILE_MODE, told

NAME = "reserve"
MARGIN_BYTES = 64_000_000
"""Space that is left free beside the reserve, before it is made: a reserve that fills the disk helps nobody."""
MARGIN_SHARE = 10
"""On a small disk a tenth of it is margin enough."""
CALM_SECONDS = 60.0
"""How long there must be space before the reserve is made anew."""
CHUNK_BYTES = 1 << 20

_CANNOT_ALLOCATE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class Reserve:
    """A file of ``size_bytes`` in the state directory; 0 keeps none. One thread.

    ``disk_bytes`` returns the size of the disk below a directory and what is free of it. Nothing here raises for a
    disk that refuses: without a reserve the store works as well, until the disk is full.
    """

    def __init__(
        self,
        state_dir: Path,
        size_bytes: int,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        disk_bytes: Callable[[Path], tuple[int, int]] | None = None,
    ) -> None:
        self.size_bytes = size_bytes
        self.given_up = 0
        """How often it was given up."""
        self._path = state_dir / NAME
        self._monotonic_seconds = monotonic_seconds
        self._disk_bytes = disk_bytes or size_and_free_bytes
        self._space_since: float | None = None

    @property
    def held_bytes(self) -> int:
        """What the file holds now; 0 when it was given up."""
        try:
            return self._path.stat().st_blocks * 512
        except OSError:
            return 0

    def keep(self, calm_seconds: float = CALM_SECONDS) -> bool:
        """Make the reserve if it is not there and there has been space for it for so long; True when it was made.

        A reserve of another size is made anew; at a start nothing need be waited for.
        """
        if self._is_whole():
            self._space_since = None
            return False
        if not self.size_bytes or not self._has_space(calm_seconds):
            return False
        return self._make()

    def give_up(self) -> bool:
        """Delete the reserve, so that its space is free; False when there was none."""
        held = self.held_bytes
        self._space_since = None
        if not self._delete() or not held:
            return False
        self.given_up += 1
        return True

    def _is_whole(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return self.size_bytes == 0
        except OSError:
            return True  # a disk that cannot be asked is not the moment for more
        whole = found.st_size == self.size_bytes and found.st_blocks * 512 >= self.size_bytes
        if not whole:
            self._delete()
        return whole and self.size_bytes > 0

    def _has_space(self, calm_seconds: float) -> bool:
        try:
            size, free = self._disk_bytes(self._path.parent)
        except OSError:
            return False
        if free < 2 * self.size_bytes + min(MARGIN_BYTES, size // MARGIN_SHARE):
            self._space_since = None
            return False
        now = self._monotonic_seconds()
        self._space_since = now if self._space_since is None else self._space_since
        return now - self._space_since >= calm_seconds

    def _make(self) -> bool:
        try:
            with told(self._path):
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
                descriptor = os.open(self._path, flags, FILE_MODE)
                try:
                    allocate(descriptor, self.size_bytes)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        except StoreError:
            self._delete()
            return False
        self._space_since = None
        return True

    def _delete(self) -> bool:
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return False
        return True


def allocate(descriptor: int, size_bytes: int) -> None:
    """Give a file its space on the disk, really; zeros are written where the file system cannot do it. Raises OSError.

    (glibc does so itself, other C libraries do not.)
    """
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise
        write_zeros(descriptor, size_bytes)


def write_zeros(descriptor: int, size_bytes: int) -> None:
    """Fill a file from its present place on. Raises OSError."""
    left = size_bytes
    while left:
        left -= os.write(descriptor, bytes(min(left, CHUNK_BYTES)))


def size_and_free_bytes(directory: Path) -> tuple[int, int]:
    """Return the size of the disk below a directory and what we may use of what is free. Raises OSError."""
    usage = shutil.disk_usage(directory)
    return usage.total, usage.free
