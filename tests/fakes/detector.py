"""A detector that tests script through the audio itself: what is loud is speech."""

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FRAME_SAMPLES, seconds_to_samples

LOUD = 3000
"""Level of ``loud``, far above the threshold."""


class LoudnessDetector:
    """Calls a frame speech when its mean absolute sample reaches a threshold, and holds on for some frames.

    It passes the contract tests of the real detectors.
    """

    def __init__(self, threshold: int = 200, hold_frames: int = 0) -> None:
        self._threshold = threshold
        self._hold_frames = hold_frames
        self._held = 0
        self.frames = 0
        """Frames heard so far."""
        self.resets = 0
        """Calls of ``reset`` so far."""

    def is_speech(self, frame: Samples) -> bool:
        assert frame.shape == (FRAME_SAMPLES,)
        self.frames += 1
        if float(np.abs(frame.astype(np.int32)).mean()) >= self._threshold:
            self._held = self._hold_frames
            return True
        self._held -= 1
        return self._held >= 0

    def reset(self) -> None:
        self.resets += 1
        self._held = 0


def loud(seconds: float) -> Samples:
    """Return audio that the fake calls speech: full of level, the same at each call."""
    samples = np.full(seconds_to_samples(seconds), LOUD, np.int16)
    samples[::2] *= -1
    return samples


def quiet(seconds: float) -> Samples:
    """Return digital silence."""
    return np.zeros(seconds_to_samples(seconds), np.int16)
