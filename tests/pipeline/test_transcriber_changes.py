"""What may change while the transcriber runs: its rules, the engine's options, and whether there is an engine."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.fakes.engine import FakeEngine
from tests.pipeline.rig import SECONDS, Rig, transcribing, writing
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import EngineStarvedError, SpeechError
from voicebridge.domain.events import EngineFailed, EngineReady, Event
from voicebridge.domain.utterance import Status, Transcript
from voicebridge.pipeline.pending_queue import QUEUE_BOUND
from voicebridge.pipeline.transcriber import Rules, Transcriber
from voicebridge.settings import EngineSettings, GateSettings, WhisperSettings

AT_ONCE = EngineSettings(required=False).model_copy(update={"load_retry_seconds": 0.0})
"""An engine that is tried again without a pause (which the settings do not allow)."""
LATER = EngineSettings(required=False, load_retry_seconds=3600)


class TunableEngine(FakeEngine):
    """Keeps the options that it was given, and between which decodes; refuses some languages."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        super().__init__(gate=gate)
        self.applied: list[tuple[int, str]] = []

    def apply(self, settings: WhisperSettings) -> bool:
        if settings.language == "xx":
            raise SpeechError("whisper.language = 'xx' is an unknown language.")
        self.applied.append((len(self.decoded), settings.language))
        return True


class DoubtingEngine(FakeEngine):
    """Keeps what the gate says of its results."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[Sequence[str]] = []
        self._rejects: Callable[[Transcript], Sequence[str]] = lambda _: ()

    def doubt_also(self, rejects: Callable[[Transcript], Sequence[str]]) -> None:
        self._rejects = rejects

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        made = replace(super().decode(audio, start_sample), avg_logprob=-0.9)
        self.reasons.append(self._rejects(made))
        return made


class LateEngine(FakeEngine):
    """Cannot be loaded until it was tried often enough; fails with one reason after the other."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__()
        self.reasons = list(reasons)

    def load(self) -> None:
        if self.reasons:
            self.loads += 1
            raise SpeechError(self.reasons.pop(0))
        super().load()


def wait_until(good: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + SECONDS, threading.Event()
    while not good():
        assert time.monotonic() < deadline
        pause.wait(0.002)


def about_the_engine(events: Sequence[Event]) -> list[str]:
    return [
        event.detail if isinstance(event, EngineFailed) else "ready"
        for event in events
        if isinstance(event, EngineFailed | EngineReady)
    ]


def rules(engine: EngineSettings | None = None, gate: GateSettings | None = None) -> Rules:
    return Rules(engine or EngineSettings(), gate or GateSettings())


def test_an_engine_that_doubts_itself_is_told_what_the_gate_in_force_would_reject() -> None:
    engine = DoubtingEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        with transcribing(transcriber):
            transcriber.offer(rig.add(1))
            assert transcriber.wait_until_idle(SECONDS)
            transcriber.apply(rules(gate=GateSettings(avg_logprob=-0.5)), WhisperSettings())
            wait_until(lambda: transcriber.applied)
            transcriber.offer(rig.add(2))
            assert transcriber.wait_until_idle(SECONDS)
    assert [list(reasons) for reasons in engine.reasons] == [[], ["avg_logprob -0.90 below -0.5"]]


def test_rules_and_options_are_taken_over_between_two_decodes() -> None:
    gate = threading.Event()
    engine = TunableEngine(gate)
    strict = rules(EngineSettings(decode_deadline_seconds=7), GateSettings(min_speech_ratio=1.0))
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        for start in (1, 2):
            transcriber.offer(rig.add(start))
        with transcribing(transcriber):
            assert engine.entered.wait(SECONDS)
            transcriber.apply(strict, WhisperSettings(language="de"))
            assert transcriber.rules.engine.decode_deadline_seconds == 120  # the decode under way keeps its deadline
            assert not transcriber.applied
            gate.set()
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
    assert engine.applied == [(1, "de")]
    assert transcriber.rules is strict
    assert [record.status for record in rig.store.records.values()] == [Status.DONE, Status.REJECTED]


def test_an_idle_transcriber_takes_the_newest_order_over_at_once() -> None:
    engine = TunableEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        with transcribing(transcriber):
            for language in ("de", "fr"):
                transcriber.apply(rules(), WhisperSettings(language=language))
            wait_until(lambda: transcriber.applied)
    assert engine.applied[-1] == (0, "fr")


def test_options_that_the_engine_cannot_use_are_told_and_the_rules_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    engine = TunableEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        with transcribing(transcriber):
            transcriber.apply(rules(EngineSettings(max_attempts=1)), WhisperSettings(language="xx"))
            wait_until(lambda: transcriber.applied)
            assert str(transcriber.options_refused) == "whisper.language = 'xx' is an unknown language."
            assert transcriber.rules.engine.max_attempts == 1
            transcriber.apply(rules(), WhisperSettings(language="en"))
            wait_until(lambda: transcriber.applied)
    assert transcriber.options_refused is None
    assert transcriber.alive is False
    assert "goes on with its old options: whisper.language = 'xx'" in caplog.text


def test_an_engine_that_takes_no_options_goes_on() -> None:
    engine = FakeEngine()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        with transcribing(transcriber):
            transcriber.apply(rules(), WhisperSettings(language="de"))
            transcriber.offer(rig.add(1))
            assert transcriber.wait_until_idle(SECONDS)
    assert transcriber.applied
    assert transcriber.options_refused is None


def test_a_model_that_could_not_be_loaded_is_tried_again_and_what_waits_is_then_decoded() -> None:
    engine = LateEngine(["There is no model."] * 3)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine, engine_settings=AT_ONCE)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
            assert transcriber.engine_error is None
            assert transcriber.ready_monotonic is not None
        assert about_the_engine(rig.announced()) == ["There is no model.", "ready"]
    assert rig.with_status(Status.DONE) == [pending.utterance_id]
    assert (engine.loads, transcriber.loads_failed) == (4, 3)


def test_each_new_reason_why_there_is_no_engine_is_told() -> None:
    engine = LateEngine(["no model", "no model", "damaged", "damaged", "no model"])
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine, engine_settings=AT_ONCE)
        with transcribing(transcriber):
            wait_until(lambda: transcriber.ready_monotonic is not None)
        assert about_the_engine(rig.announced()) == ["no model", "damaged", "no model", "ready"]


def test_while_there_is_no_engine_what_waits_has_nothing_to_wait_for_and_a_stop_is_quick() -> None:
    engine = LateEngine(["There is no model."])
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine, engine_settings=LATER)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            wait_until(lambda: transcriber.engine_error is not None)
            assert transcriber.idle
            assert transcriber.alive
    assert rig.with_status(Status.PENDING) == [pending.utterance_id]
    assert engine.loads == 1


def test_the_pause_before_another_load_may_be_shortened_while_it_lasts() -> None:
    engine = LateEngine(["There is no model."])
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine, engine_settings=LATER)
        transcriber.sign_seconds = 0.01
        with transcribing(transcriber):
            wait_until(lambda: transcriber.engine_error is not None)
            transcriber.apply(rules(AT_ONCE), WhisperSettings())
            wait_until(lambda: transcriber.engine_error is None)


def test_while_there_is_no_engine_a_bounded_number_is_held_in_memory_and_then_all_are_decoded() -> None:
    count = QUEUE_BOUND + 40
    engine = LateEngine(["There is no model."])
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine, engine_settings=LATER)
        transcriber.sign_seconds = 0.01
        with transcribing(transcriber):
            wait_until(lambda: transcriber.engine_error is not None)
            for number in range(count):
                transcriber.offer(rig.add(float(number), 0.001))
            assert transcriber.waiting == QUEUE_BOUND
            transcriber.apply(rules(AT_ONCE), WhisperSettings())
            wait_until(lambda: transcriber.engine_error is None)
            assert transcriber.wait_until_idle(SECONDS)
    assert [start for start, _ in engine.decoded] == [16_000 * number for number in range(count)]


def test_a_decode_that_got_no_memory_costs_no_attempt_and_is_tried_again_later() -> None:
    engine = FakeEngine([EngineStarvedError("Whisper got too little memory for a decode.")] * 5)
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            for _ in range(5):
                assert transcriber.wait_until_idle(SECONDS)
                assert rig.writer.drain(SECONDS)
                record = rig.store.records[pending.utterance_id]
                assert (record.status, record.attempts) == (Status.PENDING, 0)
                transcriber.look_again()
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
    assert rig.with_status(Status.DONE) == [pending.utterance_id]
    assert transcriber.counters.errors == 5


def test_a_load_that_fails_for_good_ends_a_transcriber_whose_engine_is_required() -> None:
    engine = LateEngine(["There is no model."])
    with writing(Rig()) as rig:
        transcriber: Transcriber = rig.transcriber(engine)
        transcriber.start()
        assert transcriber.join(SECONDS)
    assert str(transcriber.engine_error) == "There is no model."
    assert engine.loads == 1
