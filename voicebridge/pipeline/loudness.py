"""How loud it was: sums that only grow, so that many watchers can take differences and none resets another's."""

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import dbfs

CLIPPED_FROM = 32767
"""Magnitude from which a sample counts as clipped."""
FLOOR_DB = 97
"""Decibels below full scale of what is counted as silence: 16 bits tell 96."""


class Loudness:
    """Counts frames by the height of their peak, squares of samples, clipped samples. One thread adds, any reads."""

    def __init__(self) -> None:
        self.samples = 0
        self.clipped = 0
        self.squares = 0.0
        """Sum of the squares of all samples."""
        self.peaks = [0] * (FLOOR_DB + 1)
        """Frames by how many whole decibels their peak was below full scale; the last one counts silence."""

    def add(self, samples: Samples, valid: int, rms: float) -> None:
        """Count a frame, shape (n,), of which ``valid`` samples are audio; ``rms`` is that of all n."""
        peak = max(int(samples.max()), -int(samples.min()))
        self.samples += valid
        self.squares += rms * rms * len(samples)
        self.peaks[below_full_scale(peak)] += 1
        if peak >= CLIPPED_FROM:
            self.clipped += int(np.count_nonzero((samples >= CLIPPED_FROM) | (samples <= -CLIPPED_FROM)))


def below_full_scale(peak: int) -> int:
    """Return how many whole decibels a magnitude, 0 to 32768, is below full scale; FLOOR_DB for silence."""
    return min(FLOOR_DB, int(-dbfs(peak))) if peak else FLOOR_DB
