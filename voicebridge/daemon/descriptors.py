"""A few file descriptors held back: when the process may open no more, they are given up, so that it can still tell."""

import contextlib
import os
import resource

from voicebridge.daemon.alarms import Alarms

CODE = "descriptors_exhausted"
HELD = 16
"""Enough for the status, a log file, the control socket, and a commit that opens what it needs anew."""
FREE = 4
"""Must be free beside them before they are taken back: who lives from the last one needs it again in a moment."""


class DescriptorReserve:
    """Holds ``count`` descriptors; ``look`` gives them up when there are no others, and takes them back later.

    One thread. The alarm stands while they are not all held.
    """

    def __init__(self, alarms: Alarms, count: int = HELD) -> None:
        self.given_up = 0
        """How often."""
        self._alarms = alarms
        self._count = count
        self._held: list[int] = []
        self._take()

    def look(self) -> None:
        """Give up what is held, or take it back, and raise or end the alarm."""
        if len(self._held) == self._count:
            if _are_free(1):
                return
        elif self._take() and _are_free(FREE):
            self._alarms.end(CODE)
            return
        self.close()
        if CODE not in self._alarms.standing:
            self.given_up += 1
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._alarms.raise_(CODE, f"The process may open no more files: its limit is {limit}.")

    def counters(self) -> dict[str, int]:
        """Return what it has counted."""
        return {"descriptors_given_up": self.given_up}

    def close(self) -> None:
        """Give up what is held."""
        while self._held:
            os.close(self._held.pop())

    def _take(self) -> bool:
        self._held.extend(_opened(self._count - len(self._held)))
        return len(self._held) == self._count


def _are_free(count: int) -> bool:
    opened = _opened(count)
    for descriptor in opened:
        os.close(descriptor)
    return len(opened) == count


def _opened(count: int) -> list[int]:
    """Return as many new descriptors as can be had, at most so many."""
    opened: list[int] = []
    with contextlib.suppress(OSError):
        while len(opened) < count:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    return opened
