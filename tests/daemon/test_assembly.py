import dataclasses
import sys
import threading
import wave
from pathlib import Path

import pytest

from tests.daemon.hearing import SETTINGS, blocks, without_engine_required
from tests.daemon.life import life
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.sink import MemorySink
from tests.fakes.source import MemorySource
from tests.fakes.states import state_in
from tests.fakes.utterances import ended
from voicebridge.daemon import assembly
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.errors import AudioError, SpeechError
from voicebridge.domain.utterance import PendingUtterance
from voicebridge.pipeline.events import EventStream
from voicebridge.settings import Settings


def with_whisper_model(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(
        update={
            "whisper": settings.whisper.model_copy(update={"model": str(folder)}),
            "engine": settings.engine.model_copy(update={"kind": "whisper"}),
        }
    )


def test_the_microphone_is_paced_and_not_opened_before_it_is_started() -> None:
    microphone = assembly.microphone(SETTINGS)(EventStream())
    assert (microphone.info.kind, microphone.info.paced) == ("microphone", True)
    assert microphone.report().state is CaptureState.STARTING


def test_a_teardown_beyond_its_deadline_is_stuck() -> None:
    report = CaptureReport(CaptureState.FAILED, 0.0, 0.0, call="teardown", call_began=10.0)
    deadline = 10.0 + SETTINGS.capture.teardown_seconds
    assert assembly.capture_stuck(report, SETTINGS, deadline) == ""
    assert "has not closed the microphone" in assembly.capture_stuck(report, SETTINGS, deadline + 0.1)


def test_a_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(quiet(0.5).tobytes())
    sink = MemorySink()
    source = assembly.audio_file(path, realtime=False)(EventStream())
    source.start(sink)
    assert len(sink.wait_for_end()) == 8000
    assert (source.info.kind, source.info.paced) == ("file", False)


def test_standard_input_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    source = assembly.standard_input(16_000, 1, "s16le", realtime=True)(EventStream())
    assert (source.info.kind, source.info.paced) == ("stdin", True)
    with pytest.raises(AudioError, match="closed"):
        source.start(MemorySink())


def test_an_engine_that_is_required_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpeechError):
        assembly.choose_engine(with_whisper_model(SETTINGS, tmp_path / "nowhere"))


def test_an_engine_that_is_not_required_and_not_there_says_so_when_it_is_loaded(tmp_path: Path) -> None:
    engine, reason = assembly.choose_engine(with_whisper_model(without_engine_required(), tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in reason
    with pytest.raises(SpeechError):
        engine.load()


def test_sphinx_needs_nothing_and_says_why_it_was_chosen() -> None:
    engine = SETTINGS.engine.model_copy(update={"kind": "sphinx"})
    chosen, reason = assembly.choose_engine(SETTINGS.model_copy(update={"engine": engine}))
    assert chosen.info.engine == "sphinx"
    assert reason


def test_what_earlier_processes_left_is_queued_in_order(tmp_path: Path) -> None:
    with state_in(tmp_path) as crashed:
        for number in range(3):
            crashed.add(start=float(number), length=0.5)
    with life(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine()) as running:
        transcriber = running.daemon.crew.transcriber
        assert transcriber.waiting == 3
        assert transcriber.backlog_seconds == 1.5


def test_a_source_that_can_wait_is_held_while_much_waits_for_the_engine(tmp_path: Path) -> None:
    with life(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine()) as running:
        crew = running.daemon.crew
        hooks = crew.listener._hooks
        assert hooks.may_go_on()
        for number in range(assembly.UNPACED_BACKLOG):
            crew.transcriber.offer(pending_number(number))
        assert not hooks.may_go_on()
        crew.transcriber.engine_error = SpeechError("There is no model.")
        assert hooks.may_go_on()


def test_a_crew_is_built_from_its_plan(tmp_path: Path) -> None:
    with life(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine()) as running:
        over = threading.Event()
        crew = assembly.build_crew(dataclasses.replace(running.plan, over=over))
        assert crew.events is running.plan.ears.events
        crew.listener._on_failure()
        assert over.is_set()


def pending_number(number: int) -> PendingUtterance:
    return PendingUtterance(number + 1, ended(float(number), number + 0.5))
