"""The Silero detector: a small recurrent network. Tells speech from noise; costs 55 µs a frame, WebRTC 2 µs."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FRAME_SAMPLES
from voicebridge.settings import VadSettings
from voicebridge.vad.silero_model import CHUNK_SAMPLES, CONTEXT_SAMPLES, SileroModel, find_model

_FULL_SCALE = np.float32(1 / 32768)
"""Makes int16 a number from -1 to 1; a power of two, so nothing is rounded."""


class SileroDetector:
    """Silero VAD with its state carried from chunk to chunk, and a hysteresis.

    The network takes chunks of 512 samples, so frames of 320 are collected. A frame gets the decision of the newest
    complete chunk, which ends up to 448 samples (28 ms; 14 ms on average) before the end of the frame.
    Speech begins when the probability reaches ``threshold`` and is over when it falls below ``release``.
    """

    def __init__(self, threshold: float, release: float, model_path: Path | None = None) -> None:
        """Load the network (about 55 ms). Raises DetectorError when there is none or it does not load."""
        self._threshold = threshold
        self._release = release
        self._model = SileroModel(model_path or find_model())
        # The context (the end of the chunk before) and the chunk stand side by side, as the network takes them.
        self._input: npt.NDArray[np.float32] = np.zeros((1, CONTEXT_SAMPLES + CHUNK_SAMPLES), np.float32)
        self._line = self._input[0]
        self._filled = CONTEXT_SAMPLES
        self._probability = 0.0
        self._speaking = False

    @property
    def probability(self) -> float:
        """Probability of speech in the newest complete chunk; 0 before the first."""
        return self._probability

    def is_speech(self, frame: Samples) -> bool:
        """Say whether a frame, shape (320,), is speech."""
        line, filled = self._line, self._filled
        taken = min(FRAME_SAMPLES, line.size - filled)
        np.multiply(frame[:taken], _FULL_SCALE, out=line[filled : filled + taken])
        self._filled = filled + taken
        if self._filled == line.size:
            self._decide()
            self._filled = CONTEXT_SAMPLES + FRAME_SAMPLES - taken
            np.multiply(frame[taken:], _FULL_SCALE, out=line[CONTEXT_SAMPLES : self._filled])
        return self._speaking

    def apply(self, settings: VadSettings) -> bool:
        """Take other thresholds for the next chunk; the state of the network stays. Always True."""
        self._threshold = settings.silero_threshold
        self._release = settings.silero_release
        return True

    def reset(self) -> None:
        """Forget what came before: audio not yet decided on, context, network state and decision."""
        self._model.reset()
        self._line[:] = 0
        self._filled = CONTEXT_SAMPLES
        self._probability = 0.0
        self._speaking = False

    def _decide(self) -> None:
        self._probability = self._model.probability(self._input)
        self._speaking = self._probability >= (self._release if self._speaking else self._threshold)
        self._line[:CONTEXT_SAMPLES] = self._line[CHUNK_SAMPLES:]
