"""A real scrape of a daemon that heard a few sentences and lost some audio, and figures made up from plain data."""

import socket
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.daemon.hearing import SECONDS, SETTINGS, Session, blocks, sentences
from tests.fakes.detector import quiet
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
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
from voicebridge.settings.schema import HealthSettings, HttpSettings

SENTENCES = 2
POLL_SECONDS = 0.1
AWAITED = (
    f'voicebridge_settled_total{{outcome="done"}} {SENTENCES}.0',
    "\nvoicebridge_threads ",
    'stored_bytes{kind="spool"}',
)
"""What a scrape must tell: the sentences, a checkpoint, and what the store holds."""


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
    """Return what `/metrics` says of a daemon that has heard two sentences, lost 0.1 s and made a checkpoint."""
    with socket.create_server(("127.0.0.1", 0)) as stream:
        address = f"127.0.0.1:{stream.getsockname()[1]}"
    settings = SETTINGS.model_copy(
        update={"http": HttpSettings(bind=address), "health": HealthSettings(interval_seconds=1, status_seconds=0.5)}
    )
    source = MemorySource([*blocks(sentences(SENTENCES)), 1600, *blocks(quiet(1))], paced=True, endless=True)
    session = Session(state, source, FakeEngine(), settings)
    session.orders = replace(session.orders, reread=lambda: settings)
    scrapes: list[str] = []

    def scrape() -> None:
        pause, deadline = threading.Event(), time.monotonic() + SECONDS
        while time.monotonic() < deadline and not (scrapes and all(told in scrapes[-1] for told in AWAITED)):
            pause.wait(POLL_SECONDS)
            with suppress(OSError), urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
                scrapes.append(answer.read().decode())
        session.stop()

    scraping = threading.Thread(target=scrape, daemon=True)
    session.on_start = lambda _: scraping.start()
    session.hear()
    scraping.join(SECONDS)
    return scrapes[-1]
