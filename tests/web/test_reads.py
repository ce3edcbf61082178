import asyncio
import subprocess
import sys
import threading
from http import HTTPStatus

import pytest

from voicebridge.domain.errors import StoreError
from voicebridge.web.counters import Counters
from voicebridge.web.problems import ProblemError
from voicebridge.web.reads import LEVERS, Lane, Reads

SECONDS = 30.0
"""How long a test waits before it fails."""


def fails() -> None:
    raise StoreError("The disk fails.", "Look at it.")


def reading() -> int:
    """Return how many threads read."""
    return sum(thread.name == "http-read" for thread in threading.enumerate())


async def until_none_reads() -> None:
    async with asyncio.timeout(SECONDS):
        while reading():
            await asyncio.sleep(0)
        for _ in range(3):  # what they have handed to the loop, and what follows from that
            await asyncio.sleep(0)


def test_what_is_read_is_returned() -> None:
    assert asyncio.run(Reads(Counters()).run(lambda: threading.current_thread() is threading.main_thread())) is False


def test_a_store_that_fails_is_a_problem_with_its_advice() -> None:
    with pytest.raises(ProblemError, match=r"The disk fails\. Look at it\.") as caught:
        asyncio.run(Reads(Counters()).run(fails))
    assert caught.value.status is HTTPStatus.SERVICE_UNAVAILABLE


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    counters, gate = Counters(), threading.Event()

    async def ask() -> None:
        reads = Reads(counters, Lane(seconds=0.05))
        with pytest.raises(ProblemError, match=r"within 0\.05 s"):
            await reads.run(lambda: gate.wait(SECONDS))
        # The thread is still held: others go on, for there is more than one.
        assert await Reads(counters).run(lambda: 5) == 5
        gate.set()

    asyncio.run(ask())
    assert counters.busy == 1


def test_while_all_threads_hang_no_more_are_begun_and_everybody_is_refused_at_once() -> None:
    counters, gate, called = Counters(), threading.Event(), list[int]()

    def hang() -> None:
        called.append(1)
        gate.wait(SECONDS)

    async def ask() -> None:
        reads = Reads(counters, Lane(threads=2, seconds=0.05))
        refused = await asyncio.gather(*(reads.run(hang) for _ in range(10)), return_exceptions=True)
        assert all(isinstance(one, ProblemError) for one in refused)
        for _ in range(50):
            with pytest.raises(ProblemError, match="still not answered"):
                await reads.run(hang)
        assert (reading(), called) == (2, [1, 1])
        gate.set()
        await until_none_reads()
        assert await reads.run(lambda: 5) == 5

    asyncio.run(ask())
    assert counters.busy == 60


def test_what_waits_for_a_thread_until_its_time_is_over_is_never_done() -> None:
    gate, done = threading.Event(), list[str]()

    async def ask() -> None:
        lever = Reads(Counters(), Lane(threads=1, seconds=0.05, overdue=LEVERS.overdue))
        first = asyncio.create_task(lever.run(lambda: gate.wait(SECONDS)))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="before took too long"):
            await lever.run(lambda: done.append("muted"))
        with pytest.raises(ProblemError, match="may still be done"):
            await first
        gate.set()
        await until_none_reads()

    asyncio.run(ask())
    assert done == []


def test_more_than_may_wait_are_refused_at_once() -> None:
    counters, gate = Counters(), threading.Event()

    async def ask() -> None:
        reads = Reads(counters, Lane(max_waiting=1))
        first = asyncio.create_task(reads.run(lambda: gate.wait(SECONDS)))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="Too many others") as caught:
            await reads.run(lambda: None)
        assert caught.value.headers["Retry-After"] == "2"
        gate.set()
        assert await first

    asyncio.run(ask())
    assert counters.busy == 1


def test_whoever_is_cancelled_leaves_its_thread_behind_until_it_ends() -> None:
    gate = threading.Event()

    async def ask() -> None:
        reads = Reads(Counters(), Lane(threads=1))
        task = asyncio.create_task(reads.run(lambda: gate.wait(SECONDS)))
        while not reading():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ProblemError, match="still not answered"):
            await reads.run(lambda: None)
        gate.set()
        await until_none_reads()
        assert await reads.run(lambda: 5) == 5

    asyncio.run(ask())


def test_a_timeout_of_the_call_itself_is_raised_as_it_is() -> None:
    def late() -> None:
        raise TimeoutError("of a socket")

    with pytest.raises(TimeoutError, match="of a socket"):
        asyncio.run(Reads(Counters()).run(late))


def test_the_process_ends_while_a_read_hangs() -> None:
    script = """
import asyncio, threading
from voicebridge.web.counters import Counters
from voicebridge.web.problems import ProblemError
from voicebridge.web.reads import Lane, Reads
try:
    asyncio.run(Reads(Counters(), Lane(seconds=0.05)).run(threading.Event().wait))
except ProblemError:
    print("refused")
"""
    ended = subprocess.run([sys.executable, "-c", script], timeout=SECONDS, capture_output=True, text=True, check=True)
    assert ended.stdout == "refused\n"
