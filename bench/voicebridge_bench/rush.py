"""A crowd at a daemon that hears live: what it costs the listener, memory and processor, in one session."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from voicebridge.daemon.session import Orders, Started, hear
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.events import Event, UtteranceSettled
from voicebridge.domain.ports import EngineInfo
from voicebridge.domain.units import FRAME_SAMPLES, MEGABYTE, samples_to_ms
from voicebridge.domain.utterance import Transcript
from voicebridge.settings.schema import HealthSettings, HttpSettings, Settings
from voicebridge_bench.crowd import Crowd
from voicebridge_bench.live_room import LiveRoom
from voicebridge_bench.overhead import INTERVAL_SECONDS, answers, crowd_call, free_ports

SAMPLE_EVERY_SECONDS = 0.01
RSS_EVERY_SAMPLES = 20
START_SECONDS = 30.0
CROWD_SPARE_SECONDS = 60.0


class QuickEngine:
    """Implements Engine: answers at once, so that nothing but the crowd differs."""

    @property
    def info(self) -> EngineInfo:
        """What it is called."""
        return EngineInfo("quick", "none")

    def load(self) -> None:
        """Be ready."""

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Return the same words always."""
        del audio, start_sample
        return Transcript(text="turn on the lights", engine="quick", model="none", decode_ms=0.0)

    def close(self) -> None:
        """Let go of nothing."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the listener was behind, in milliseconds of audio, sampled every 10 ms.

    Audio comes in blocks of 40 ms, and so do the percentiles; the mean is finer.
    """

    mean_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Load:
    """A crowd at a daemon that hears live; memory in MB (10^6 bytes)."""

    alone: Lag
    """Without the crowd, before and after it."""
    crowded: Lag
    crowd: Crowd
    gaps: int
    gap_samples: int
    missing_samples: int
    """Written into the ring and never heard."""
    latest_block_ms: float
    utterances: int
    rss_alone_mb: float
    rss_top_mb: float
    rss_end_mb: float
    cpu_alone_percent: float
    cpu_crowded_percent: float

    @property
    def lag_ratio(self) -> float:
        """The p99 of the listener's lag with the crowd over that without."""
        return self.crowded.p99_ms / self.alone.p99_ms if self.alone.p99_ms else float("inf")

    @property
    def passed(self) -> bool:
        """True when no sample was lost and everybody who read along was served to the end."""
        return self.gap_samples == 0 and self.missing_samples == 0 and self.crowd.readers_at_end == self.crowd.readers


@dataclass(slots=True)
class _Phase:
    """Readings of one phase or of several alike."""

    lags: list[int] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def lag(self) -> Lag:
        lags = np.array([samples_to_ms(lag) for lag in self.lags])
        return Lag(
            float(lags.mean()), float(np.percentile(lags, 50)), float(np.percentile(lags, 99)), float(lags.max())
        )


@dataclass(frozen=True, slots=True)
class Rush:
    """How many look, and for how long."""

    seconds: float = 60.0
    readers: int = 200
    never_read: int = 20
    rate: float = 500.0
    settle_seconds: float = 3.0
    """Lets what the start and the phase before left behind die away before the next is measured."""


class _Conductor:
    """Watches one session from beside it: alone, with the crowd, alone again; then stops it."""

    def __init__(self, address: str, rush: Rush) -> None:
        self.alone, self.crowded = _Phase(), _Phase()
        self.crowd: Crowd | None = None
        self.fault: VoicebridgeError | None = None
        self.started: Started | None = None
        self._address = address
        self._rush = rush
        self._process = psutil.Process()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, started: Started) -> None:
        """Begin; called once, before the daemon's threads start."""
        self.started = started
        self._thread.start()

    def finish(self) -> Crowd:
        """Return what the crowd saw. Raises VoicebridgeError."""
        self._thread.join()
        if self.fault is not None:
            raise self.fault
        assert self.crowd is not None
        return self.crowd

    def _run(self) -> None:
        assert self.started is not None
        try:
            self._await_http()
            half = self._rush.seconds / 2
            self._read(self.alone, lambda spent: spent >= half)
            self.crowd = self._with_crowd()
            self._read(self.alone, lambda spent: spent >= half)
        except VoicebridgeError as error:
            self.fault = error
        finally:
            self.started.daemon.request_stop()

    def _await_http(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(self._address):
            if time.monotonic() > deadline:
                raise VoicebridgeError(f"Nothing answers on {self._address}.", "Its own messages stand above.")
            time.sleep(0.1)

    def _with_crowd(self) -> Crowd:
        rush = self._rush
        call = crowd_call(self._address, rush.seconds, rush.readers, rush.never_read, rush.rate)
        crowd = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        longest = rush.seconds + CROWD_SPARE_SECONDS
        self._read(self.crowded, lambda spent: crowd.poll() is not None or spent >= longest)
        crowd.kill()
        told, _ = crowd.communicate()
        try:
            return Crowd(**json.loads(told))
        except ValueError as error:
            raise VoicebridgeError("The crowd came to nothing.", "Its own messages stand above.") from error

    def _read(self, phase: _Phase, over: Callable[[float], bool]) -> None:
        assert self.started is not None
        time.sleep(self._rush.settle_seconds)
        listener, process = self.started.daemon.crew.listener, self._process
        began, cpu = time.monotonic(), _cpu_seconds(process)
        while not over(spent := time.monotonic() - began):
            phase.lags.append(listener.lag_samples)
            if len(phase.lags) % RSS_EVERY_SAMPLES == 1:
                phase.rss.append(process.memory_info().rss)
            time.sleep(SAMPLE_EVERY_SECONDS)
        phase.seconds += spent
        phase.cpu_seconds += _cpu_seconds(process) - cpu


def under_load(rush: Rush, speech: Samples, state: Path) -> Load:
    """Hear the speech live, alone, with a crowd, and alone again, all in one session. Raises VoicebridgeError."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    settings = Settings(
        http=HttpSettings(bind=address), health=HealthSettings(interval_seconds=INTERVAL_SECONDS, status_seconds=1)
    )
    room, conductor, settled = LiveRoom(speech), _Conductor(address, rush), 0

    def on_event(event: Event) -> None:
        nonlocal settled
        settled += isinstance(event, UtteranceSettled)

    # HTTP is served only where a session can be steered.
    orders = Orders(settings, state, lambda _: room, engine=QuickEngine(), reread=lambda: settings)
    hear(orders, on_event, conductor.start)
    crowd = conductor.finish()
    assert conductor.started is not None
    heard = conductor.started.daemon.crew.listener.counters
    alone, crowded = conductor.alone, conductor.crowded
    return Load(
        alone=alone.lag(),
        crowded=crowded.lag(),
        crowd=crowd,
        gaps=heard.gaps,
        gap_samples=heard.gap_samples,
        missing_samples=room.written_samples - heard.frames * FRAME_SAMPLES - heard.gap_samples,
        latest_block_ms=1000 * room.latest_seconds,
        utterances=settled,
        rss_alone_mb=alone.rss[0] / MEGABYTE,
        rss_top_mb=max(crowded.rss) / MEGABYTE,
        rss_end_mb=alone.rss[-1] / MEGABYTE,
        cpu_alone_percent=100 * alone.cpu_seconds / alone.seconds,
        cpu_crowded_percent=100 * crowded.cpu_seconds / crowded.seconds,
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
