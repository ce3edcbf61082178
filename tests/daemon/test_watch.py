"""The watch over a daemon of real threads; a thread is frozen by making it wait for an event."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.hearing import SECONDS, SETTINGS, blocks, rows, sentences
from tests.daemon.life import Life, life
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from voicebridge.daemon.lifecycle import Onlooker
from voicebridge.daemon.observing import COMMIT_DEADLINE_SECONDS, limits_of
from voicebridge.daemon.watch import NUMBERS_SECONDS, WORDS_SECONDS, StatusLine, Watch
from voicebridge.daemon.watchdog import Watchdog
from voicebridge.domain.audio import Samples
from voicebridge.domain.capture import CaptureReport
from voicebridge.domain.events import EngineReady
from voicebridge.health.probes import State, Verdict

LONG = SETTINGS.health.sign_of_life_seconds + 1


class Later:
    """CLOCK_MONOTONIC, ahead by so many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


class Waiting(MemorySource):
    """An endless source that is never late, however far the clock of the watch is ahead."""

    def __init__(self, later: Later, *, zero_seconds: float = 0.0) -> None:
        super().__init__(blocks(quiet(1)), endless=True)
        self.later = later
        self.zero_seconds = zero_seconds

    def report(self) -> CaptureReport:
        now = self.later()
        return replace(super().report(), since=now, sign=now, zero_seconds=self.zero_seconds)


class Watched:
    """A running daemon, and a watch whose clock can be ahead."""

    def __init__(self, running: Life, later: Later, source: Waiting) -> None:
        self.life = running
        self.later = later
        self.source = source
        self.watch = Watch(running.daemon, running.plan, Watchdog(None), later)

    def verdict_after(self, seconds: float) -> Verdict:
        """Return the verdict as it would be so much later, if nothing moved until then."""
        self.later.seconds = seconds
        return self.watch.verdict()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    later = Later()
    source = Waiting(later)
    with life(tmp_path, source, FakeEngine()) as running:
        running.start()
        running.follow_until(EngineReady)
        yield Watched(running, later, source)
        running.stop()


def test_a_daemon_whose_threads_live_may_ping(watched: Watched) -> None:
    verdict = watched.watch.verdict()
    assert (verdict.ping, verdict.state) == (True, State.HEARING)


@pytest.mark.parametrize("frozen", ["listener", "transcriber", "store-writer"])
def test_one_thread_that_gives_no_sign_of_life_withholds_the_ping(watched: Watched, frozen: str) -> None:
    crew = watched.life.daemon.crew
    workers = {"listener": crew.listener, "transcriber": crew.transcriber, "store-writer": crew.writer}
    workers[frozen].sign = lambda: None  # type: ignore[method-assign]  # it lives, and says nothing any more
    workers[frozen].last_sign_monotonic = time.monotonic() - LONG
    verdict = watched.watch.verdict()
    assert (verdict.ping, verdict.state) == (False, State.DEGRADED)
    assert verdict.why_not == (f"No sign of life from: {frozen} (11 s).",)


def test_a_listener_that_hangs_withholds_the_ping(tmp_path: Path) -> None:
    gate, reached, later = threading.Event(), threading.Event(), Later()

    class Stuck:
        def is_speech(self, frame: Samples) -> bool:
            reached.set()
            return gate.wait(SECONDS)

        def reset(self) -> None: ...

    with life(tmp_path, Waiting(later), FakeEngine()) as running:
        listener = running.daemon.crew.listener
        listener._ears = replace(listener._ears, detector=Stuck())
        running.start()
        assert reached.wait(SECONDS)
        watch = Watch(running.daemon, running.plan, Watchdog(None), later)
        later.seconds = LONG
        verdict = watch.verdict()
        gate.set()
        running.stop()
    assert "listener (" in verdict.why_not[0]


def test_a_main_thread_that_does_not_come_back_withholds_the_ping(tmp_path: Path) -> None:
    later, gate, reached = Later(), threading.Event(), threading.Event()

    def hang(_: object) -> None:
        reached.set()
        gate.wait(SECONDS)
        running.daemon.request_stop()

    with life(tmp_path, Waiting(later), FakeEngine()) as running:
        running.start()
        main = threading.Thread(target=running.daemon.follow, args=(hang, SECONDS))
        main.start()
        assert reached.wait(SECONDS)
        watch = Watch(running.daemon, running.plan, Watchdog(None), later)
        assert watch.verdict().ping
        later.seconds = LONG
        assert any("main (" in why for why in watch.verdict().why_not)
        gate.set()
        main.join(SECONDS)
        running.stop()


@pytest.mark.parametrize(
    "onlooker",
    [
        Onlooker("http", lambda: time.monotonic() - LONG, vital=False),
        Onlooker("http", lambda: time.monotonic() - LONG, waits=lambda: True),
    ],
)
def test_a_thread_that_only_degrades_does_not_withhold_the_ping(watched: Watched, onlooker: Onlooker) -> None:
    watched.life.daemon.onlookers = [onlooker]
    verdict = watched.watch.verdict()
    assert (verdict.ping, verdict.state, verdict.trouble) == (
        True,
        State.DEGRADED,
        "No sign of life from: http (11 s).",
    )


def test_a_thread_that_waits_for_nothing_withholds_the_ping(watched: Watched) -> None:
    watched.life.daemon.onlookers = [Onlooker("control", lambda: time.monotonic() - LONG)]
    verdict = watched.watch.verdict()
    assert (verdict.ping, verdict.why_not) == (False, ("No sign of life from: control (11 s).",))


def test_a_writer_in_a_commit_is_judged_by_its_own_deadline(watched: Watched) -> None:
    gate, reached = threading.Event(), threading.Event()

    def stuck() -> None:
        reached.set()
        gate.wait(SECONDS)

    assert watched.life.daemon.crew.writer.offer(stuck)
    assert reached.wait(SECONDS)
    early = watched.verdict_after(LONG)
    late = watched.verdict_after(COMMIT_DEADLINE_SECONDS + 1)
    gate.set()
    assert not any("store-writer" in why for why in early.why_not)
    assert not early.has("commit_late")
    assert late.has("commit_late")
    assert any("The disk has not answered the store" in why for why in late.why_not)


def test_a_decode_is_judged_by_its_own_deadline(tmp_path: Path) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    later = Later()
    with life(tmp_path, MemorySource(blocks(sentences(1)), endless=True), engine) as running:
        running.start()
        assert engine.entered.wait(SECONDS)
        watch = Watch(running.daemon, running.plan, Watchdog(None), later)
        later.seconds = SETTINGS.engine.decode_deadline_seconds + 1
        late = watch.verdict()
        gate.set()
        running.stop()
    assert late.has("decode_late")
    assert not any("transcriber" in why for why in late.why_not)


def test_digital_silence_is_told_when_it_has_lasted_and_when_it_is_over(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        watched.watch.look()
        for seconds in (SETTINGS.health.zero_seconds + 1, SETTINGS.health.zero_seconds + 2, 0.0):
            watched.source.zero_seconds = seconds
            watched.watch.look()
    assert [record.getMessage() for record in caplog.records if "zeros" in record.getMessage()] == [
        "Nothing but zeros comes from memory: it may be muted or unplugged at its socket",
        "memory delivers more than zeros again",
    ]
    assert watched.life.daemon.crew.writer.drain(SECONDS)
    events = rows(tmp_path, "SELECT kind FROM events ORDER BY id")
    assert [kind for (kind,) in events if "s" in kind][-2:] == ["digital_silence", "sound_again"]


def test_the_watch_looks_often_enough_for_a_short_watchdog(watched: Watched) -> None:
    daemon, plan = watched.life.daemon, watched.life.plan
    assert Watch(daemon, plan, Watchdog(None)).every_seconds == 1.0
    assert Watch(daemon, plan, Watchdog(30.0)).every_seconds == 1.0
    assert Watch(daemon, plan, Watchdog(2.0)).every_seconds == 0.25


def test_the_settings_in_force_set_the_limits(watched: Watched) -> None:
    health = SETTINGS.health.model_copy(update={"zero_seconds": 5.0})
    changed = SETTINGS.model_copy(update={"health": health})
    watched.source.zero_seconds = 6.0
    assert not watched.watch.verdict().has("digital_silence")
    watched.watch.plan = replace(watched.watch.plan, live=lambda: changed)
    assert watched.watch.verdict().has("digital_silence")
    assert limits_of(changed).zero == 5.0


class Manager:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.now = 100.0

    def __call__(self, *states: str, **_: Any) -> bool:
        self.told.extend(states)
        return True


def test_the_status_line_is_told_when_it_changes_and_not_too_often() -> None:
    manager = Manager()
    line = StatusLine(manager, lambda: manager.now)
    line.say("Hearing Desk")
    line.say("Hearing Desk")
    line.say("Deaf")
    assert manager.told == ["STATUS=Hearing Desk"]
    manager.now += WORDS_SECONDS
    line.say("Deaf for 3 s")
    manager.now += WORDS_SECONDS
    line.say("Deaf for 5 s")
    assert manager.told[1:] == ["STATUS=Deaf for 3 s"]
    manager.now += NUMBERS_SECONDS - WORDS_SECONDS
    line.say("Deaf for 13 s")
    assert manager.told[2:] == ["STATUS=Deaf for 13 s"]
