"""Real scrapes: of a daemon that heard a few sentences and lost some audio, and of one made up from plain data."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.daemon.hearing import blocks, sentences
from tests.daemon.life import life
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from voicebridge.daemon.duties import StatusReporter
from voicebridge.daemon.watch import Watch
from voicebridge.daemon.watchdog import Watchdog
from voicebridge.domain.events import UtteranceSettled
from voicebridge.health.checkpoint import (
    Checkpoint,
    ClockSteps,
    Collections,
    Cpu,
    Decodes,
    Delay,
    Disk,
    Frames,
    Gaps,
    Heat,
    Level,
    Memory,
    Queues,
    Utterances,
)
from voicebridge.health.checkpoint import Watchdog as ToldWatchdog
from voicebridge.health.metrics import Metrics
from voicebridge.health.metrics_tallies import Tallies

SENTENCES = 2


def checkpoint() -> Checkpoint:
    """Return a checkpoint in which every figure is known and no two are alike."""
    waiting = Delay(count=3, still_waiting=1, p50=500.0, p95=1500.0, p99=1750.0, max=2000.0)
    return Checkpoint(
        at=1_700_000_000.0,
        monotonic_seconds=1000.0,
        session_id=1,
        uptime_seconds=60.0,
        interval_seconds=5.0,
        missed=0,
        state="hearing",
        reasons=(),
        muted=False,
        frames=Frames(3000, 2990, 0.997, 250, 249, 0.996),
        gaps=Gaps(1, 0.1, 1, 0.1, {"overflow": 1}, {"overflow": 0.1}),
        level=Level(-40.0, -20.0, 0.001, 0.25),
        ring_high_water_seconds=0.4,
        listener_lag_ms=20.0,
        queues=Queues(store_jobs=2, store_audio_bytes=64_000, decodes=3, announcements=4, recorder=5),
        backlog_seconds=6.0,
        oldest_waiting_seconds=7.0,
        decodes=Decodes(final=8, speculative=9, partial=10, errors=11, seconds=12.0, audio_seconds=13.0),
        delay_interval_ms=waiting,
        delay_session_ms=replace(waiting, p95=1250.0),
        real_time_factor=0.5,
        utterances=Utterances(14, 8, 3, 2, 1),
        errors={"decode": 11, "load": 1},
        recoveries=15,
        restarts=16,
        watchdog=ToldWatchdog(17, 18),
        cpu=Cpu(19.0, 20.0, 0.75, {"listener": 0.25, "other": 0.5}),
        memory=Memory(210_000_000, 190_000_000, 23_000_000),
        open_files=24,
        threads=25,
        gc=Collections((26, 2, 1), 27, 0),
        disk=Disk(28_000_000_000, 29_000_000, 30_000),
        heat=Heat(61.5, throttled=False, detail=""),
        clock_steps=ClockSteps(2, -1.5),
        cost_ms=2.5,
    )


class Source:
    """Implements MetricsSource over what it is given."""

    def __init__(self, status: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> None:
        self._status = status
        self._checkpoint = checkpoint

    def status(self) -> Mapping[str, Any]:
        return self._status

    def checkpoint(self) -> Mapping[str, Any]:
        return self._checkpoint


def scrape_of_a_session(state: Path) -> str:
    """Return a scrape of a daemon that has heard two sentences, with a gap of 0.1 s behind them."""
    source = MemorySource([*blocks(sentences(SENTENCES)), 1600, *blocks(quiet(1))], paced=True, endless=True)
    with life(state, source, FakeEngine()) as running:
        tallies = Tallies()
        reporter = StatusReporter(Watch(running.daemon, running.plan, Watchdog(30.0)), state)
        running.start()
        try:
            reporter.tidy()  # in the store writer's queue before what is heard
            running.follow_until(UtteranceSettled, SENTENCES)
            status = asdict(reporter.status())
        finally:
            running.stop()
        for event in running.events:
            tallies.heed(event)
    return Metrics(Source(status, checkpoint().to_json()), tallies).metrics().decode()
