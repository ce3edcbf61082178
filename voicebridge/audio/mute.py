"""Mute: nothing of what is heard gets into the ring."""

import numpy as np

from voicebridge.domain.audio import GapReason, Samples
from voicebridge.domain.ports import BlockSink


class MuteSwitch:
    """Implements BlockSink before another one: while muted, zeros of the same length take the place of each block.

    ``muted`` may be set by any thread and holds from the next block on; what went through before stays where it is.
    """

    def __init__(self, sink: BlockSink, *, muted: bool = False) -> None:
        self._sink = sink
        self._zeros: Samples = np.zeros(0, dtype=np.int16)
        self.muted = muted

    def write(self, block: Samples) -> None:
        """Pass a block, shape (n,), on, or as many zeros. Never blocks, and never changes the block."""
        if not self.muted:
            self._sink.write(block)
            return
        if len(self._zeros) < len(block):
            self._zeros = np.zeros(len(block), dtype=np.int16)
            self._zeros.setflags(write=False)  # a sink may keep what it is given
        self._sink.write(self._zeros[: len(block)])

    def write_gap(self, samples: int, reason: GapReason) -> None:
        """Pass a gap on: audio that was lost was lost, muted or not."""
        self._sink.write_gap(samples, reason)

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:
        """Wait for the sink behind."""
        return self._sink.wait_for_room(samples, timeout_seconds)

    def close(self) -> None:
        """Close the sink behind."""
        self._sink.close()
