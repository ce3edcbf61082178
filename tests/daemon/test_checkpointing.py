"""Checkpoints of a daemon of real threads: what they hold, that they are kept, and noted when missed."""

import errno
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.hearing import SECONDS, SETTINGS, blocks, rows, sentences
from tests.daemon.life import Life, life
from tests.fakes.clocks import Clock
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from voicebridge.daemon.checkpointing import FIRST_SECONDS, MAX_WAITING
from voicebridge.daemon.duties import StatusReporter
from voicebridge.daemon.gauges import ClockWatch, waiting_seconds
from voicebridge.daemon.machine_look import MachineLook
from voicebridge.daemon.metering import Metering
from voicebridge.daemon.stock import Stock, taking_stock
from voicebridge.daemon.watch import EVENT_SECONDS, EVENTS_AT_ONCE, Watch
from voicebridge.daemon.watchdog import Watchdog
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.events import HealthChanged, UtteranceSettled, UtteranceStored
from voicebridge.health.machine import Machine
from voicebridge.health.probes import State
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.worker import SIGN_SECONDS
from voicebridge.settings.paths import database_path
from voicebridge.store.checkpoints import last_line, newest_checkpoints
from voicebridge.store.database import open_database


class Later:
    """CLOCK_MONOTONIC, ahead by so many seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds


class Taken:
    """A daemon whose stock is taken by hand."""

    def __init__(self, running: Life, state: Path) -> None:
        self.life = running
        self.later = Later()
        self.state = state
        self.watch = Watch(running.daemon, running.plan, Watchdog(None), self.later)
        self.reporter = StatusReporter(self.watch, state)
        self.stock: Stock = taking_stock(self.watch, self.reporter, state)
        self.checkpoints = self.stock.checkpoints

    def settle(self, count: int) -> None:
        """Wait until so many utterances are settled, and have their delays counted."""
        self.life.follow_until(UtteranceSettled, count)
        for event in self.life.events:
            self.stock.heed(event)

    def kept(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the states and the records of those in the database."""
        return [
            (state, json.loads(record)) for state, record in rows(self.state, "SELECT state, record FROM checkpoints")
        ]

    def take(self) -> dict[str, object]:
        """Take a checkpoint, and return it once it is kept."""
        self.checkpoints.take()
        assert self.life.daemon.crew.writer.drain(SECONDS)
        return dict(self.checkpoints.newest)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Taken]:
    """Two utterances and a gap, then silence; nothing is started."""
    source = MemorySource([*blocks(sentences(2)), 1600, *blocks(quiet(1))], paced=True, endless=True)
    with life(tmp_path, source, FakeEngine()) as running:
        yield Taken(running, tmp_path)
        running.stop()


def test_a_checkpoint_says_what_was_heard_and_done(two: Taken) -> None:
    two.life.start()
    two.settle(2)
    taken = two.take()
    assert taken["utterances"] == {"heard": 2, "done": 2, "rejected": 0, "failed": 0, "waiting": 0}
    decodes = taken["decodes"]
    assert isinstance(decodes, dict)
    assert (decodes["final"], decodes["errors"], decodes["partial"]) == (2, 0, 0)
    frames, gaps, level = taken["frames"], taken["gaps"], taken["level"]
    assert isinstance(frames, dict)
    assert isinstance(gaps, dict)
    assert isinstance(level, dict)
    assert frames["received"] == frames["interval_received"] == 325
    assert (gaps["count_by_reason"], gaps["seconds_by_reason"]) == ({"overflow": 1}, {"overflow": 0.1})
    assert -40 < level["rms_dbfs"] < level["peak_dbfs"] < 0
    assert (level["clipped_share"], taken["missed"], taken["restarts"]) == (0.0, 0, 0)
    delay = taken["delay_session_ms"]
    assert isinstance(delay, dict)
    assert (delay["count"], delay["still_waiting"]) == (2, 0)


def test_an_interval_begins_where_the_one_before_ended(two: Taken) -> None:
    two.life.start()
    two.settle(2)
    two.take()
    second = two.take()
    delay, gaps, level, frames = (second[name] for name in ("delay_interval_ms", "gaps", "level", "frames"))
    assert isinstance(delay, dict)
    assert isinstance(gaps, dict)
    assert isinstance(frames, dict)
    assert (delay["count"], gaps["interval_count"], gaps["count"], frames["interval_received"]) == (0, 0, 1, 0)
    assert level == {"rms_dbfs": None, "peak_dbfs": None, "clipped_share": None, "speech_share": None}
    assert second["real_time_factor"] is None
    assert second["cost_ms"] is not None


def test_it_is_in_the_database_and_in_the_file(two: Taken) -> None:
    two.life.start()
    taken = two.take()
    with open_database(database_path(two.state), read_only=True) as db:
        assert list(newest_checkpoints(db, 5)) == [taken]
    assert last_line(two.state) == taken
    assert rows(two.state, "SELECT state, session_id FROM checkpoints") == [(taken["state"], 1)]
    assert two.checkpoints.counters()["checkpoints_kept"] == 1


def test_who_still_waits_counts_with_its_age(tmp_path: Path) -> None:
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with life(tmp_path, MemorySource(blocks(sentences(2)), paced=True, endless=True), engine) as running:
        taken = Taken(running, tmp_path)
        running.start()
        running.follow_until(UtteranceStored, 2)
        taken.later.seconds = 100.0
        told = taken.take()
        delay = told["delay_interval_ms"]
        assert isinstance(delay, dict)
        assert (delay["count"], delay["still_waiting"]) == (2, 2)
        assert delay["p50"] > 90_000
        assert told["oldest_waiting_seconds"] == pytest.approx(delay["max"] / 1000, rel=0.01)
        status = taken.reporter.status()
        assert status.delay_ms.still_waiting == status.delay_hour_ms.still_waiting == 2
        gate.set()
        taken.life.daemon.stop_requested = False
        taken.settle(2)
        assert waiting_seconds(running.daemon.crew, taken.later()) == []
        running.stop()


def test_those_that_were_missed_are_counted_logged_and_noted(two: Taken, caplog: pytest.LogCaptureFixture) -> None:
    two.life.start()
    two.later.seconds = 3.1 * SETTINGS.health.interval_seconds
    with caplog.at_level(logging.WARNING):
        assert two.take()["missed"] == 2
    assert "2 checkpoints were due in 930" in caplog.text
    assert [kind for (kind,) in rows(two.state, "SELECT kind FROM events WHERE kind = 'checkpoint_missed'")] == [
        "checkpoint_missed"
    ]
    assert two.take()["missed"] == 0


def test_a_store_that_refuses_keeps_them_waiting_and_holds_up_nothing(two: Taken) -> None:
    two.life.start()
    two.settle(2)
    crew, db = two.life.daemon.crew, two.life.plan.notebook.db
    crew.writer.call(lambda: db.conn.execute("PRAGMA query_only=ON"), SECONDS)
    two.take()
    two.take()
    assert two.checkpoints.counters()["checkpoints_kept"] == 0
    assert two.checkpoints.counters()["checkpoints_failed"] >= 2
    assert crew.writer.trouble is None
    late = two.later.seconds = SETTINGS.health.interval_seconds + 10
    assert two.watch.verdict().has("checkpoint_late")
    crew.writer.call(lambda: db.conn.execute("PRAGMA query_only=OFF"), SECONDS)
    two.later.seconds = late
    two.take()
    assert two.checkpoints.counters()["checkpoints_kept"] == 3
    assert not two.watch.verdict().has("checkpoint_late")


class AtOnce(StoreWriter):
    """Has done what it was offered before it says that it takes it, as a thread that is quick does."""

    def offer(self, action: Callable[[], object], audio_bytes: int = 0) -> bool:
        action()
        return True


def test_a_writer_that_is_quicker_than_its_answer_keeps_the_next_one_too(two: Taken) -> None:
    daemon = two.life.daemon
    slow, daemon.crew = daemon.crew, replace(daemon.crew, writer=AtOnce(two.life.plan.ears.events, 0))
    two.checkpoints.take()
    two.checkpoints.take()
    daemon.crew = slow
    assert two.checkpoints.counters()["checkpoints_kept"] == 2


def test_a_record_that_no_database_takes_costs_itself_and_nothing_else(
    two: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    two.life.start()
    two.reporter.more_counters.append(lambda: {"odd": object()})  # type: ignore[dict-item] # what must never be
    two.take()
    two.reporter.more_counters.pop()
    two.take()
    counters = two.checkpoints.counters()
    assert (counters["checkpoints_unstorable"], counters["checkpoints_kept"]) == (1, 1)
    assert two.life.daemon.crew.writer.failure is None
    assert "a checkpoint is left out" in caplog.text


def test_a_session_that_does_not_live_for_long_leaves_a_first_and_a_last_checkpoint(two: Taken) -> None:
    assert FIRST_SECONDS in [duty.every_seconds for duty in two.stock.duties()]
    two.life.start()
    two.settle(2)
    two.checkpoints.take_first()
    two.checkpoints.take_first()
    two.life.stop()
    kept = [(told, record["utterances"]["done"]) for told, record in two.kept()]
    assert kept == [("hearing", 2), ("stopping", 2)]


def test_disk_heat_and_steps_of_the_clock_are_known_before_the_first_checkpoint(two: Taken) -> None:
    two.stock.look.machine = Machine(disk_free=5, celsius=60.0)
    two.watch.clock.count = 1
    assert two.stock.newest()["disk"]["free_bytes"] == 5
    metering = Metering(two.reporter.status)
    metering.newest_checkpoint = two.stock.newest
    told = metering.metrics()
    assert b"voicebridge_clock_steps_total 1.0\n" in told
    assert b"voicebridge_disk_free_bytes 5.0\n" in told


def test_of_too_many_that_wait_the_oldest_go(two: Taken) -> None:
    for _ in range(MAX_WAITING + 2):
        two.checkpoints.take()
    assert two.checkpoints.counters()["checkpoints_dropped"] == 2
    two.life.start()
    assert two.life.daemon.crew.writer.drain(SECONDS)
    assert two.checkpoints.counters()["checkpoints_kept"] == MAX_WAITING


def test_one_costs_less_than_five_milliseconds_of_the_processor(two: Taken) -> None:
    two.life.start()
    costs = [cost for _ in range(9) if isinstance(cost := two.take()["cost_ms"], float)]
    assert sorted(costs)[len(costs) // 2] < 5.0


def test_the_machine_is_looked_at_and_its_look_is_watched(two: Taken) -> None:
    two.stock.start()
    deadline = time.monotonic() + SECONDS
    while two.stock.look.uss_bytes is None and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    two.stock.stop()
    status = two.reporter.status()
    assert status.uss_bytes
    assert status.disk_free_bytes
    assert status.rss_bytes > status.uss_bytes / 2
    assert "machine-look" in [onlooker.thread for onlooker in two.life.daemon.onlookers]


def test_memory_of_its_own_is_measured_no_more_often_than_asked(tmp_path: Path) -> None:
    clock = Clock()
    look = MachineLook(tmp_path, 60.0, dict, tmp_path, clock)
    look.look()
    first, look.uss_bytes = look.uss_bytes, None
    clock.pass_(59)
    look.look()
    assert first is not None
    assert look.uss_bytes is None
    clock.pass_(1)
    look.look()
    assert look.uss_bytes is not None
    assert look.sign_seconds == SIGN_SECONDS


def test_a_reason_that_comes_and_goes_costs_the_database_few_events(two: Taken) -> None:
    two.life.start()
    for change in range(40):
        two.later.seconds = 5.0 * change  # more than a reason lingers, 12 changes in a minute
        two.life.daemon.alarms.raise_("database_lost", "It is gone.")
        if change % 2:
            two.life.daemon.alarms.end("database_lost")
        two.watch.look()
    assert two.life.daemon.crew.writer.drain(SECONDS)
    kept = [detail for (detail,) in rows(two.state, "SELECT detail FROM events WHERE kind = 'health' ORDER BY id")]
    left_out = two.reporter.status().counters["health_events_left_out"]
    assert len(kept) + left_out == 40
    assert len(kept) == EVENTS_AT_ONCE + int(two.later.seconds / EVENT_SECONDS)
    assert "changes before this one were left out" in kept[-1]


def test_a_look_that_meets_an_error_is_counted_and_the_next_one_follows(tmp_path: Path) -> None:
    class Failing(MachineLook):
        def look(self) -> None:
            self._stopping.set()
            raise OSError(errno.EIO, "Input/output error")

    look = Failing(tmp_path, 60.0, dict, tmp_path)
    look.start()
    assert look.join(SECONDS)
    assert (look.failure, look.counters()) == (None, {"machine_looks_failed": 1})


def test_steps_of_the_wall_clock_are_counted_and_a_sleep_is_none() -> None:
    wall, boot = Clock(1000.0), Clock(10.0)
    watch = ClockWatch(wall, boot)
    wall.pass_(3600)
    boot.pass_(3600)
    watch.look()
    assert watch.count == 0
    wall.pass_(-7.5)
    watch.look()
    wall.pass_(2.0)
    watch.look()
    wall.pass_(0.4)
    watch.look()
    assert (watch.count, watch.seconds) == (2, -5.5)


def test_a_change_is_published_and_kept_as_an_event_and_told_once(tmp_path: Path) -> None:
    script = [SpeechError("No."), SpeechError("No."), SpeechError("No.")]
    source = MemorySource(blocks(sentences(2)), paced=True, endless=True)
    with life(tmp_path, source, FakeEngine(script)) as running:
        watch = Watch(running.daemon, running.plan, Watchdog(None))
        running.start()
        running.follow_until(UtteranceSettled, 1)
        watch.look()
        assert watch.verdict().state in {State.DEGRADED, State.HEARING}
        running.daemon.stop_requested = False
        running.follow_until(UtteranceSettled, 2)
        watch.look()
        watch.look()
        running.stop()
    changes = [event for event in running.events if isinstance(event, HealthChanged)]
    assert [(change.before, change.state) for change in changes][-1][1] == "hearing"
    assert all(change.began or change.ended or change.before != change.state for change in changes)
    kept = [detail for (detail,) in rows(tmp_path, "SELECT detail FROM events WHERE kind = 'health'")]
    assert len(kept) == sum(bool(change.began or change.ended) for change in changes)
