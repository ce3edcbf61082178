"""An audio file as samples in memory, read as the daemon reads it."""

import threading
from pathlib import Path

import numpy as np

from voicebridge.audio.replay import FileSource
from voicebridge.domain.audio import GapReason, Samples
from voicebridge.domain.errors import AudioError
from voicebridge.domain.units import samples_to_seconds, seconds_to_samples

MAX_SECONDS = 3600.0
"""Longest file that is read: 115 MB of memory."""
LOOK_SECONDS = 0.5


class Collector:
    """Implements BlockSink: keeps all of it, up to a bound."""

    def __init__(self, most_samples: int) -> None:
        self.ended = threading.Event()
        self.samples = 0
        """How many came, those beyond the bound too."""
        self.lost_samples = 0
        self._most_samples = most_samples
        self._blocks: list[Samples] = []

    def write(self, block: Samples) -> None:
        """Keep a block."""
        if self.samples < self._most_samples:
            self._blocks.append(block.copy())
        self.samples += len(block)

    def write_gap(self, samples: int, reason: GapReason) -> None:  # noqa: ARG002 - the port's signature
        """Put zeros where audio was lost, and count them."""
        self.lost_samples += samples
        self.write(np.zeros(min(samples, self._most_samples), np.int16))

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:  # noqa: ARG002 - the port's signature
        """Return True: there is always room."""
        return True

    def close(self) -> None:
        """Say that nothing more will come."""
        self.ended.set()

    def all(self) -> Samples:
        """Return what was kept."""
        blocks = [*self._blocks]  # another thread may be adding
        whole: Samples = np.concatenate(blocks)[: self._most_samples] if blocks else np.zeros(0, np.int16)
        return whole


def read_audio(path: Path) -> Samples:
    """Return a file as int16, mono, 16 kHz. Raises AudioError when it cannot be read or is too long."""
    collector = Collector(seconds_to_samples(MAX_SECONDS))
    source = FileSource(path)
    source.start(collector)
    try:
        while not collector.ended.wait(LOOK_SECONDS):
            pass
    finally:
        source.stop()
    error = source.error()
    if isinstance(error, AudioError):
        raise error
    if error is not None:
        raise AudioError(f"{path} cannot be read: {error}.")
    if collector.samples > seconds_to_samples(MAX_SECONDS):
        length = samples_to_seconds(collector.samples)
        raise AudioError(f"{path} is {length / 60:.0f} minutes long.", "Cut it into pieces of an hour at most.")
    return collector.all()
