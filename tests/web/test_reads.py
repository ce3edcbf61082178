import asyncio
import threading
from http import HTTPStatus

import pytest

from voicebridge.domain.errors import StoreError
from voicebridge.web.counters import Counters
from voicebridge.web.problems import ProblemError
from voicebridge.web.reads import Reads


def fails() -> None:
    raise StoreError("The disk fails.", "Look at it.")


def test_what_is_read_is_returned() -> None:
    assert asyncio.run(Reads(Counters()).run(lambda: threading.current_thread() is threading.main_thread())) is False


def test_a_store_that_fails_is_a_problem_with_its_advice() -> None:
    with pytest.raises(ProblemError, match=r"The disk fails\. Look at it\.") as caught:
        asyncio.run(Reads(Counters()).run(fails))
    assert caught.value.status is HTTPStatus.SERVICE_UNAVAILABLE


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    counters, gate = Counters(), threading.Event()

    async def ask() -> None:
        reads = Reads(counters, seconds=0.05)
        with pytest.raises(ProblemError, match=r"within 0\.05 s"):
            await reads.run(lambda: gate.wait(30))
        # The thread is still held: others go on, for there is more than one.
        assert await reads.run(lambda: 5) == 5
        gate.set()

    asyncio.run(ask())
    assert counters.busy == 1


def test_more_than_may_wait_are_refused_at_once() -> None:
    counters, gate = Counters(), threading.Event()

    async def ask() -> None:
        reads = Reads(counters, max_waiting=1)
        first = asyncio.create_task(reads.run(lambda: gate.wait(30)))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="Too many others") as caught:
            await reads.run(lambda: None)
        assert caught.value.headers["Retry-After"] == "2"
        gate.set()
        assert await first

    asyncio.run(ask())
    assert counters.busy == 1
