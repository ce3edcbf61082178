import threading

from tests.fakes.utterances import ended
from tests.pipeline.rig import SECONDS
from voicebridge.domain.utterance import PendingUtterance
from voicebridge.pipeline.pending_queue import QUEUE_BOUND, PendingQueue


def pending(number: int) -> PendingUtterance:
    return PendingUtterance(number, ended(float(number), number + 2.0))


def full() -> PendingQueue:
    queue = PendingQueue()
    for number in range(1, QUEUE_BOUND + 3):
        queue.offer(pending(number))
    return queue


def taken(queue: PendingQueue) -> list[int]:
    numbers = []
    while (found := queue.take(0)) is not None:
        numbers.append(found.utterance_id)
        queue.done()
    return numbers


def test_what_is_offered_is_taken_in_order() -> None:
    queue = PendingQueue()
    for number in (3, 1, 2):
        queue.offer(pending(number))
    assert (queue.waiting, queue.backlog_seconds) == (3, 6.0)
    assert taken(queue) == [3, 1, 2]
    assert queue.nothing_left


def test_what_is_being_worked_on_waits_until_it_is_done() -> None:
    queue = PendingQueue()
    queue.offer(pending(1))
    assert queue.take(0) == queue.current == pending(1)
    assert (queue.waiting, queue.nothing_left, queue.backlog_seconds) == (1, False, 0.0)
    queue.done()
    assert queue.waiting == 0
    assert queue.nothing_left


def test_beyond_the_bound_the_rest_is_fetched_after_what_is_here_was_taken() -> None:
    queue = full()
    assert queue.waiting == QUEUE_BOUND
    assert queue.to_fetch() is None
    assert taken(queue) == list(range(1, QUEUE_BOUND + 1))
    assert not queue.nothing_left
    question = queue.to_fetch()
    assert question is not None
    after_id, mark = question
    assert after_id == QUEUE_BOUND
    queue.fetched([pending(QUEUE_BOUND + 1), pending(QUEUE_BOUND + 2)], mark)
    assert taken(queue) == [QUEUE_BOUND + 1, QUEUE_BOUND + 2]
    assert queue.nothing_left


def test_what_was_left_in_the_store_during_a_fetch_is_fetched_again() -> None:
    queue = full()
    taken(queue)
    question = queue.to_fetch()
    assert question is not None
    queue.offer(pending(QUEUE_BOUND + 3))  # the query may have run before this one was committed
    queue.fetched([], question[1])
    assert queue.to_fetch() is not None
    assert not queue.nothing_left


def test_a_closed_queue_gives_out_nothing_and_asks_for_nothing() -> None:
    queue = full()
    queue.close()
    assert queue.take(10) is None
    assert queue.to_fetch() is None


def test_closing_ends_a_wait() -> None:
    for end in (PendingQueue.close, PendingQueue.wake):
        queue, began = PendingQueue(), threading.Event()

        def wait(queue: PendingQueue = queue, began: threading.Event = began) -> None:
            began.set()
            queue.take(3600)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        assert began.wait(10)
        while thread.is_alive():  # the wait may not have begun yet
            end(queue)
            thread.join(0.01)


def test_who_waits_for_it_to_be_empty_is_told_when_nobody_works_any_more() -> None:
    queue = PendingQueue()
    assert queue.wait_until_empty(0)
    queue.offer(pending(1))
    queue.end()
    assert not queue.wait_until_empty(3600)


def test_it_does_not_wait_while_there_is_something_else_to_do() -> None:
    queue = PendingQueue()
    assert queue.take(SECONDS, lambda: True) is None
    queue.offer(pending(1))
    assert queue.take(SECONDS, lambda: True) == pending(1)


def test_something_else_that_comes_while_it_waits_ends_the_wait() -> None:
    for _ in range(50):
        queue, there = PendingQueue(), threading.Event()
        waiting = threading.Thread(target=lambda queue=queue, there=there: queue.take(SECONDS, there.is_set))
        waiting.start()
        there.set()
        queue.wake()
        waiting.join(SECONDS / 2)
        assert not waiting.is_alive()
