"""The virtual microphone: the script is played into a null sink whose monitor the daemon hears through PortAudio.

When a sample is spoken is told by an observer: a recorder beside the daemon with small buffers. Of all its readings the
least delayed one ties its samples to the clock, so that the moments are late by what that reading was: a few
milliseconds, at most the recorder's 10.
"""

import subprocess
import threading
import time
import wave
from collections.abc import Sequence
from typing import IO, Literal

import numpy as np

from voicebridge.domain.errors import DeviceError
from voicebridge.domain.units import SAMPLE_BYTES, SAMPLE_RATE, samples_to_seconds
from voicebridge_bench.latency.alignment import places, zero_moment
from voicebridge_bench.latency.pulse import RATE, SINK, SoundServer
from voicebridge_bench.latency.script import Script

OBSERVER_MS = 10
READ_BYTES = 4096
MAX_BYTES = 4 * 3600 * SAMPLE_RATE * SAMPLE_BYTES
WAKE_SECONDS = 10.0
SPARE_SECONDS = 15.0
TAIL_SECONDS = 2.0


class VirtualMicrophone:
    """Implements Room. Raises DeviceError where no server can be started."""

    name: Literal["microphone"] = "microphone"
    description = f"a PulseAudio null sink at {RATE} Hz, heard through PortAudio; an observer beside tells when"
    accuracy_ms = float(OBSERVER_MS)
    arguments: Sequence[str] = ()

    def __init__(self) -> None:
        self.latest_seconds = 0.0
        self._script: Script | None = None
        self._server = SoundServer()
        self._observer: subprocess.Popen[bytes] | None = None
        self._recorded = bytearray()
        self._arrivals: list[tuple[int, float]] = []
        self._awake = threading.Event()
        try:
            self._observe()
        except BaseException:
            self._server.close()
            raise

    def environment(self) -> dict[str, str]:
        """Return what leads the daemon to the microphone."""
        return self._server.environment()

    def open(self, stdin: IO[bytes]) -> None:
        """Do nothing: the room is there."""

    def play(self, script: Script) -> None:
        """Play all of it; returns when it was played. Raises DeviceError."""
        file = self._server.folder / "script.wav"
        with wave.open(str(file), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(SAMPLE_BYTES)
            out.setframerate(SAMPLE_RATE)
            out.writeframes(script.samples.astype("<i2").tobytes())
        self._script = script
        player = self._server.run(["paplay", f"--device={SINK}", str(file)])
        try:
            status = player.wait(samples_to_seconds(len(script.samples)) + SPARE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            raise DeviceError("The speech could not be played into the virtual microphone.", "Try --source paced.")
        time.sleep(TAIL_SECONDS)

    def moments(self) -> list[float | None]:
        """Return when each piece's speech truly ended (CLOCK_MONOTONIC); None for what the observer did not hear."""
        if self._script is None:
            return []
        recording = np.frombuffer(bytes(self._recorded[: len(self._recorded) // 2 * 2]), "<i2")
        began = zero_moment(self._arrivals[:])
        found = zip(self._script.parts, places(self._script, recording), strict=True)
        return [
            None if place is None else began + (place + part.speech_end - part.span.start) / SAMPLE_RATE
            for part, place in found
        ]

    def session_samples(self) -> list[int] | None:
        """Return None: which sample of the daemon's session a piece ends at cannot be told from beside it."""
        return None

    def close(self) -> None:
        """Take it away."""
        self._server.close()

    def _observe(self) -> None:
        call = ["parec", f"--latency-msec={OBSERVER_MS}", f"--device={SINK}.monitor", "--raw"]
        call += [f"--rate={SAMPLE_RATE}", "--channels=1", "--format=s16le"]
        self._observer = self._server.run(call, subprocess.PIPE)
        threading.Thread(target=self._read, args=(self._observer,), name="observer", daemon=True).start()
        # A sink that idles gives its first data after seconds.
        if not self._awake.wait(WAKE_SECONDS):
            raise DeviceError("The virtual microphone gives no audio.", "Measure with --source paced.")

    def _read(self, observer: "subprocess.Popen[bytes]") -> None:
        assert observer.stdout is not None
        descriptor = observer.stdout
        while len(self._recorded) < MAX_BYTES:
            try:
                data = descriptor.read1(READ_BYTES)  # type: ignore[attr-defined]
            except ValueError:
                return  # closed beside us
            if not data:
                return
            self._recorded += data
            self._arrivals.append((len(self._recorded) // SAMPLE_BYTES, time.monotonic()))
            self._awake.set()
