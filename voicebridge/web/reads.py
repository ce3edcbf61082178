"""Reading the store for the loop, which must never wait itself: in few threads, with a bound on how many wait."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import anyio
import anyio.to_thread

from voicebridge.domain.errors import StoreError
from voicebridge.web.counters import Counters
from voicebridge.web.problems import ProblemError

T = TypeVar("T")
THREADS = 2
"""Reads at once. They are pure Python for the most part, and must leave the interpreter to the listener."""
MAX_WAITING = 32
READ_SECONDS = 10.0
"""How long an answer from the store is waited for; longer than its busy timeout is by default."""
RETRY = {"Retry-After": "2"}


class Reads:
    """Runs what may wait in threads, for one event loop."""

    def __init__(self, counters: Counters, seconds: float = READ_SECONDS, max_waiting: int = MAX_WAITING) -> None:
        self._counters = counters
        self._seconds = seconds
        self._max_waiting = max_waiting
        self._waiting = 0
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, read: Callable[[], T]) -> T:
        """Return what ``read`` returns. Raises ProblemError when too many wait, it takes too long or it fails."""
        if self._waiting >= self._max_waiting:
            self._counters.busy += 1
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many others are reading.", RETRY)
        if self._limiter is None:  # it belongs to the loop that first uses it
            self._limiter = anyio.CapacityLimiter(THREADS)
        self._waiting += 1
        try:
            with anyio.fail_after(self._seconds):
                return await anyio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._limiter)
        except TimeoutError as error:
            self._counters.busy += 1
            detail = f"The store did not answer within {self._seconds:g} s."
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, RETRY) from error
        except StoreError as error:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), RETRY) from error
        finally:
            self._waiting -= 1
