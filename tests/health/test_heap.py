import gc
import threading

from voicebridge.health.heap import heap_bytes

MEASUREMENTS = 40


def test_the_heap_grows_by_what_is_kept() -> None:
    gc.collect()  # garbage of other tests that goes meanwhile would count against what is kept
    before = heap_bytes()
    kept = [[number] for number in range(50_000)]
    assert heap_bytes() - before >= 50_000 * 56
    assert len(kept) == 50_000


def test_measuring_it_breaks_no_tuple_that_another_thread_is_making() -> None:
    over, broken, made = threading.Event(), [], 0

    def make() -> None:
        nonlocal made
        while not over.is_set():
            try:
                made += len(tuple(number for number in range(300)))
            except SystemError as error:
                broken.append(str(error))

    maker = threading.Thread(target=make)
    maker.start()
    kept = [[number] for number in range(100_000)]  # that takes longer to go through than a thread's turn
    for _ in range(MEASUREMENTS):
        heap_bytes()
    over.set()
    maker.join()
    assert made
    assert not broken
    assert len(kept) == 100_000
