"""What the raw input of a device says of the device: digital silence, a frozen signal, the peak.

It runs in the device callback, so it compares bytes (a few microseconds a block) and computes only where that leaves a
question. Time is counted in samples: a gap neither counts nor interrupts.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from voicebridge.audio.resample import Block
from voicebridge.domain.units import FULL_SCALE


class SignalCheck:
    """Follows the raw blocks of one microphone over all its streams. The callback feeds it, any thread asks."""

    def __init__(self) -> None:
        self._rate = 1
        self._dtype: np.dtype[Any] = np.dtype(np.int16)
        self._latest = b""
        self._zero = False
        self._constant = b""
        self._zero_samples = 0.0
        self._frozen_samples = 0.0

    @property
    def zero_seconds(self) -> float:
        """How long nothing but zeros has come."""
        return self._zero_samples / self._rate

    @property
    def frozen_seconds(self) -> float:
        """How long one value that is not zero, or one and the same block, has come."""
        return self._frozen_samples / self._rate

    @property
    def peak(self) -> int:
        """Largest magnitude in the newest block, 0 to 32768; computed when it is asked for."""
        latest, dtype = self._latest, self._dtype
        samples = np.frombuffer(latest, dtype=dtype)
        if not samples.size:
            return 0
        largest = np.abs(samples.astype(np.float64)).max()
        return int(min(np.nan_to_num(largest * (FULL_SCALE if dtype.kind == "f" else 1.0)), FULL_SCALE))

    def begin(self, rate: int, dtype: npt.DTypeLike) -> None:
        """Say what the blocks of a new stream will be like; what was frozen may be so no more, zeros go on."""
        self._zero_samples *= rate / self._rate
        self._rate, self._dtype = rate, np.dtype(dtype)
        self._latest, self._zero, self._constant, self._frozen_samples = b"", False, b"", 0.0

    def take(self, block: Block) -> None:
        """Take a raw block, shape (n, channels)."""
        raw = block.tobytes()
        if raw == self._latest:
            same = True  # it is what it was: zeros, constant, or neither
        else:
            before = self._constant
            self._describe(raw, block)
            same = bool(self._constant) and self._constant == before
        self._latest = raw
        self._zero_samples = self._zero_samples + len(block) if self._zero else 0.0
        self._frozen_samples = self._frozen_samples + len(block) if same and not self._zero else 0.0

    def _describe(self, raw: bytes, block: Block) -> None:
        """Say whether all samples of a block are zero, or the same; its ends tell of nearly every block that not."""
        self._zero, self._constant = False, b""
        width = len(raw) // len(block) if len(block) else 0
        if not width or raw[:width] != raw[-width:]:
            # A float has two zeros, so the ends of digital silence may differ, though no device was seen to do that.
            return
        if not block.any():
            self._zero = True
        elif bool((block == block[0]).all()):
            self._constant = raw[:width]
