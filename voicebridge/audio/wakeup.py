"""Wake a thread without a lock: an eventfd that the waker can always write to and the sleeper polls."""

import os
import select
import weakref


class Wakeup:
    """One sleeper, any wakers. Waking never blocks: the device callback does it.

    A waker that finds nobody asleep does nothing; a sleeper must look again at what it waits for after ``prepare`` and
    before ``sleep``, so that what happened in between is not missed.
    """

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Closed with the last reference: a waker holds one while it writes, so it can never write into a reused number.
        weakref.finalize(self, os.close, self._fd)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self.asleep = False
        """True from ``prepare`` until it is woken or the time is up."""

    def prepare(self) -> None:
        """Announce the sleep."""
        self.asleep = True

    def sleep(self, timeout_seconds: float) -> None:
        """Sleep until woken or until the time is up. Returns at once when woken since ``prepare``."""
        if self._poll.poll(max(timeout_seconds, 0.0) * 1000):
            os.eventfd_read(self._fd)
        self.asleep = False

    def wake(self) -> None:
        """Wake the sleeper, if there is one."""
        if self.asleep:
            self.asleep = False
            os.eventfd_write(self._fd, 1)
