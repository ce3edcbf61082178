"""The thread of a source that can wait: it brings blocks into the sink no faster than the readers take them."""

import logging
import threading
import time
from collections.abc import Iterator

from voicebridge.domain.audio import Samples
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.errors import AudioError
from voicebridge.domain.ports import BlockSink
from voicebridge.domain.units import FRAME_SAMPLES

PIECE_SAMPLES = 5 * FRAME_SAMPLES
"""Longest block that is written at once, so that any ring has room for it."""
STOP_SECONDS = 1.8
"""How long ``stop`` waits for the thread; it is a daemon, so a stuck read cannot keep the process."""
_LOOK_SECONDS = 0.25
"""How often a waiting thread looks whether it should stop."""

log = logging.getLogger(__name__)


class Delivery:
    """Runs an iterator of blocks into a sink on a thread of its own, and closes the sink at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.stopping = threading.Event()
        """Set by ``stop``; an iterator that waits must watch it."""
        self.delivered_samples = 0
        self._since = time.monotonic()

    def start(self, blocks: Iterator[Samples], sink: BlockSink) -> None:
        """Begin to deliver."""
        self._thread = threading.Thread(target=self._run, args=(blocks, sink), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering; returns within two seconds."""
        self.stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def error(self) -> Exception | None:
        """Return what ended the delivery, if it was a fault."""
        return self._error

    def report(self) -> CaptureReport:
        """Return how the delivery is; a source that can wait is never deaf."""
        if self._thread is None:
            state = CaptureState.STARTING
        elif self._thread.is_alive():
            state = CaptureState.HEARING
        else:
            state = CaptureState.ENDED if self._error is None else CaptureState.FAILED
        return CaptureReport(state, self._since, time.monotonic(), source=self._name)

    def _run(self, blocks: Iterator[Samples], sink: BlockSink) -> None:
        try:
            for block in blocks:
                for start in range(0, len(block), PIECE_SAMPLES):
                    self._deliver(block[start : start + PIECE_SAMPLES], sink)
                if self.stopping.is_set():
                    break
        except AudioError as error:
            self._error = error
        except Exception as error:
            log.exception("reading audio failed")
            self._error = error
        finally:
            sink.close()

    def _deliver(self, piece: Samples, sink: BlockSink) -> None:
        while not self.stopping.is_set():
            if sink.wait_for_room(len(piece), _LOOK_SECONDS):
                sink.write(piece)
                self.delivered_samples += len(piece)
                return
