import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.daemon.hearing import SECONDS, SETTINGS, Session, blocks, rows, sentences, spoken, spooled
from tests.daemon.life import life
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from tests.fakes.utterances import noise
from voicebridge.daemon.duties import check_deadlines
from voicebridge.daemon.lifecycle import Patience
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.domain.events import SpeechStarted, UtteranceSettled, UtteranceStored
from voicebridge.domain.units import SAMPLE_BYTES, seconds_to_samples
from voicebridge.health.keeper import Duty, Keeper
from voicebridge.settings import EngineSettings

IMPATIENT = Patience(listener_seconds=0.2, decode_seconds=0.2, keeper_seconds=0.2, writer_seconds=0.2)


def test_a_stop_in_mid_decode_gives_the_attempt_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with life(tmp_path, spoken(1, paced=True, endless=True), engine, IMPATIENT) as running:
        running.start()
        running.follow_until(UtteranceStored)
        assert engine.entered.wait(SECONDS)
        running.stop()
        gate.set()
        assert running.daemon.crew.transcriber.join(SECONDS)
    assert rows(tmp_path, "SELECT status, attempts FROM utterances") == [("pending", 0)]
    assert "utterance 1 is left pending" in caplog.text
    assert running.daemon.exit_code == ExitCode.OK
    assert len(spooled(tmp_path)) == 1


def test_a_stop_waits_for_the_present_decode(tmp_path: Path) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with life(tmp_path, spoken(1, paced=True, endless=True), engine) as running:
        running.start()
        running.follow_until(UtteranceStored)
        assert engine.entered.wait(SECONDS)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        gate.set()
        stopping.join(SECONDS)
    assert rows(tmp_path, "SELECT status FROM utterances") == [("done",)]
    assert any(isinstance(event, UtteranceSettled) for event in running.events)


def test_a_store_that_does_not_end_in_time_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    with life(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine(), IMPATIENT) as running:
        running.start()
        running.daemon.crew.writer.offer(gate.wait)
        running.stop()
        assert isinstance(running.daemon.error, StoreError)
        assert running.daemon.exit_code == ExitCode.STORE
        assert "did not take everything that was heard (1 steps)" in caplog.text
        gate.set()
        assert running.daemon.crew.writer.join(SECONDS)


def test_a_listener_that_does_not_end_in_time_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = threading.Event()
    with life(tmp_path, spoken(1), FakeEngine(), IMPATIENT) as running:
        listener = running.daemon.crew.listener
        reached = threading.Event()

        class Stuck:
            def is_speech(self, frame: Samples) -> bool:
                reached.set()
                return gate.wait(SECONDS)

            def reset(self) -> None: ...

        listener._ears = type(listener._ears)(listener._ears.reader, Stuck(), listener._ears.segmenter)
        running.start()
        assert reached.wait(SECONDS)
        running.stop()
        assert "the listener did not end within 0.2 s" in caplog.text
        gate.set()
        assert listener.join(SECONDS)


def test_a_daemon_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    with life(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine()) as running:
        running.stop()
        assert running.daemon.exit_code == ExitCode.OK


def test_a_keeper_that_dies_ends_the_daemon(tmp_path: Path) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    source = MemorySource(blocks(quiet(0.5)), paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        running.keeper = Keeper([Duty(60.0, broken, at_once=True)], lambda: 0.0)
        running.start()
        running.daemon.follow(running.events.append, SECONDS)
        running.stop()
        assert running.daemon.exit_code == ExitCode.INTERNAL


def test_a_writer_that_dies_is_an_internal_error_and_no_store_error(tmp_path: Path) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    source = MemorySource(blocks(quiet(0.5)), paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        running.start()
        running.daemon.crew.writer.offer(broken)
        running.daemon.follow(running.events.append, SECONDS)
        running.stop()
        assert (running.daemon.exit_code, running.daemon.error) == (ExitCode.INTERNAL, None)


def test_what_is_announced_during_the_stop_is_handed_on(tmp_path: Path) -> None:
    audio = np.concatenate([quiet(0.5), noise(2.0) // 7])
    with life(tmp_path, MemorySource(blocks(audio), paced=True, endless=True), FakeEngine()) as running:
        running.start()
        running.follow_until(SpeechStarted)
        running.stop()
    assert any(isinstance(event, UtteranceStored) for event in running.events)


def test_it_is_over_only_when_the_last_utterance_is_committed(tmp_path: Path) -> None:
    with life(tmp_path, MemorySource(blocks(sentences(5))), FakeEngine()) as running:
        running.start()
        running.daemon.follow(running.events.append, SECONDS)
        assert rows(tmp_path, "SELECT DISTINCT status FROM utterances") == [("done",)]
        running.stop()


CHILD = """
import sys, threading
from pathlib import Path
from tests.daemon.life import life
from tests.daemon.hearing import *
from tests.fakes.engine import FakeEngine
from voicebridge.domain.events import UtteranceStored

{settings}
engine = FakeEngine(gate=threading.Event())
session = Session(Path(sys.argv[1]), spoken(1, paced=True, endless=True), engine, settings)

def act(event):
    if isinstance(event, UtteranceStored):
        assert engine.entered.wait(SECONDS)
        {then}

session.on_event = act
session.hear()
"""


def child(state: Path, settings: str = "settings = SETTINGS", then: str = "pass") -> "subprocess.CompletedProcess[str]":
    program = CHILD.format(settings=settings, then=then)
    return subprocess.run(
        [sys.executable, "-c", program, str(state)], capture_output=True, text=True, timeout=60, check=False
    )


def assert_left_stuck(done: "subprocess.CompletedProcess[str]", state: Path, why: str) -> None:
    assert done.returncode == ExitCode.STUCK, done.stderr
    assert why in done.stderr
    assert rows(state, "SELECT status, attempts FROM utterances") == [("pending", 1)]
    (file,) = spooled(state)
    assert file.stat().st_size > seconds_to_samples(1.0) * SAMPLE_BYTES


def test_a_process_that_leaves_stuck_keeps_what_it_heard_and_the_next_one_decodes_it(tmp_path: Path) -> None:
    done = child(tmp_path, then="session.started.daemon.leave_stuck('a call hangs')")
    assert_left_stuck(done, tmp_path, "a call hangs; leaving with status 86")
    Session(tmp_path, MemorySource(blocks(quiet(0.5))), FakeEngine(["at last"])).hear()
    assert rows(tmp_path, "SELECT text, status, attempts FROM utterances") == [("at last", "done", 2)]
    assert rows(tmp_path, "SELECT ending FROM sessions ORDER BY id") == [("crashed",), ("clean",)]


def test_a_decode_beyond_its_deadline_ends_the_process_as_stuck(tmp_path: Path) -> None:
    # Below the bound of the setting, so that the test need not wait for five seconds.
    settings = (
        "engine_fields = dict(SETTINGS.engine) | {'decode_deadline_seconds': 0.0}\n"
        "settings = SETTINGS.model_copy(update={'engine': EngineSettings.model_construct(**engine_fields)})"
    )
    assert_left_stuck(child(tmp_path, settings=settings), tmp_path, "A decode has run for")


def test_a_process_leaves_stuck_also_when_the_store_is(tmp_path: Path) -> None:
    then = (
        "session.started.daemon.crew.writer.offer(threading.Event().wait)\n"
        "        session.started.daemon.leave_stuck('a call hangs')"
    )
    done = child(tmp_path, then=then)
    assert_left_stuck(done, tmp_path, "a call hangs; leaving with status 86")
    assert "store_writer.py" in done.stderr  # where it stood


CAPTURE_CHILD = """
import sys, time
from dataclasses import replace
from pathlib import Path
from tests.daemon.hearing import *
from tests.fakes.engine import FakeEngine
from voicebridge.domain.capture import CaptureState

class Stuck(MemorySource):
    began = time.monotonic()

    def report(self):
        return replace(super().report(), state=CaptureState.FAILED, call="teardown", call_began=self.began)

settings = SETTINGS.model_copy(update={"capture": SETTINGS.capture.model_copy(update={"teardown_seconds": 0.5})})
session = Session(Path(sys.argv[1]), Stuck(blocks(sentences(1)), paced=True, endless=True), FakeEngine(), settings)
session.hear()
"""


def test_a_microphone_that_does_not_let_itself_be_closed_ends_the_process_as_stuck(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CAPTURE_CHILD, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == ExitCode.STUCK, done.stderr
    assert "The sound library has not closed the microphone for" in done.stderr
    assert "leaving with status 86" in done.stderr
    assert "Current thread" in done.stderr  # and all others
    (told,) = rows(tmp_path, "SELECT detail FROM events WHERE kind = 'stuck_leaving'")
    assert told[0].startswith("The sound library has not closed the microphone")


def test_the_service_manager_is_told_why_it_leaves(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(SECONDS)
        program = CAPTURE_CHILD.replace(
            "import sys, time", f"import os, sys, time\nos.environ['NOTIFY_SOCKET'] = {str(address)!r}"
        )
        call = [sys.executable, "-c", program, str(tmp_path / "state")]
        assert subprocess.run(call, capture_output=True, timeout=60, check=False).returncode == ExitCode.STUCK
        told: list[str] = []
        while not told or not told[-1].startswith("STATUS=Leaving"):
            told.append(manager.recv(4096).decode())
    assert any(line.startswith("READY=1") for line in told)
    assert "has not closed the microphone" in told[-1]


def test_an_orderly_stop_is_not_cut_short_by_a_deadline(tmp_path: Path) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    fields = dict(SETTINGS.engine) | {"decode_deadline_seconds": 0.0}
    hasty = SETTINGS.model_copy(update={"engine": EngineSettings.model_construct(**fields)})
    with life(tmp_path, spoken(1, paced=True, endless=True), engine, IMPATIENT) as running:
        running.start()
        running.follow_until(UtteranceStored)
        assert engine.entered.wait(SECONDS)
        running.daemon.stopping = True
        check_deadlines(running.daemon, replace(running.plan, settings=hasty))  # a return is what is asserted
        gate.set()
        running.stop()
    assert rows(tmp_path, "SELECT status FROM utterances") == [("done",)]


def test_an_orderly_stop_fits_into_what_the_unit_allows() -> None:
    patience = Patience()
    assert patience.total_seconds == 40.0
    assert patience.total_seconds < 45
