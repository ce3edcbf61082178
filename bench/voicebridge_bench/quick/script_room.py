"""A room made of samples in which a script is said once, and how long the listener takes over each block of it."""

import threading
import time
from collections.abc import Callable

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.ports import BlockSink, SourceInfo
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLE_RATE, ms_to_samples, seconds_to_samples
from voicebridge_bench.latency.script import quiet
from voicebridge_bench.quick.sitting import BLOCK_MS

LOOK_SECONDS = 0.0005
STOP_SECONDS = 2.0
TAIL_SECONDS = 3.0
STEP_SECONDS = 60.0
"""Of the quiet room that is made at once."""


class LagWatch:
    """How long each block waits in the ring until the listener has taken its last whole frame.

    It looks every half millisecond, from the thread that wrote the block: what it is itself late is in the figure, so
    the true lag is never above it. ``lag_samples`` is how far the listener is behind what was written.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lags_ms: list[float] = []
        self.watching = False
        """False while lag does not count: the listener lets frames gather when nobody has spoken for a second."""
        self._clock = clock
        self._waiting: list[tuple[int, float]] = []

    def wrote(self, written: int) -> None:
        """Note a block that ends at this sample index."""
        if self.watching:
            self._waiting.append((written - written % FRAME_SAMPLES, self._clock()))

    def look(self, written: int, lag_samples: int) -> bool:
        """Note what has been taken since; True when nothing waits any more."""
        taken, now = written - lag_samples, self._clock()
        while self._waiting and self._waiting[0][0] <= taken:
            self.lags_ms.append(1000 * (now - self._waiting.pop(0)[1]))
        return not self._waiting


class ScriptRoom:
    """Implements Source: a quiet room, the script once ``begin`` was called, a quiet tail, and then the end.

    Blocks of 40 ms come when a sound card would have them complete, and wait for nobody: sample n was said at
    ``began_at`` + n / 16000.
    """

    def __init__(self, script: Samples, lag_samples: Callable[[], int | None]) -> None:
        self.began_at = 0.0
        self.script_start: int | None = None
        """The sample index at which the script begins, once it has begun."""
        self.latest_seconds = 0.0
        self.arrivals: list[float] = []
        """When each block was written, from the first one on."""
        self.watch = LagWatch()
        self.on_script: Callable[[bool], None] = lambda _: None
        """Called with True when the script begins, and with False when it is over."""
        self._script = script
        self._lag_samples = lag_samples
        self._begin = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._written = 0
        self._last_block: float | None = None

    @property
    def info(self) -> SourceInfo:
        """What it is."""
        return SourceInfo("microphone", "a script in a room made of samples", paced=True)

    def begin(self) -> None:
        """Say the script from the next block on."""
        self._begin.set()

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver."""
        self._thread = threading.Thread(target=self._run, args=(sink,), name="script-room", daemon=True)
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
        self.began_at = time.monotonic()
        random = np.random.default_rng(1)
        room = quiet(STEP_SECONDS, random)
        size, at = ms_to_samples(BLOCK_MS), 0
        while not self._begin.is_set():
            if not self._deliver(sink, room[at : at + size]):
                return
            at = (at + size) % (len(room) - size)
        self.script_start = self._written
        self.on_script(True)
        rest = -len(self._script) % size
        tail = quiet(TAIL_SECONDS, random)[: seconds_to_samples(TAIL_SECONDS) // size * size]
        whole = np.concatenate((self._script, room[:rest], tail))
        said = len(self._script) + rest
        if not self._deliver_all(sink, whole[:said], size):
            return
        self.on_script(False)
        self.watch.watching = False
        if self._deliver_all(sink, whole[said:], size):
            sink.close()

    def _deliver_all(self, sink: BlockSink, samples: Samples, size: int) -> bool:
        return all(self._deliver(sink, samples[at : at + size]) for at in range(0, len(samples), size))

    def _deliver(self, sink: BlockSink, block: Samples) -> bool:
        """Deliver a block at its time, and watch it being taken; False when we stop."""
        due = self.began_at + (self._written + len(block)) / SAMPLE_RATE
        self._look_until(due)
        if self._stopping.wait(max(due - time.monotonic(), 0.0)):
            return False
        sink.write(block)
        self._last_block = time.monotonic()
        self.arrivals.append(self._last_block)
        self.latest_seconds = max(self.latest_seconds, self._last_block - due)
        self._written += len(block)
        self.watch.wrote(self._written)
        return True

    def _look_until(self, due: float) -> None:
        while (lag := self._lag_samples()) is not None and not self.watch.look(self._written, lag):
            if time.monotonic() + LOOK_SECONDS >= due:
                return
            time.sleep(LOOK_SECONDS)
