"""How loud a block is, in decibels of full scale (dBFS): 0 is the loudest that int16 can hold."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voicebridge.domain.audio import GapReason, Samples
from voicebridge.domain.units import dbfs

SILENCE_DBFS = -100.0
"""Level of digital silence: just under the -96 dB that 16 bits can tell."""


@dataclass(frozen=True, slots=True)
class Level:
    """Level of a block. A full-scale square wave has an RMS of 0 dBFS, a full-scale sine -3 dBFS."""

    rms_dbfs: float
    peak_dbfs: float


def level_of(block: Samples) -> Level:
    """Return the level of a block, shape (n,); an empty one is silent."""
    if not block.size:
        return Level(SILENCE_DBFS, SILENCE_DBFS)
    wide = block.astype(np.float64)
    return Level(_dbfs(float(np.sqrt(np.mean(wide * wide)))), _dbfs(float(np.max(np.abs(wide)))))


def _dbfs(amplitude: float) -> float:
    return max(SILENCE_DBFS, dbfs(amplitude))


class LevelMeter:
    """Implements BlockSink: keeps nothing of the audio but its level and its length."""

    def __init__(self, on_block: Callable[[Level], None] = lambda _: None) -> None:
        self._on_block = on_block
        self.latest = level_of(np.zeros(0, dtype=np.int16))
        self.samples = 0
        self.loudest_dbfs = SILENCE_DBFS
        """Highest peak so far."""
        self.lost_samples = 0

    def write(self, block: Samples) -> None:
        """Measure a block, shape (n,)."""
        self.samples += len(block)
        self.latest = level_of(block)
        self.loudest_dbfs = max(self.loudest_dbfs, self.latest.peak_dbfs)
        self._on_block(self.latest)

    def write_gap(self, samples: int, reason: GapReason) -> None:  # noqa: ARG002 - the port's signature
        """Count lost audio."""
        self.lost_samples += samples

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:  # noqa: ARG002 - the port's signature
        """Return True: there is always room."""
        return True

    def close(self) -> None:
        """Do nothing: what was measured stays readable."""
