"""Whole sessions for tests: a real store in a directory, the real detector and threads, a fake source and engine."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes.detector import quiet
from tests.fakes.source import MemorySource
from tests.fakes.utterances import noise
from voicebridge.daemon.session import Orders, Report, Started, hear
from voicebridge.domain.audio import Samples
from voicebridge.domain.events import Event
from voicebridge.domain.ports import Engine, Source
from voicebridge.domain.units import FRAME_SAMPLES
from voicebridge.settings import (
    EngineSettings,
    HealthSettings,
    Settings,
    StoreSettings,
    VadSettings,
)
from voicebridge.settings.paths import database_path

SECONDS = 30.0
"""How long a test waits for a thread before it fails."""
SETTINGS = Settings(
    vad=VadSettings(mode="webrtc"),  # hears noise as speech
    store=StoreSettings(busy_timeout_ms=50, reserve_mb=0),
    health=HealthSettings(status_seconds=0.5),
)


def without_engine_required() -> Settings:
    return SETTINGS.model_copy(update={"engine": EngineSettings(required=False)})


def sentences(count: int) -> Samples:
    """Return audio with so many utterances: a second of noise each, and a pause."""
    return np.concatenate([quiet(0.5)] + [part for n in range(count) for part in (noise(1.0, seed=n) // 7, quiet(1.5))])


def blocks(audio: Samples) -> list[Samples | int]:
    return [audio[start : start + FRAME_SAMPLES] for start in range(0, len(audio), FRAME_SAMPLES)]


class Blocks(list[Samples | int]):
    """Blocks in parts; before each part but the first a function is called, which may wait."""

    def __init__(self, before: Callable[[], object], *parts: Samples) -> None:
        super().__init__()
        self._before = before
        self._parts = parts

    def __iter__(self) -> Iterator[Samples | int]:
        for number, part in enumerate(self._parts):
            if number:
                self._before()
            yield from blocks(part)


class Session:
    """One session, with what it announced. ``on_event`` and ``on_start`` may be replaced by a test."""

    def __init__(self, state: Path, source: Source, engine: Engine, settings: Settings = SETTINGS) -> None:
        self.state = state
        self.events: list[Event] = []
        self.on_event: Callable[[Event], object] = lambda _: None
        self.on_start: Callable[[Started], object] = lambda _: None
        self.started: Started | None = None
        self.orders = Orders(settings, state, lambda _: source, SECONDS, engine)

    def hear(self) -> Report:
        """Hear to the end."""
        return hear(self.orders, self._announce, self._begin)

    def stop(self) -> None:
        """Ask it to stop."""
        assert self.started is not None
        self.started.daemon.request_stop()

    def kinds(self) -> list[str]:
        """Return the names of what was announced."""
        return [type(event).__name__ for event in self.events]

    def _begin(self, started: Started) -> None:
        self.started = started
        self.on_start(started)

    def _announce(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)


def spoken(count: int = 2, *, paced: bool = False, endless: bool = False, fault: Exception | None = None) -> Source:
    """Return a source of so many utterances."""
    return MemorySource(blocks(sentences(count)), paced=paced, endless=endless, fault=fault)


def rows(state: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the database of a state directory."""
    with closing(sqlite3.connect(database_path(state))) as db:
        return db.execute(sql).fetchall()


def spooled(state: Path) -> list[Path]:
    """List the files in the spool."""
    return sorted((state / "spool").glob("*.pcm"))
