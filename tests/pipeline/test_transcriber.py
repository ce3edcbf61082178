import random
import threading
from collections.abc import Callable

import numpy as np
import pytest

from tests.fakes.engine import FakeEngine
from tests.fakes.utterances import noise
from tests.pipeline.rig import SECONDS, SESSION, Rig, transcribing, writing
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError, StoreBusyError, StoreError, StoreUnavailableError
from voicebridge.domain.events import EngineFailed, EngineReady, UtteranceSettled
from voicebridge.domain.utterance import Status, Transcript
from voicebridge.pipeline.pending_queue import QUEUE_BOUND


class ListeningEngine(FakeEngine):
    """Keeps the audio it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.audio: list[Samples] = []

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        self.audio.append(audio)
        return super().decode(audio, start_sample)


class CallingEngine(FakeEngine):
    """Calls a function in the middle of each decode."""

    def __init__(self, during: Callable[[], None]) -> None:
        super().__init__()
        self._during = during

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        self._during()
        return super().decode(audio, start_sample)


def starts(engine: FakeEngine) -> list[int]:
    return [start for start, _ in engine.decoded]


def test_utterances_are_decoded_in_order_and_settled() -> None:
    engine = FakeEngine(["one", "two"])
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        for start in (1, 2):
            transcriber.offer(rig.add(start))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        settled = [event.record for event in rig.announced() if isinstance(event, UtteranceSettled)]
    assert [(record.text, record.status) for record in settled] == [("one", Status.DONE), ("two", Status.DONE)]
    assert transcriber.counters.done == transcriber.counters.decodes == 2
    assert transcriber.counters.audio_seconds == pytest.approx(0.04)
    assert rig.spool.audio == {}
    assert (engine.loads, engine.closes) == (1, 1)


def test_the_engine_is_announced_when_it_is_loaded() -> None:
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(FakeEngine())
        assert transcriber.ready_monotonic is None
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
        assert transcriber.ready_monotonic is not None
        ready = rig.announced()[0]
    assert isinstance(ready, EngineReady)
    assert (ready.engine, ready.model) == ("fake", "script")


def test_an_attempt_is_counted_before_its_decode_begins() -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            record = rig.store.records[pending.utterance_id]
            assert (record.attempts, record.status) == (1, Status.PENDING)
            assert transcriber.current == pending
            assert (transcriber.waiting, transcriber.backlog_seconds) == (1, 0.0)
            assert not transcriber.idle
            gate.set()


def test_the_age_of_a_decode_is_known_while_it_runs() -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        assert transcriber.decode_age_seconds(1e9) == 0
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            assert transcriber.decode_age_seconds(1e9) > 0
            gate.set()
            assert transcriber.wait_until_idle(SECONDS)
            assert transcriber.decode_age_seconds(1e9) == 0


def test_what_waits_is_told_in_seconds_of_audio() -> None:
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(FakeEngine())
        for start in (1, 3):
            transcriber.offer(rig.add(start, length=1.5))
        assert transcriber.backlog_seconds == pytest.approx(3.0)
        assert transcriber.waiting == 2


def test_a_decode_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine([SpeechError("The engine died."), "at last"])
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        record = rig.store.records[pending.utterance_id]
    assert (record.status, record.text, record.attempts) == (Status.DONE, "at last", 2)
    assert transcriber.counters.errors == 1
    assert "decode 1 of utterance 1 failed: The engine died." in caplog.text


def test_an_utterance_that_fails_too_often_is_failed_with_its_audio_kept() -> None:
    engine = FakeEngine([SpeechError("It cannot be read.")] * 3)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            transcriber.offer(rig.add(2))
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        record = rig.store.records[pending.utterance_id]
    assert (record.status, record.reasons, record.attempts) == (Status.FAILED, ("It cannot be read.",), 3)
    assert (transcriber.counters.failed, transcriber.counters.done) == (1, 1)
    assert set(rig.spool.audio) == {pending.ended.key}


def test_an_utterance_whose_attempts_are_used_up_is_failed_without_a_decode() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        pending = rig.add(1)
        for _ in range(3):
            rig.writer.call(lambda: rig.store.begin_attempt(pending.utterance_id), SECONDS)
        transcriber = rig.transcriber(engine)
        transcriber.look_again()
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        record = rig.store.records[pending.utterance_id]
    assert (record.status, record.reasons) == (Status.FAILED, ("3 decodes of it did not come back",))
    assert engine.decoded == []


def test_a_transcript_that_is_not_believed_is_stored_with_its_reasons() -> None:
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(FakeEngine(["go " * 20]))
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        record = rig.store.records[pending.utterance_id]
    assert record.status is Status.REJECTED
    assert record.reasons == ("repetition of 1 word 20 times in a row",)
    assert transcriber.counters.rejected == 1


def test_an_engine_that_cannot_be_loaded_leaves_everything_pending() -> None:
    error = SpeechError("There is no model.", "Pull one.")
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(FakeEngine(load_error=error))
        pending = rig.add(1)
        transcriber.offer(pending)
        transcriber.start()
        assert transcriber.join(SECONDS)
        assert not transcriber.wait_until_idle(0)
        assert rig.announced() == [EngineFailed("fake", "There is no model. Pull one.")]
        assert rig.with_status(Status.PENDING) == [pending.utterance_id]
    assert transcriber.engine_error is error
    assert transcriber.failure is None
    assert transcriber.idle  # what waits has nothing to wait for


@pytest.mark.parametrize("seed", range(4))
def test_beyond_the_bound_utterances_are_fetched_from_the_store_in_order_each_once(seed: int) -> None:
    count = 3 * QUEUE_BOUND + 17
    chance = random.Random(seed)
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)

        def commit_and_offer(number: int) -> None:
            transcriber.offer(rig.commit(float(number), 0.001))

        at_once = chance.randrange(QUEUE_BOUND, count)
        with transcribing(transcriber):
            for number in range(count):
                assert rig.writer.offer(lambda number=number: commit_and_offer(number))  # type: ignore[misc]
                if number == at_once:
                    assert rig.writer.drain(SECONDS)
                    assert transcriber.waiting <= QUEUE_BOUND + 1
                    gate.set()
                if number > at_once and chance.random() < 0.1:
                    assert transcriber.wait_until_idle(SECONDS) if chance.random() < 0.5 else True
                    transcriber.look_again()
            gate.set()
            assert rig.writer.drain(SECONDS)
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        assert rig.with_status(Status.DONE) == list(range(1, count + 1))
    assert starts(engine) == [16_000 * number for number in range(count)]


def test_utterances_left_by_earlier_processes_may_be_more_than_the_queue_holds() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        for number in range(2 * QUEUE_BOUND):  # as many as two fetches bring, so that the second one is full
            transcriber.offer(rig.add(float(number), 0.001, session_id=1))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
    assert starts(engine) == [16_000 * number for number in range(2 * QUEUE_BOUND)]


def test_an_utterance_that_nobody_offered_is_found_when_it_looks_again() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        early = rig.add(1)
        transcriber.offer(rig.add(2))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            transcriber.look_again()
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
            transcriber.look_again()
            assert transcriber.wait_until_idle(SECONDS)
    assert starts(engine) == [32_000, early.ended.span.start]


def test_it_does_not_look_again_while_something_waits() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        transcriber.offer(rig.add(1))
        transcriber.look_again()
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
    assert starts(engine) == [16_000]


def test_audio_comes_from_the_ring_while_it_is_there_and_else_from_the_spool() -> None:
    engine = ListeningEngine()
    with writing(Rig(ring_seconds=4)) as rig:
        audio = noise(5, seed=9)
        rig.ring.write(audio)  # the first second is gone already
        transcriber = rig.transcriber(engine)
        for start in (0.0, 2.0):
            transcriber.offer(rig.add(start, 0.5))
        transcriber.offer(rig.add(3.0, 0.5, session_id=1))  # of another session: its indices mean nothing here
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
    spooled = noise(0.5)
    assert np.array_equal(engine.audio[0], spooled)
    assert np.array_equal(engine.audio[1], audio[32_000:40_000])
    assert np.array_equal(engine.audio[2], spooled)


def test_an_utterance_forgotten_while_it_waited_is_not_decoded_and_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        gone, kept = rig.add(1), rig.add(2)
        transcriber.offer(gone)
        transcriber.offer(kept)
        rig.store.forget(gone.utterance_id)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
    assert starts(engine) == [kept.ended.span.start]
    assert (transcriber.counters.errors, rig.writer.given_up, caplog.text) == (0, 0, "")


def test_an_utterance_forgotten_in_mid_decode_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    with writing(Rig()) as rig:
        pending = rig.add(1)
        transcriber = rig.transcriber(CallingEngine(lambda: rig.store.forget(pending.utterance_id)))
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        assert not [event for event in rig.announced() if isinstance(event, UtteranceSettled)]
    assert (transcriber.counters.done, transcriber.counters.errors, rig.writer.given_up, caplog.text) == (0, 0, 0, "")


def test_the_delay_is_known_for_a_paced_source_of_this_session_only() -> None:
    delays = {}
    for paced in (True, False):
        with writing(Rig(paced=paced)) as rig:
            transcriber = rig.transcriber(FakeEngine())
            for session_id in (SESSION, 1):
                transcriber.offer(rig.add(0, session_id=session_id))
            with transcribing(transcriber):
                assert transcriber.wait_until_idle(SECONDS)
                assert rig.writer.drain(SECONDS)
            for record in rig.store.records.values():
                delays[paced, record.session_id] = record.delay_ms is not None
    assert delays == {(True, SESSION): True, (True, 1): False, (False, SESSION): False, (False, 1): False}


def test_a_stop_ends_after_the_present_decode_and_leaves_the_rest_pending() -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        for start in (1, 2):
            transcriber.offer(rig.add(start))
        transcriber.start()
        assert engine.entered.wait(SECONDS)
        transcriber.stop()
        gate.set()
        assert transcriber.join(SECONDS)
        assert rig.writer.drain(SECONDS)
        assert (rig.with_status(Status.DONE), rig.with_status(Status.PENDING)) == ([1], [2])
    assert engine.closes == 1


def test_a_stop_wakes_a_transcriber_that_has_nothing_to_do() -> None:
    for _ in range(50):
        with writing(Rig()) as rig:
            transcriber = rig.transcriber(FakeEngine())
            transcriber.start()
            transcriber.stop()
            assert transcriber.join(SECONDS)


def test_an_attempt_that_an_orderly_stop_cuts_short_can_be_given_back() -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            transcriber.return_attempt(pending)
            assert rig.writer.drain(SECONDS)
            assert rig.store.records[pending.utterance_id].attempts == 0
            gate.set()


def test_a_locked_store_does_not_silence_a_working_engine() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        rig.ring.write(noise(3))
        pending = rig.add(1, 0.5)
        rig.store.refusal = StoreBusyError("The database is locked.")
        transcriber = rig.transcriber(engine)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.with_status(Status.PENDING) == [pending.utterance_id]
            assert transcriber.counters.done == 0
            rig.store.refusal = None
            assert rig.writer.drain(SECONDS)
            assert rig.with_status(Status.DONE) == [pending.utterance_id]
    assert transcriber.counters.uncounted_attempts == 1
    assert transcriber.counters.done == 1


def test_what_a_locked_store_could_not_tell_is_fetched_when_it_answers_again() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        rig.add(1)
        transcriber = rig.transcriber(engine)
        rig.hold_writer()
        transcriber.look_again()
        with transcribing(transcriber):
            assert not transcriber.wait_until_idle(1.5)  # longer than it waits for an answer
            assert rig.writer.queued_jobs == 1  # the question is not left in the queue
            rig.gate.set()
            assert transcriber.wait_until_idle(SECONDS)
    assert starts(engine) == [16_000]


def test_a_disk_that_cannot_be_read_for_now_costs_no_attempt() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        pending = rig.add(1)
        transcriber = rig.transcriber(engine)
        rig.spool.refusal = StoreUnavailableError("The disk fails.")
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
            record = rig.store.records[pending.utterance_id]
            assert (record.status, record.attempts) == (Status.PENDING, 0)
            rig.spool.refusal = None
            transcriber.look_again()
            assert transcriber.wait_until_idle(SECONDS)
    assert starts(engine) == [16_000]


def test_an_utterance_without_audio_is_failed() -> None:
    with writing(Rig()) as rig:
        pending = rig.add(1)
        rig.spool.audio.clear()
        transcriber = rig.transcriber(FakeEngine(), max_attempts=2)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        record = rig.store.records[pending.utterance_id]
    assert record.status is Status.FAILED
    assert "is not in the spool" in record.reasons[0]


def test_a_writer_that_has_ended_leaves_the_utterance_pending(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    rig = Rig()
    transcriber = rig.transcriber(engine)
    with writing(rig):
        transcriber.offer(rig.add(1))
        transcriber.start()
        assert engine.entered.wait(SECONDS)
    gate.set()
    assert transcriber.wait_until_idle(SECONDS)
    transcriber.stop()
    assert transcriber.join(SECONDS)
    assert rig.with_status(Status.PENDING) == [1]
    assert "utterance 1 stays pending" in caplog.text


def test_a_fault_of_ours_ends_the_wait_and_is_reported() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    failed = threading.Event()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(CallingEngine(broken), on_failure=failed.set)
        transcriber.offer(rig.add(1))
        transcriber.start()
        assert failed.wait(SECONDS)
        assert not transcriber.wait_until_idle(SECONDS)
        assert transcriber.join(SECONDS)
        assert not transcriber.idle
    assert isinstance(transcriber.failure, ZeroDivisionError)


def test_a_store_that_refuses_for_good_to_count_does_not_stop_the_decode() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        rig.ring.write(noise(3))
        pending = rig.add(1)
        rig.store.refusal = StoreError("The database is damaged.")
        transcriber = rig.transcriber(engine)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
    assert starts(engine) == [16_000]
    assert rig.writer.given_up == 2
