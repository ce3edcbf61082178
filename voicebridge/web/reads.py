"""Calls that may wait, made for the loop, which must not: in few threads, with a bound on how many wait."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

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


@dataclass(frozen=True, slots=True)
class Lane:
    """How many calls are made at once, how many wait, how long, and what is said of one that takes longer."""

    threads: int = THREADS
    max_waiting: int = MAX_WAITING
    """Those that are being made among them."""
    seconds: float = READ_SECONDS
    overdue: str = "The store did not answer within {seconds:g} s."


LEVERS = Lane(
    threads=1,
    max_waiting=8,
    overdue="It was begun, and is not done after {seconds:g} s: it may still be done. The status says what holds.",
)
"""What changes something waits for no reads."""


class Reads:
    """Makes calls in threads, for one event loop.

    A call that hangs holds its thread for as long as it does. That thread is not waited for, neither here nor at the
    end of the process, and no other takes its place: while all of them hang, everybody is refused at once.
    """

    def __init__(self, counters: Counters, lane: Lane | None = None) -> None:
        self._counters = counters
        self._lane = Lane() if lane is None else lane
        self._waiting = 0
        self._hanging = 0
        """Threads whose call is not waited for any more."""
        self._free: asyncio.Semaphore | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns. Raises ProblemError when too many wait, it takes too long or it fails.

        One that was still waiting for a thread when its time was over is never made.
        """
        if self._hanging >= self._lane.threads:
            raise self._refusal("What was asked before is still not answered.")
        if self._waiting >= self._lane.max_waiting:
            raise self._refusal("Too many others are waiting.")
        if self._free is None:  # it belongs to the loop that first uses it
            self._free = asyncio.Semaphore(self._lane.threads)
        self._waiting += 1
        try:
            return await self._in_time(call, self._free)
        except StoreError as error:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), RETRY) from error
        finally:
            self._waiting -= 1

    async def _in_time(self, call: Callable[[], T], free: asyncio.Semaphore) -> T:
        deadline = asyncio.get_running_loop().time() + self._lane.seconds
        try:
            async with asyncio.timeout_at(deadline):
                await free.acquire()
        except TimeoutError as error:
            raise self._refusal("What was asked before took too long.") from error
        answer = self._begin(call, free)
        try:
            async with asyncio.timeout_at(deadline):
                # Shielded: its thread ends when it ends, whoever still wants to know.
                return await asyncio.shield(answer)
        except TimeoutError as error:
            if answer.done():  # the call itself says so
                raise
            self._leave(answer)
            raise self._refusal(self._lane.overdue.format(seconds=self._lane.seconds)) from error
        except asyncio.CancelledError:
            self._leave(answer)
            raise

    def _begin(self, call: Callable[[], T], free: asyncio.Semaphore) -> asyncio.Future[T]:
        """Make the call in a thread of its own; its place is free again when it has ended."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            free.release()
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]  # there is one where there is no error

        def run() -> None:
            result, error = None, None
            try:
                result = call()
            except Exception as caught:  # noqa: BLE001 - the top of the thread: it is raised in the loop
                error = caught
            # The loop may have ended meanwhile: there is nobody to tell.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, result, error)

        # Its end is waited for by nobody, not even at the end of the process: it may hang with the disk.
        threading.Thread(target=run, name="http-read", daemon=True).start()
        return answer

    def _leave(self, answer: "asyncio.Future[T]") -> None:
        """Wait for it no more, and count it as hanging until it has ended."""
        self._hanging += 1

        def came(late: "asyncio.Future[T]") -> None:
            self._hanging -= 1
            late.exception()  # known, so that nothing is said of it

        answer.add_done_callback(came)

    def _refusal(self, detail: str) -> ProblemError:
        self._counters.busy += 1
        return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, RETRY)
