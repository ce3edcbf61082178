"""A sink that keeps all that a source delivers."""

import threading

import numpy as np

from voicebridge.domain.audio import Gap, GapReason, Samples, Span


class MemorySink:
    """Implements BlockSink without a bound."""

    def __init__(self) -> None:
        self._blocks: list[Samples] = []
        self._ended = threading.Event()
        self._arrived = threading.Condition()
        self.samples = 0
        self.gaps: list[Gap] = []

    def write(self, block: Samples) -> None:
        with self._arrived:
            self._blocks.append(block.copy())
            self.samples += len(block)
            self._arrived.notify_all()

    def write_gap(self, samples: int, reason: GapReason) -> None:
        if samples:
            self.gaps.append(Gap(Span(self.samples, self.samples + samples), reason))
            self.write(np.zeros(samples, dtype=np.int16))

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:
        return True

    def close(self) -> None:
        self._ended.set()

    @property
    def closed(self) -> bool:
        return self._ended.is_set()

    @property
    def block_samples(self) -> list[int]:
        """Length of each block."""
        return [len(block) for block in self._blocks]

    def audio(self) -> Samples:
        """Return all of it in one piece."""
        return np.concatenate([np.zeros(0, dtype=np.int16), *self._blocks])

    def wait_for_end(self, seconds: float = 30.0) -> Samples:
        """Return all of it once the source has closed."""
        assert self._ended.wait(seconds), "the source did not end"
        return self.audio()

    def wait_for_samples(self, samples: int, seconds: float = 30.0) -> None:
        """Return once so many samples have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.samples >= samples, seconds), "the audio did not come"
