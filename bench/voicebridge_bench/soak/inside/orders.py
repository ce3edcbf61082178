"""What the soak orders of what is inside its daemon: three numbers in a file that both have mapped.

The order of the numbers is that of shim.c.
"""

import mmap
import os
import struct
from pathlib import Path

PAGE_BYTES = 4096
_NUMBER = struct.Struct("=q")


class Orders:
    """The numbers; what one side writes the other one reads at once."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < PAGE_BYTES:
                os.ftruncate(descriptor, PAGE_BYTES)
            self._page = mmap.mmap(descriptor, PAGE_BYTES)
        finally:
            os.close(descriptor)

    @property
    def clock_seconds(self) -> int:
        """By how much the wall clock is moved."""
        return self._get(0)

    @clock_seconds.setter
    def clock_seconds(self, seconds: int) -> None:
        self._put(0, seconds)

    @property
    def disk_full(self) -> int:
        """Whether no file may grow."""
        return self._get(1)

    @disk_full.setter
    def disk_full(self, full: int) -> None:
        self._put(1, full)

    @property
    def hang(self) -> int:
        """Whether the next decode hangs; it takes this back when it does."""
        return self._get(2)

    @hang.setter
    def hang(self, hang: int) -> None:
        self._put(2, hang)

    def withdraw(self) -> None:
        """Order nothing."""
        self._page[:] = bytes(PAGE_BYTES)

    def _get(self, place: int) -> int:
        return int(_NUMBER.unpack_from(self._page, place * _NUMBER.size)[0])

    def _put(self, place: int, number: int) -> None:
        _NUMBER.pack_into(self._page, place * _NUMBER.size, number)
