"""A source that delivers what a test gives it."""

import threading
import time
from collections.abc import Sequence

from voicebridge.domain.audio import GapReason, Samples
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.ports import BlockSink, SourceInfo


class MemorySource:
    """Implements Source over blocks in memory; a number among them is a gap of that many samples.

    With ``endless`` it stays open after the last block, like a microphone in a silent room, until it is stopped.
    ``lost_samples`` is what it lost last before it is stopped, like a microphone that was pulled and did not come back.
    ``fault`` is what ends the delivery after the last block.
    """

    def __init__(
        self,
        blocks: Sequence[Samples | int],
        *,
        paced: bool = False,
        endless: bool = False,
        lost_samples: int = 0,
        fault: Exception | None = None,
    ) -> None:
        self._blocks = blocks
        self._paced = paced
        self._endless = endless
        self._lost_samples = lost_samples
        self._fault = fault
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("file", "memory", self._paced)

    def start(self, sink: BlockSink) -> None:
        self._thread = threading.Thread(target=self._run, args=(sink,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2)

    def error(self) -> Exception | None:
        return self._error

    def report(self) -> CaptureReport:
        now = time.monotonic()
        delivering = self._thread is not None and self._thread.is_alive()
        return CaptureReport(CaptureState.HEARING if delivering else CaptureState.ENDED, now, now, source="memory")

    def _run(self, sink: BlockSink) -> None:
        for block in self._blocks:
            if isinstance(block, int):
                sink.write_gap(block, GapReason.OVERFLOW)
                continue
            while not self._stopping.is_set() and not sink.wait_for_room(len(block), 0.1):
                pass
            if self._stopping.is_set():
                break
            sink.write(block)
        if self._endless:
            self._stopping.wait()
        sink.write_gap(self._lost_samples, GapReason.DEVICE_LOST)
        self._error = self._fault
        sink.close()
