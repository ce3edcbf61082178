import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.daemon.hearing import SECONDS, SETTINGS, blocks, rows, sentences
from tests.daemon.life import Life, life
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from voicebridge.daemon.duties import (
    DEADLINE_CHECK_SECONDS,
    StatusReporter,
    _note_open_outage,
    _stuck,
    check_deadlines,
    duties,
    process_began,
)
from voicebridge.daemon.observing import COMMIT_DEADLINE_SECONDS, LOAD_DEADLINE_SECONDS
from voicebridge.daemon.watch import Watch
from voicebridge.daemon.watchdog import Watchdog
from voicebridge.domain.audio import GapReason
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.errors import SpeechError, StoreBusyError
from voicebridge.domain.events import EngineFailed, EngineReady, GapNoted, StoreChanged, UtteranceSettled
from voicebridge.domain.ports import WindowCounters
from voicebridge.health.status import read_status
from voicebridge.settings.paths import status_paths

DEAF_SECONDS = SETTINGS.capture.first_block_seconds


class Later:
    """CLOCK_MONOTONIC, ahead by so many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


@pytest.fixture
def silence(tmp_path: Path) -> Iterator[Life]:
    source = MemorySource([], paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        yield running


def reporter_of(running: Life, state: Path, later: Later | None = None) -> StatusReporter:
    return StatusReporter(watch_of(running, later), state)


def watch_of(running: Life, later: Later | None = None) -> Watch:
    return Watch(running.daemon, running.plan, Watchdog(None), later or Later())


def test_before_the_first_sample_it_is_starting_and_after_a_while_deaf(silence: Life, tmp_path: Path) -> None:
    later = Later()
    reporter = reporter_of(silence, tmp_path, later)
    assert (reporter.status().state, reporter.status().trouble, reporter.status().deaf_seconds) == ("starting", "", 0)
    later.seconds = DEAF_SECONDS + 37
    status = reporter.status()
    assert status.state == "deaf"
    assert status.deaf_seconds == pytest.approx(DEAF_SECONDS + 37, abs=5)
    assert status.trouble == f"No audio has arrived for {status.deaf_seconds:.0f} s."
    assert reporter.status().first_sample_after_seconds is None


class Windowed(FakeEngine):
    """An engine with windows."""

    counters = WindowCounters(full=1, short=5, partial=7, fallbacks={"repetition": 2, "empty": 0})


def test_the_windows_of_the_engine_and_what_was_not_believed_are_among_the_counters(tmp_path: Path) -> None:
    with life(tmp_path, MemorySource([], paced=True, endless=True), Windowed()) as running:
        counters = reporter_of(running, tmp_path).status().counters
    told = {name: count for name, count in counters.items() if name.startswith(("window_", "fallback_"))}
    assert told == {
        "window_full": 1,
        "window_short": 5,
        "window_partial": 7,
        "fallback_repetition": 2,
        "fallback_empty": 0,
    }


def test_an_engine_without_windows_has_no_such_counters(silence: Life, tmp_path: Path) -> None:
    assert not [name for name in reporter_of(silence, tmp_path).status().counters if name.startswith("window_")]


def test_it_is_never_deaf_for_longer_than_it_runs(silence: Life, tmp_path: Path) -> None:
    later = Later()
    later.seconds = 100.0  # since the ring was made
    reporter = reporter_of(silence, tmp_path, later)
    assert reporter.status().state == "starting"
    later.seconds += DEAF_SECONDS + 5
    status = reporter.status()
    assert status.deaf_seconds <= status.uptime_seconds + 0.001
    assert status.trouble == f"No audio has arrived for {status.deaf_seconds:.0f} s."


class Lost(MemorySource):
    """A microphone that is away, whose loudest moment before is remembered."""

    state = CaptureState.HEARING

    def report(self) -> CaptureReport:
        return replace(super().report(), state=self.state, level_peak=9000)


def test_a_peak_from_before_a_loss_is_not_told_as_new(tmp_path: Path) -> None:
    source = Lost([], paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        reporter = reporter_of(running, tmp_path)
        assert reporter.status().capture.level_peak == 9000
        source.state = CaptureState.LOST
        assert reporter.status().capture.level_peak == 0


def test_the_figures_are_those_of_the_session(tmp_path: Path) -> None:
    source = MemorySource([*blocks(sentences(2)), 1600, *blocks(quiet(1))], paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        later = Later()
        reporter = reporter_of(running, tmp_path, later)
        running.start()
        running.follow_until(GapNoted)
        running.daemon.stop_requested = False
        running.follow_until(UtteranceSettled, 2)
        status = reporter.status()
        later.seconds = DEAF_SECONDS + 1
        deaf = reporter.status()
        running.stop()
        assert reporter.status().state == "stopping"
    assert deaf.state == "deaf"
    assert DEAF_SECONDS < deaf.deaf_seconds < DEAF_SECONDS + SECONDS
    assert status.deaf_seconds == 0
    assert (status.pid, status.state, status.trouble, status.engine_state) == (os.getpid(), "hearing", "", "ready")
    assert (status.source, status.engine, status.model) == ("memory", "fake", "script")
    assert (status.utterances, status.done, status.rejected, status.failed, status.waiting) == (2, 2, 0, 0, 0)
    assert (status.gaps, status.gap_seconds) == (1, 0.1)
    assert status.heard_seconds == pytest.approx(6.5)
    assert 2.0 <= status.speech_seconds <= 2.5
    assert status.first_sample_after_seconds is not None
    assert status.engine_ready_after_seconds is not None
    assert status.started_at <= status.written_at


def test_what_the_backlog_cost_is_among_the_gaps(silence: Life, tmp_path: Path) -> None:
    silence.daemon.crew.recorder.lost_samples = 8000
    silence.daemon.crew.recorder.lost_stretches = 1
    status = reporter_of(silence, tmp_path).status()
    assert (status.gaps, status.gap_seconds) == (1, 0.5)


def test_an_outage_that_is_open_at_the_stop_is_stored_and_announced(tmp_path: Path) -> None:
    source = MemorySource(blocks(quiet(1)), paced=True, endless=True, lost_samples=6 * 16_000)
    with life(tmp_path, source, FakeEngine()) as running:
        running.start()
        running.follow_until(EngineReady)
        running.stop()
        assert running.daemon.crew.listener.counters.gap_samples == 6 * 16_000
    (noted,) = [event.gap for event in running.events if isinstance(event, GapNoted)]
    assert (noted.span.seconds, noted.reason) == (6.0, GapReason.DEVICE_LOST)
    assert rows(tmp_path, "SELECT end_sample - start_sample, reason FROM gaps") == [(96_000, "device_lost")]


def test_a_file_is_heard_as_long_as_the_listener_runs(tmp_path: Path) -> None:
    with life(tmp_path, MemorySource([], endless=True), FakeEngine()) as running:
        reporter = reporter_of(running, tmp_path)
        running.start()
        assert reporter.status().state == "hearing"
        running.stop()


def test_an_engine_that_could_not_be_loaded_is_the_trouble(tmp_path: Path) -> None:
    engine = FakeEngine(load_error=SpeechError("There is no model."))
    with life(tmp_path, MemorySource([], paced=True, endless=True), engine) as running:
        reporter = reporter_of(running, tmp_path)
        assert reporter.status().engine_state == "loading"
        running.start()
        running.follow_until(EngineFailed)
        assert (reporter.status().engine_state, reporter.status().trouble) == ("failed", "There is no model.")
        running.stop()


def test_a_store_that_does_not_take_it_is_the_trouble(silence: Life, tmp_path: Path) -> None:
    free = threading.Event()

    def locked() -> None:
        if not free.is_set():
            raise StoreBusyError("The database is locked.")

    silence.start()
    writer = silence.daemon.crew.writer
    writer.offer(locked)
    reporter = reporter_of(silence, tmp_path)
    silence.follow_until(StoreChanged)
    assert reporter.status().trouble == "The database is locked."
    free.set()
    assert writer.drain(SECONDS)
    assert reporter.status().trouble == ""
    silence.stop()


def test_the_status_file_is_written_and_removed(silence: Life, tmp_path: Path) -> None:
    reporter = reporter_of(silence, tmp_path)
    reporter.write()
    read = read_status(status_paths(tmp_path))
    assert read is not None
    assert read["session_id"] == silence.plan.notebook.session_id
    reporter.close()
    assert read_status(status_paths(tmp_path)) is None


def test_a_decode_within_its_deadline_is_left_alone(tmp_path: Path) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    source = MemorySource(blocks(sentences(1)), paced=True, endless=True)
    with life(tmp_path, source, engine) as running:
        running.start()
        assert engine.entered.wait(SECONDS)
        check_deadlines(running.daemon, running.plan)
        gate.set()
        running.stop()


def test_status_and_purge_are_due_at_once_and_the_rest_at_intervals(silence: Life, tmp_path: Path) -> None:
    watch = watch_of(silence)
    tasks = duties(watch, StatusReporter(watch, tmp_path))
    assert [duty.every_seconds for duty in tasks] == [0.5, 1.0, 1.0, 2.0, 0.5, 30.0, 3600.0, 60.0]
    # Multiples of the first one: the keeper wakes twice a second for all of them.
    assert [duty.every_seconds % DEADLINE_CHECK_SECONDS for duty in tasks] == [0.0] * len(tasks)
    assert [duty.at_once for duty in tasks] == [False, True, False, False, True, False, True, True]
    silence.start()
    for duty in tasks:
        duty.action()
    assert silence.daemon.crew.writer.drain(SECONDS)
    silence.stop()


def test_an_outage_that_the_process_leaves_in_is_a_gap_up_to_there(silence: Life, tmp_path: Path) -> None:
    silence.start()
    later = Later()
    _note_open_outage(silence.daemon, silence.plan, later())
    later.seconds = 5.0
    _note_open_outage(silence.daemon, silence.plan, later())
    assert silence.daemon.crew.writer.drain(SECONDS)
    silence.stop()
    ((start, end, reason),) = rows(tmp_path, "SELECT start_sample, end_sample, reason FROM gaps")
    assert (start, reason) == (0, "stalled")
    assert end >= 5 * 16_000


def test_the_start_of_the_process_is_known_to_a_few_milliseconds() -> None:
    ask = "from voicebridge.daemon.duties import process_began; print(process_began())"
    before = time.monotonic()
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True, text=True)
    assert before - 0.02 <= float(answer.stdout) <= time.monotonic()
    assert process_began() < before


def test_a_load_and_a_commit_are_stuck_beyond_their_deadlines(silence: Life) -> None:
    loading, writing, gate = threading.Event(), threading.Event(), threading.Event()

    class Slow(FakeEngine):
        def load(self) -> None:
            loading.set()
            gate.wait(SECONDS)

    def write() -> None:
        writing.set()
        gate.wait(SECONDS)

    daemon, plan = silence.daemon, silence.plan
    daemon.crew.transcriber._engine = Slow()
    assert daemon.crew.writer.offer(write)
    silence.start()
    assert loading.wait(SECONDS)
    assert writing.wait(SECONDS)
    now = time.monotonic()
    well = _stuck(daemon, plan, now)
    commit = _stuck(daemon, plan, now + COMMIT_DEADLINE_SECONDS + 1)
    load = _stuck(daemon, plan, now + LOAD_DEADLINE_SECONDS + 1)
    gate.set()
    silence.stop()
    assert well == ""
    assert commit.startswith("The disk has not answered the store for 18")
    assert load.startswith("The engine has been loading for 60")
