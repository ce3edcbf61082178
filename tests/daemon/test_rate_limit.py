"""Repeats are limited and counted."""

import logging
from typing import Any

import pytest

from voicebridge.daemon.messages import GAP, UTTERANCE_DONE, Message
from voicebridge.daemon.rate_limit import MAX_KINDS, RateLimit, text_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A rate limit of 3 messages in 10 s, its clock, and what came through it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.passed: list[str] = []
        self.reports: list[logging.LogRecord] = []
        self.limit = RateLimit(3, 10.0, self.reports.append, self.clock)

    def write(self, template: Any, *values: object, level: int = logging.INFO, event: Message | None = None) -> bool:
        record = logging.LogRecord("voicebridge.x", level, __file__, 1, template, values, None)
        if event is not None:
            record.vb_message = event
        passes = self.limit.filter(record)
        if passes:
            self.passed.append(text_of(record))
        return passes

    @property
    def told(self) -> list[str]:
        return [record.getMessage() for record in self.reports]


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_burst_passes_and_the_rest_is_counted(log: Log) -> None:
    for number in range(5):
        log.write("block %d lost", number)
    assert log.passed == ["block 0 lost", "block 1 lost", "block 2 lost"]
    assert log.limit.suppressed == 2
    assert log.told == []


def test_the_count_is_told_with_the_next_message_after_the_window(log: Log) -> None:
    for number in range(5):
        log.write("block %d lost", number, level=logging.WARNING)
    log.clock.now += 10
    assert log.write("something else")
    assert log.told == ["2 more in 10 s, not logged, like: block 0 lost"]
    assert log.reports[0].levelno == logging.WARNING
    assert log.reports[0].name == "voicebridge.x"


def test_a_kind_passes_again_in_its_next_window(log: Log) -> None:
    for _ in range(4):
        log.write("again")
    log.clock.now += 10
    assert log.write("again")


def test_a_count_is_told_once(log: Log) -> None:
    for _ in range(4):
        log.write("again")
    log.clock.now += 10
    log.limit.flush()
    log.limit.flush()
    assert len(log.told) == 1


def test_a_flush_before_the_end_of_a_window_tells_nothing(log: Log) -> None:
    for _ in range(4):
        log.write("again")
    log.limit.flush()
    assert log.told == []
    log.limit.flush(everything=True)
    assert log.told == ["1 more in 10 s, not logged, like: again"]


def test_kinds_are_counted_apart(log: Log) -> None:
    for number in range(4):
        log.write("this %d", number)
        log.write("that %d", number)
    assert len(log.passed) == 6


def test_events_are_of_one_kind_by_their_message_id(log: Log) -> None:
    for number in range(4):
        log.write(f"Gap of {number} s", event=GAP)
    assert len(log.passed) == 3


def test_what_speech_bounds_is_not_limited(log: Log) -> None:
    assert all(log.write("an utterance", event=UTTERANCE_DONE) for _ in range(50))


def test_errors_are_limited_but_the_first_of_a_kind_passes(log: Log) -> None:
    for _ in range(10):
        log.write("noise")
    assert log.write("broken: %s", "x", level=logging.ERROR)
    assert [log.write("broken: %s", "x", level=logging.ERROR) for _ in range(3)] == [True, True, False]


def test_a_flood_of_kinds_is_bounded_with_errors_apart(log: Log) -> None:
    for number in range(MAX_KINDS + 50):
        log.write(f"kind {number}")
    assert len(log.passed) == MAX_KINDS + 3
    assert log.write("a first error", level=logging.ERROR)
    log.limit.flush(everything=True)
    assert log.told == ["47 more in 10 s, not logged, like: many kinds of messages"]


def test_messages_that_are_not_text_are_one_kind_by_their_type(log: Log) -> None:
    for number in range(4):
        log.write(ValueError(number))
    assert len(log.passed) == 3


def test_a_template_that_does_not_fit_is_shown_as_it_is() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%d blocks", ("many",), None)
    assert text_of(record) == "'%d blocks' % ('many',)"
