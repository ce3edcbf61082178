"""Reasons that the engine, the machine and the disk give, provoked in a daemon of real threads."""

import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.daemon.hearing import SECONDS, SETTINGS, Blocks, blocks, sentences
from tests.daemon.life import Life, life
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from voicebridge.daemon.duties import StatusReporter
from voicebridge.daemon.gauges import Gauges
from voicebridge.daemon.machine_look import MachineLook
from voicebridge.daemon.metering import Metering
from voicebridge.daemon.observing import COMMIT_DEADLINE_SECONDS
from voicebridge.daemon.watch import Watch, health_change
from voicebridge.daemon.watchdog import Watchdog
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.events import EngineReady, HealthChanged, UtteranceSettled, UtteranceStored
from voicebridge.health.looks import TOLD_BEFORE_SECONDS
from voicebridge.health.machine import PI_THROTTLED
from voicebridge.health.probes import Reason, State, Verdict
from voicebridge.web.readiness import readiness

Sensor = namedtuple("Sensor", "label current high critical")
SHOWN = b'voicebridge_reason{code="commit_late"} 1.0'
LATER = {"no_frames", "thread_silent"}
"""What a clock makes that is ahead of the threads; it is not looked at here."""


class Later:
    """CLOCK_MONOTONIC, ahead by so many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


class Machine:
    """A machine whose sensors and disk a test sets."""

    def __init__(self, running: Life, folder: Path) -> None:
        self.sys = folder / "sys"
        self.celsius = 40.0
        self.look = MachineLook(folder, 60.0, lambda: {"cpu": [Sensor("", self.celsius, 0.0, 0.0)]}, self.sys)
        self.later = Later()
        self.watch = Watch(running.daemon, running.plan, Watchdog(None), self.later)
        self.watch.gauges = Gauges(self.look)

    def codes(self) -> list[str]:
        """Look at the machine, and return what the watch makes of it."""
        self.look.look()
        self.later.seconds += 1
        self.watch.look()
        return [reason.code for reason in self.watch.verdict().reasons if reason.code not in LATER]

    def codes_within(self, seconds: int) -> list[list[str]]:
        """Return what each look saw for so many seconds."""
        return [self.codes() for _ in range(seconds)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    source = MemorySource(blocks(quiet(1)), endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        running.start()
        running.follow_until(EngineReady)
        yield Machine(running, tmp_path)
        running.stop()


def test_a_machine_that_is_too_hot_says_so_until_it_has_cooled_down(machine: Machine) -> None:
    assert machine.codes() == []
    machine.celsius = 91.0
    assert machine.codes() == ["thermal"]
    machine.celsius = 60.0
    assert machine.codes_within(10)[-1] == []


def test_a_raspberry_pi_that_is_throttled_says_so(machine: Machine) -> None:
    file = machine.sys / PI_THROTTLED
    file.parent.mkdir(parents=True)
    file.write_text("50004\n")
    assert machine.codes() == ["thermal"]
    file.write_text("50000\n")
    assert machine.codes_within(10)[-1] == []


def test_a_disk_that_runs_full_says_so_until_there_is_space(tmp_path: Path) -> None:
    source = MemorySource(blocks(quiet(1)), endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        machine = Machine(running, tmp_path)
        live = [SETTINGS]
        object.__setattr__(running.plan, "live", lambda: live[0])
        running.start()
        running.follow_until(EngineReady)
        assert machine.codes() == []
        health = SETTINGS.health.model_copy(update={"disk_free_mb": 10**9})
        live[0] = SETTINGS.model_copy(update={"health": health})
        assert machine.codes() == ["disk_nearly_full"]
        live[0] = SETTINGS
        assert machine.codes_within(10)[-1] == []
        running.stop()


def test_decodes_that_fail_one_after_the_other_degrade_until_one_succeeds(tmp_path: Path) -> None:
    errors = [SpeechError("No such layer."), SpeechError("No such layer."), SpeechError("No such layer.")]
    go_on = threading.Event()

    source = MemorySource(Blocks(lambda: go_on.wait(SECONDS), sentences(1), sentences(1)), paced=True, endless=True)
    with life(tmp_path, source, FakeEngine(errors)) as running:
        watch = Watch(running.daemon, running.plan, Watchdog(None))
        running.start()
        running.follow_until(UtteranceSettled, 1)
        failed = watch.verdict()
        go_on.set()
        running.daemon.stop_requested = False
        running.follow_until(UtteranceSettled, 2)
        recovered = watch.verdict()
        running.stop()
    assert failed.trouble == "The last 3 decodes have failed: No such layer."
    assert failed.state is State.DEGRADED
    assert recovered.reasons == ()


def test_a_backlog_that_does_not_shrink_degrades_until_it_is_worked_off(tmp_path: Path) -> None:
    gate = threading.Event()
    source = MemorySource(blocks(sentences(3)), paced=True, endless=True)
    with life(tmp_path, source, FakeEngine(gate=gate)) as running:
        health = SETTINGS.health.model_copy(update={"backlog_seconds": 1.0})
        settings = SETTINGS.model_copy(update={"health": health})
        object.__setattr__(running.plan, "live", lambda: settings)
        later = Later()
        watch = Watch(running.daemon, running.plan, Watchdog(None), later)
        running.start()
        running.follow_until(UtteranceStored, 3)
        later.seconds = 2.0
        watch.look()
        assert "backlog" in [reason.code for reason in watch.verdict().reasons]
        gate.set()
        running.daemon.stop_requested = False
        running.follow_until(UtteranceSettled, 3)
        for _ in range(10):
            later.seconds += 1
            watch.look()
        assert "backlog" not in [reason.code for reason in watch.verdict().reasons]
        running.stop()


def test_a_commit_that_hangs_is_told_while_the_process_can_still_be_asked(tmp_path: Path) -> None:
    gate, reached = threading.Event(), threading.Event()

    def hang() -> None:
        reached.set()
        gate.wait(SECONDS)

    with life(tmp_path, MemorySource(blocks(quiet(1)), endless=True), FakeEngine()) as running:
        running.start()
        running.follow_until(EngineReady)
        machine, writer = Machine(running, tmp_path), running.daemon.crew.writer
        reporter = StatusReporter(machine.watch, tmp_path)
        changes = running.plan.ears.events.subscribe()

        def seen() -> list[bool]:
            machine.watch.look()
            _, told = readiness(asdict(reporter.status()))
            metrics = Metering(reporter.status).metrics()
            return ["commit_late" in {one["code"] for one in told["reasons"]}, SHOWN in metrics]

        assert writer.offer(hang)
        assert reached.wait(SECONDS)
        machine.later.seconds = COMMIT_DEADLINE_SECONDS - TOLD_BEFORE_SECONDS - 1
        assert seen() == [False, False]
        machine.later.seconds += 2
        assert seen() == [True, True]
        assert not any("The disk" in why for why in machine.watch.verdict().why_not)
        gate.set()
        assert writer.drain(SECONDS)
        pause = threading.Event()
        # By a clock that is ahead a commit of a millisecond that is under way just now is late, too.
        assert any(seen() == [False, False] or pause.wait(0.01) for _ in range(1000))
        running.stop()
    published = [event for event in iter(lambda: changes.get(0), None) if isinstance(event, HealthChanged)]
    assert [event for event in published if "commit_late" in dict(event.began)]
    assert [event for event in published if "commit_late" in event.ended]


def told(state: State, *codes: str) -> Verdict:
    return Verdict(
        ping=True, why_not=(), state=state, reasons=tuple(Reason(code, f"It is {code}.", "") for code in codes)
    )


def test_a_change_names_what_began_and_what_ended() -> None:
    change = health_change(told(State.DEGRADED, "clipping", "thermal"), told(State.DEAF, "thermal", "device_lost"))
    assert change is not None
    assert (change.before, change.state) == ("degraded", "deaf")
    assert (change.began, change.ended) == ((("device_lost", "It is device_lost."),), ("clipping",))


def test_numbers_that_change_in_a_sentence_are_no_change() -> None:
    assert health_change(told(State.DEAF, "device_lost"), told(State.DEAF, "device_lost")) is None
