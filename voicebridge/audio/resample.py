"""Any rate, channel count and sample type to the pipeline's 16 kHz mono int16, block by block."""

from typing import Any

import numpy as np
import numpy.typing as npt

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_RATE

Block = npt.NDArray[Any]
"""Audio as it comes: shape (n,) or (n, channels); float with full scale 1.0, signed integer, or uint8 around 128."""

QUALITY = "HQ"
"""soxr's recipe: flat to 91 % of the band. It works in blocks of its own, so samples come out up to 40 ms late from
44.1 and 48 kHz and 115 ms from 8 kHz (measured); LQ halves that, but cuts speech off above 5.4 kHz."""
_FULL_SCALE = 32768.0
_SANE_ENERGY = 1e30
"""Sum of squares of a block under which no sample can overflow in float32 arithmetic."""


class Resampler:
    """Makes one stream of blocks into 16 kHz mono int16; the same samples whatever the blocks' lengths.

    Channels are mixed by their mean. Samples that are no number (NaN, infinite) count as silence and are counted.
    Mono int16 at 16 kHz passes through untouched.
    """

    def __init__(self, rate: int, channels: int, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._scale = _scale_of(self._dtype)
        self._untouched = rate == SAMPLE_RATE and channels == 1 and self._dtype == np.int16
        self.broken_samples = 0
        """Samples of all channels that were no number."""
        self._stream: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            # Its int16 output depends on how the input is cut into chunks; its float32 output does not.
            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality=QUALITY)

    def process(self, block: Block) -> Samples:
        """Return the samples that this block completes, shape (m,); m is 0 while the filter fills."""
        if self._untouched:
            return block.reshape(-1)
        mono = self._mono(block)
        return _to_int16(mono if self._stream is None else self._stream.resample_chunk(mono))

    def flush(self) -> Samples:
        """Return what the filter still holds. The stream is over after that."""
        if self._stream is None:
            return np.zeros(0, dtype=np.int16)
        return _to_int16(self._stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))

    def _mono(self, block: Block) -> npt.NDArray[np.float32]:
        if self._dtype == np.uint8:
            block = block.astype(np.float32) - 128.0
        elif self._dtype.kind == "f":
            block = self._repaired(block)
        if block.ndim == 1:
            return block.astype(np.float32) * np.float32(self._scale)
        # Channel by channel: three times as fast as mean(), and the same for every length of block.
        mix = block[:, 0].astype(np.float32)
        for channel in range(1, block.shape[1]):
            mix += block[:, channel]
        return mix * np.float32(self._scale / block.shape[1])

    def _repaired(self, block: Block) -> Block:
        # The energy is small and finite only when all samples are: one quick pass over a block that is all right.
        flat = block.ravel()
        with np.errstate(all="ignore"):
            if np.dot(flat, flat) < _SANE_ENERGY:
                return block
        finite = np.isfinite(block)
        self.broken_samples += int(block.size - np.count_nonzero(finite))
        # Finite but absurd values would overflow in the mix; eight times full scale clips just the same.
        return np.clip(np.where(finite, block, 0.0), -8.0, 8.0)


def _scale_of(dtype: np.dtype[Any]) -> float:
    """Return what brings a sample type to int16's range."""
    if dtype.kind == "f":
        return _FULL_SCALE
    if dtype == np.uint8:
        return _FULL_SCALE / 128
    if dtype.kind == "i":
        return _FULL_SCALE / 2.0 ** (8 * dtype.itemsize - 1)
    raise ValueError(f"no audio samples: {dtype}")


def _to_int16(samples: npt.NDArray[np.float32]) -> Samples:
    # Plain ufuncs in place: this runs in the device callback, 50 times a second, and finds cold caches each time.
    np.rint(samples, out=samples)
    np.maximum(samples, -_FULL_SCALE, out=samples)
    np.minimum(samples, _FULL_SCALE - 1, out=samples)
    return samples.astype(np.int16)
