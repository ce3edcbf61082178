"""What the daemon costs: CPU in silence, resident memory, time from its start to the first sample and to ready."""

import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.units import MEGABYTE
from voicebridge.health.status import read_status
from voicebridge.settings import paths

START_SECONDS = 30.0
POLL_SECONDS = 0.1
WARM_UP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one run cost. CPU in percent of one core, memory in MB (10^6 bytes), times in seconds from process start."""

    name: str
    seconds: float
    cpu_percent: float
    rss_mb: float
    rss_before_engine_mb: float
    first_sample_seconds: float | None
    ready_seconds: float | None
    gaps: int


def silence(path: Path, seconds: float, rate: int, channels: int) -> Path:
    """Write a quiet room as WAV: noise of one or two steps, which no detector may take for speech."""
    noise = np.random.default_rng(1)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        for _ in range(int(seconds) + 1):
            out.writeframes(noise.integers(-2, 3, rate * channels).astype("<i2").tobytes())
    return path


def measure(
    name: str, arguments: Sequence[str], settings: Mapping[str, str], seconds: float, environ: Mapping[str, str]
) -> Footprint:
    """Run `voicebridge run` with these arguments for so long and measure it from outside. Raises VoicebridgeError."""
    with tempfile.TemporaryDirectory(prefix="voicebridge-footprint-") as scratch:
        state = Path(scratch) / "state"
        call = [sys.executable, "-m", "voicebridge", "--state-dir", str(state)]
        for key, value in settings.items():
            call += ["--set", f"{key}={value}"]
        child = subprocess.Popen([*call, "run", "--quiet", *arguments], env=dict(environ))
        try:
            return _watch(name, psutil.Process(child.pid), state, seconds)
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(30)


def _watch(name: str, process: psutil.Process, state: Path, seconds: float) -> Footprint:
    rss_before_engine = 0

    def note(status: dict[str, Any] | None) -> bool:
        nonlocal rss_before_engine
        if status is None or status["engine_state"] == "loading":
            rss_before_engine = process.memory_info().rss
        return status is not None and status["state"] == "hearing" and status["engine_state"] == "ready"

    _wait_for(process, state, note)
    time.sleep(WARM_UP_SECONDS)
    began, cpu = time.monotonic(), _cpu_seconds(process)
    time.sleep(seconds)
    spent, used = time.monotonic() - began, _cpu_seconds(process) - cpu
    status = read_status(paths.status_paths(state))
    if status is None:
        raise VoicebridgeError(f"{name}: the daemon does not say how it is.")
    return Footprint(
        name=name,
        seconds=spent,
        cpu_percent=100 * used / spent,
        rss_mb=process.memory_info().rss / MEGABYTE,
        rss_before_engine_mb=rss_before_engine / MEGABYTE,
        first_sample_seconds=status["first_sample_after_seconds"],
        ready_seconds=status["engine_ready_after_seconds"],
        gaps=status["gaps"],
    )


def _wait_for(process: psutil.Process, state: Path, good: Callable[[dict[str, Any] | None], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise VoicebridgeError("The daemon ended by itself.", "Its own messages stand above.")
        if good(read_status(paths.status_paths(state))):
            return
        time.sleep(POLL_SECONDS)
    raise VoicebridgeError(f"The daemon was not ready within {START_SECONDS:g} s.")


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
