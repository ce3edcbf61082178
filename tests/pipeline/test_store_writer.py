import threading
import time
from collections.abc import Callable, Iterator

import pytest

from voicebridge.domain.errors import StoreBusyError, StoreError, UtteranceGoneError
from voicebridge.domain.events import StoreChanged
from voicebridge.pipeline.events import EventStream
from voicebridge.pipeline.store_writer import StoreWriter


class Refusing:
    """An action that the store refuses so many times before it takes it."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.refused = threading.Event()
        self.done = threading.Event()

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            self.refused.set()
            raise StoreBusyError("The database is locked.", "Wait.")
        self.done.set()
        return "taken"


class Order:
    """Notes in which order actions ran."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = threading.Condition()

    def taking(self, name: str) -> Callable[[], None]:
        """Return an action that is noted by its name."""

        def run() -> None:
            with self._changed:
                self.names.append(name)
                self._changed.notify_all()

        return run

    def until(self, names: list[str]) -> bool:
        """Wait until these have run, and no others."""
        with self._changed:
            return self._changed.wait_for(lambda: self.names == names, 10)


@pytest.fixture
def events() -> EventStream:
    return EventStream()


@pytest.fixture
def writer(events: EventStream) -> Iterator[StoreWriter]:
    writer = StoreWriter(events, max_audio_bytes=1000)
    writer.start()
    yield writer
    writer.stop()
    assert writer.join(10)


def test_jobs_run_in_the_order_they_came(writer: StoreWriter) -> None:
    seen: list[int] = []
    for number in range(100):
        assert writer.offer(lambda number=number: seen.append(number))  # type: ignore[misc]
    assert writer.drain(10)
    assert seen == list(range(100))
    assert writer.queued_jobs == 0


def test_a_call_returns_the_result_of_its_action(writer: StoreWriter) -> None:
    assert writer.call(lambda: 42, 10) == 42


def test_a_refused_job_is_tried_again_until_it_is_taken(writer: StoreWriter, events: EventStream) -> None:
    subscription = events.subscribe()
    assert writer.call(Refusing(2), 10) == "taken"
    assert writer.retries == 2
    assert subscription.get(1) == StoreChanged(working=False, detail="The database is locked. Wait.")
    assert subscription.get(1) == StoreChanged(working=True, detail="The store takes what is heard again.")
    assert writer.trouble is None


def test_audio_is_spooled_while_a_commit_is_refused(writer: StoreWriter) -> None:
    commit, seen = Refusing(1_000_000), Order()
    writer.offer(commit)
    for name, audio_bytes in (("audio 1", 10), ("commit 1", 0), ("audio 2", 10)):
        writer.offer(seen.taking(name), audio_bytes)
    assert seen.until(["audio 1", "audio 2"])
    assert writer.wait_for_room(1000, 10)
    writer.offer(seen.taking("audio 3"), 10)
    assert seen.until(["audio 1", "audio 2", "audio 3"])
    commit.left = 0
    assert writer.drain(10)
    assert seen.names == ["audio 1", "audio 2", "audio 3", "commit 1"]
    assert writer.queued_audio_bytes == 0


def test_audio_that_is_refused_keeps_its_order_and_its_place(writer: StoreWriter) -> None:
    commit, audio, seen = Refusing(1_000_000), Refusing(1_000_000), Order()
    writer.offer(commit)
    writer.offer(audio, 10)
    writer.offer(seen.taking("audio 2"), 10)
    assert audio.refused.wait(10)
    assert (seen.names, writer.queued_jobs) == ([], 3)
    commit.left = audio.left = 0
    assert writer.drain(10)
    assert seen.names == ["audio 2"]
    assert audio.done.is_set()


def test_audio_that_is_taken_is_no_sign_that_the_database_works(writer: StoreWriter, events: EventStream) -> None:
    subscription = events.subscribe()
    commit, seen = Refusing(1_000_000), Order()
    writer.offer(commit)
    writer.offer(seen.taking("audio"), 10)
    assert seen.until(["audio"])
    assert writer.trouble == "The database is locked. Wait."
    commit.left = 0
    assert writer.drain(10)
    told = [event.working for event in iter(lambda: subscription.get(0), None) if isinstance(event, StoreChanged)]
    assert told == [False, True]


def test_another_file_is_written_meanwhile_and_says_nothing_of_the_spool(writer: StoreWriter) -> None:
    commit, audio, seen = Refusing(1_000_000), Refusing(1_000_000), Order()
    writer.offer(commit)
    writer.offer_file(seen.taking("line 1"), 10)
    assert seen.until(["line 1"])
    writer.offer(audio, 10)
    assert audio.refused.wait(10)
    commit.left = 0
    writer.offer_file(seen.taking("line 2"), 10)
    assert commit.done.wait(10)
    assert writer.trouble == "The database is locked. Wait."
    audio.left = 0
    assert writer.drain(10)
    assert seen.names == ["line 1", "line 2"]
    assert not writer.trouble


def test_a_disk_that_refuses_both_is_well_when_it_takes_both(writer: StoreWriter, events: EventStream) -> None:
    subscription = events.subscribe()
    commit, audio = Refusing(1_000_000), Refusing(1_000_000)
    writer.offer(commit)
    writer.offer(audio, 10)
    assert audio.refused.wait(10)
    audio.left = 0
    assert audio.done.wait(10)
    commit.left = 0
    assert writer.drain(10)
    told = [event.working for event in iter(lambda: subscription.get(0), None) if isinstance(event, StoreChanged)]
    assert told == [False, True]


def test_a_stop_with_a_lost_database_is_not_a_flood(events: EventStream, caplog: pytest.LogCaptureFixture) -> None:
    subscription = events.subscribe()
    writer = StoreWriter(events, 1000)
    seen = Order()
    for number in range(6):
        writer.offer(Refusing(1_000_000))
        writer.offer(seen.taking(f"audio {number}"), 10)
    writer.start()
    writer.stop()
    assert writer.join(10)
    assert (writer.given_up, len(seen.names)) == (6, 6)
    assert "did not take" not in caplog.text
    told = [event.working for event in iter(lambda: subscription.get(0), None) if isinstance(event, StoreChanged)]
    assert told == [False]
    assert writer.trouble == "The database is locked. Wait."


def test_a_call_that_gets_no_answer_in_time_is_told(writer: StoreWriter) -> None:
    gate = threading.Event()
    writer.offer(gate.wait)
    with pytest.raises(StoreError, match=r"did not answer within 0\.01 s"):
        writer.call(lambda: None, 0.01)
    gate.set()


def test_audio_beyond_the_bound_is_refused_and_counted(writer: StoreWriter) -> None:
    gate = threading.Event()
    assert writer.offer(gate.wait, audio_bytes=900)
    assert not writer.offer(lambda: None, audio_bytes=200)
    assert not writer.wait_for_room(200, 0)
    assert writer.offer(lambda: None, audio_bytes=100)
    assert writer.refused == 1
    assert writer.queued_audio_bytes == 1000
    gate.set()
    assert writer.wait_for_room(200, 10)


def test_one_piece_larger_than_the_bound_is_taken_when_nothing_else_waits(writer: StoreWriter) -> None:
    assert writer.offer(lambda: None, audio_bytes=5000)
    assert writer.drain(10)


def test_stopping_runs_what_is_queued_first(events: EventStream) -> None:
    writer = StoreWriter(events, 1000)
    done = threading.Event()
    writer.offer(done.set)
    writer.start()
    writer.stop()
    assert writer.join(10)
    assert done.is_set()


def test_what_the_store_refuses_at_the_end_is_given_up_in_bounded_time(events: EventStream) -> None:
    writer = StoreWriter(events, 1000)
    writer.start()
    for _ in range(3):
        writer.offer(Refusing(1_000_000))
    writer.stop()
    assert writer.join(10)
    assert writer.failure is None


def test_a_fault_of_ours_ends_the_thread_and_is_reported(events: EventStream, caplog: pytest.LogCaptureFixture) -> None:
    reported = threading.Event()
    writer = StoreWriter(events, 1000, on_failure=reported.set)
    writer.start()

    def faulty() -> None:
        raise ZeroDivisionError

    writer.offer(faulty)
    assert reported.wait(10)
    assert isinstance(writer.failure, ZeroDivisionError)
    assert "the thread store-writer died" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_what_the_store_refuses_for_good_is_given_up_and_the_next_job_runs(
    writer: StoreWriter, caplog: pytest.LogCaptureFixture
) -> None:
    def hopeless() -> None:
        raise StoreError("The database is corrupt.", "Restore a backup.")

    writer.offer(hopeless)
    assert writer.call(lambda: "next", 10) == "next"
    assert writer.given_up == 1
    assert "The database is corrupt." in caplog.text


def test_a_forgotten_utterance_is_no_trouble(writer: StoreWriter, events: EventStream) -> None:
    def forgotten() -> None:
        raise UtteranceGoneError("Utterance 7 was forgotten.")

    subscription = events.subscribe()
    writer.offer(forgotten)
    assert writer.drain(10)
    assert subscription.get(0) is None
    assert writer.given_up == 0


def test_audio_goes_first_when_it_is_told_to_stop(events: EventStream) -> None:
    writer = StoreWriter(events, 1000)
    gate = threading.Event()
    started = threading.Event()
    seen: list[str] = []

    def hold() -> None:
        started.set()
        gate.wait()

    writer.start()
    writer.offer(hold)
    assert started.wait(10)
    for name, audio_bytes in (("commit 1", 0), ("audio 1", 10), ("commit 2", 0), ("audio 2", 10)):
        writer.offer(lambda name=name: seen.append(name), audio_bytes)  # type: ignore[misc]
    writer.stop()
    gate.set()
    assert writer.join(10)
    assert seen == ["audio 1", "audio 2", "commit 1", "commit 2"]


def test_a_writer_that_has_ended_takes_nothing(events: EventStream) -> None:
    writer = StoreWriter(events, 1000)
    writer.start()
    writer.stop()
    assert writer.join(10)
    assert not writer.offer(lambda: None)
    assert not writer.wait_for_room(0, 0)
    assert not writer.drain(10)
    with pytest.raises(StoreError, match="queue is full"):
        writer.call(lambda: None, 10)


def test_a_question_that_got_no_answer_in_time_leaves_the_queue(writer: StoreWriter) -> None:
    gate = threading.Event()
    asked: list[str] = []
    writer.offer(gate.wait)
    for name, drop_late in (("question", True), ("order", False)):
        with pytest.raises(StoreError):
            writer.call(lambda name=name: asked.append(name), 0.01, drop_late=drop_late)  # type: ignore[misc]
    gate.set()
    assert writer.drain(10)
    assert asked == ["order"]


def test_a_question_that_is_being_answered_stays(writer: StoreWriter) -> None:
    gate = threading.Event()
    with pytest.raises(StoreError):
        writer.call(gate.wait, 0.01, drop_late=True)
    gate.set()
    assert writer.drain(10)
    assert writer.queued_jobs == 0


def test_a_drain_that_takes_too_long_is_told(writer: StoreWriter) -> None:
    gate = threading.Event()
    writer.offer(gate.wait)
    assert not writer.drain(0.01)
    gate.set()


def test_it_tells_how_long_a_try_has_been_running(writer: StoreWriter) -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        gate.wait()

    assert writer.try_age_seconds(time.monotonic()) == 0.0
    writer.offer(slow)
    assert begun.wait(10)
    assert writer.try_age_seconds(time.monotonic() + 60) >= 60
    gate.set()
    assert writer.drain(10)
    assert writer.try_age_seconds(time.monotonic() + 60) == 0.0
