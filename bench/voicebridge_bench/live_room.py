"""A room that is heard live, without a sound card: audio that comes at the pace of time and waits for nobody."""

import threading
import time

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.ports import BlockSink, SourceInfo
from voicebridge.domain.units import SAMPLE_RATE, ms_to_samples, seconds_to_samples

BLOCK_MS = 40
"""As audio.block_ms."""
STOP_SECONDS = 2.0


class LiveRoom:
    """Implements Source over audio that is repeated without end, in blocks of 40 ms, each at its time.

    Unlike a file it never waits for room in the ring: what the listener does not take in time is lost, and counted, as
    with a microphone. ``latest_seconds`` is how late a block came at worst; a sound card buffers 80 ms
    (audio.latency_ms) before it drops anything.
    """

    def __init__(self, audio: Samples) -> None:
        self.latest_seconds = 0.0
        self.written_samples = 0
        self._audio = audio
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_block: float | None = None

    @property
    def info(self) -> SourceInfo:
        """What it is."""
        return SourceInfo("microphone", "a room made of samples", paced=True)

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver."""
        self._thread = threading.Thread(target=self._run, args=(sink,), name="live-room", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def error(self) -> Exception | None:
        """Return nothing: it cannot fail."""
        return None

    def report(self) -> CaptureReport:
        """Return how it is now."""
        now = time.monotonic()
        state = CaptureState.ENDED if self._stopping.is_set() else CaptureState.HEARING
        return CaptureReport(state, now, now, last_block=self._last_block, source=self.info.name)

    def _run(self, sink: BlockSink) -> None:
        size = ms_to_samples(BLOCK_MS)
        began = time.monotonic()
        while True:
            due = began + (self.written_samples + size) / SAMPLE_RATE
            if self._stopping.wait(max(due - time.monotonic(), 0.0)):
                break
            self._last_block = time.monotonic()
            self.latest_seconds = max(self.latest_seconds, self._last_block - due)
            places = np.arange(self.written_samples, self.written_samples + size) % len(self._audio)
            sink.write(self._audio[places])
            self.written_samples += size
        sink.close()


def with_pauses(pieces: list[Samples], pause_seconds: float) -> Samples:
    """Return the pieces with a pause of a quiet room before each."""
    noise = np.random.default_rng(1)
    parts = []
    for piece in pieces:
        parts += [noise.integers(-2, 3, seconds_to_samples(pause_seconds), dtype=np.int16), piece]
    return np.concatenate(parts)
