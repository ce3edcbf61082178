"""Hold the engine at full load while speech runs on in real time, and see whether the listener notices."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from voicebridge.daemon import assembly
from voicebridge.daemon.session import Orders, Started, hear
from voicebridge.domain.audio import Samples
from voicebridge.domain.events import Event, UtteranceSettled
from voicebridge.domain.ports import Engine, EngineInfo
from voicebridge.domain.units import MEGABYTE, samples_to_ms
from voicebridge.domain.utterance import Status, Transcript
from voicebridge.settings import Settings
from voicebridge_bench.playlist import Piece, write_playlist

SAMPLE_EVERY_SECONDS = 0.05
PAUSE_SECONDS = 1.0
BUSY_FACTOR = 1.3
"""Each utterance is decoded for so much longer than it and its pause last, so that the engine falls ever further
behind."""


class BusyEngine:
    """Implements Engine: decodes each utterance over and over for so many seconds, by real decodes of a real engine."""

    def __init__(self, engine: Engine, busy_seconds: float) -> None:
        self._engine = engine
        self.busy_seconds = busy_seconds
        self.decodes = 0

    @property
    def info(self) -> EngineInfo:
        """The engine inside."""
        return self._engine.info

    def load(self) -> None:
        """Load the engine inside."""
        self._engine.load()

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode until the time is over; return the last transcript."""
        until = time.monotonic() + self.busy_seconds
        while True:
            transcript = self._engine.decode(audio, start_sample)
            self.decodes += 1
            if time.monotonic() >= until:
                return transcript

    def close(self) -> None:
        """Close the engine inside."""
        self._engine.close()


@dataclass(frozen=True, slots=True)
class Endurance:
    """What was measured; memory in MB (10^6 bytes), lag in milliseconds of audio."""

    seconds: float
    played: int
    decodes: int
    settled: int
    rejected: int
    failed: int
    engine_load: float
    """Share of the time, while speech ran, in which a decode was running."""
    largest_backlog: int
    gaps: int
    gap_samples: int
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    rss_start_mb: float
    rss_largest_mb: float
    rss_end_mb: float

    @property
    def passed(self) -> bool:
        """True when no sample was lost and everything was decoded."""
        return self.gaps == 0 and self.failed == 0 and self.settled >= self.played


@dataclass(slots=True)
class _Readings:
    lags: list[int]
    busy: list[bool]
    backlog: int = 0
    rss_start: int = 0
    rss_largest: int = 0


def endure(minutes: float, pieces: Sequence[Piece], engine: Engine, state: Path, settings: Settings) -> Endurance:
    """Play the pieces in real time for so many minutes while the engine decodes without a pause."""
    playlist = state.parent / "endure.wav"
    played = list(enough(pieces, minutes * 60, PAUSE_SECONDS))
    write_playlist(playlist, played, pause_seconds=PAUSE_SECONDS)
    longest = sum(len(piece.samples) for piece in played) / 16_000 / len(played) + PAUSE_SECONDS
    busy = BusyEngine(engine, busy_seconds=BUSY_FACTOR * longest)
    readings = _Readings([], [])
    settled: list[Status] = []
    finished = threading.Event()
    gaps: list[tuple[int, int]] = []

    def on_event(event: Event) -> None:
        if isinstance(event, UtteranceSettled):
            settled.append(event.record.status)

    def on_start(started: Started) -> None:
        threading.Thread(target=_watch, args=(started, busy, readings, finished, gaps), daemon=True).start()

    orders = Orders(settings, state, assembly.audio_file(playlist, realtime=True), engine=busy)
    began = time.monotonic()
    try:
        hear(orders, on_event, on_start)
    finally:
        finished.set()
    count, samples = gaps[-1] if gaps else (0, 0)
    lags = np.array([samples_to_ms(lag) for lag in readings.lags])
    return Endurance(
        seconds=time.monotonic() - began,
        played=len(played),
        decodes=busy.decodes,
        settled=len(settled),
        rejected=settled.count(Status.REJECTED),
        failed=settled.count(Status.FAILED),
        engine_load=sum(readings.busy) / max(len(readings.busy), 1),
        largest_backlog=readings.backlog,
        gaps=count,
        gap_samples=samples,
        lag_p50_ms=float(np.percentile(lags, 50)),
        lag_p99_ms=float(np.percentile(lags, 99)),
        lag_max_ms=float(lags.max()),
        rss_start_mb=readings.rss_start / MEGABYTE,
        rss_largest_mb=readings.rss_largest / MEGABYTE,
        rss_end_mb=psutil.Process().memory_info().rss / MEGABYTE,
    )


def enough(pieces: Sequence[Piece], seconds: float, pause_seconds: float) -> Iterator[Piece]:
    """Yield pieces, again and again, until they and a pause each fill so many seconds."""
    for piece in itertools.cycle(pieces):
        if seconds <= 0:
            return
        seconds -= len(piece.samples) / 16_000 + pause_seconds
        yield piece


def _watch(
    started: Started,
    busy: BusyEngine,
    readings: _Readings,
    finished: threading.Event,
    gaps: list[tuple[int, int]],
) -> None:
    """Sample the daemon from beside it while speech runs; then let the engine work off what is left at its own pace."""
    crew, process = started.daemon.crew, psutil.Process()
    readings.rss_start = process.memory_info().rss
    while not finished.wait(SAMPLE_EVERY_SECONDS):
        counters = crew.listener.counters
        gaps[:] = [(counters.gaps, counters.gap_samples)]
        readings.rss_largest = max(readings.rss_largest, process.memory_info().rss)
        if not crew.listener.alive:
            busy.busy_seconds = 0.0
        elif busy.decodes > 0:
            readings.lags.append(crew.listener.lag_samples)
            readings.busy.append(crew.transcriber.decode_age_seconds(time.monotonic()) > 0)
            readings.backlog = max(readings.backlog, crew.transcriber.waiting)
