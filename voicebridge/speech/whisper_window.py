"""The encoder's window: the audio that it is given as a log-mel spectrum, and how long that is made.

Whisper was trained on 30 s, and faster-whisper pads whatever it is given to that. CTranslate2 takes less, up to the
length of its table of positions, in a time that grows more than in proportion (docs/performance.md).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FULL_SCALE, samples_to_seconds
from voicebridge.settings.schema import WhisperSettings

FRAMES_PER_SECOND = 100
"""Mel frames; the second convolution of the encoder makes one position of two."""
MAX_SECONDS = 30
"""What the encoder hears at once."""
FULL_FRAMES = MAX_SECONDS * FRAMES_PER_SECOND

Features = npt.NDArray[np.float32]
"""Log-mel spectrum, shape (mel bins, frames)."""


def spectrum(model: Any, audio: Samples) -> Features:
    """Return the spectrum of up to 30 s of audio, as ``WhisperModel.transcribe`` makes it."""
    features: Features = model.feature_extractor(audio.astype(np.float32) / FULL_SCALE)
    # Its last frame is that of the padding.
    return features[:, : min(features.shape[-1] - 1, FULL_FRAMES)]


def window_frames(samples: int, mel_bins: int, settings: WhisperSettings, floor_seconds: float) -> int:
    """Return how many frames the encoder is given for audio of so many samples: an even number, at most 3000.

    With an adaptive window: the audio and the margin, or the floor where that is longer.
    """
    if settings.window == "full":
        return FULL_FRAMES
    seconds = max(samples_to_seconds(samples) + settings.window_margin_seconds, floor_seconds)
    positions = math.ceil(round(seconds * FRAMES_PER_SECOND / 2, 6))
    # CTranslate2 tells a spectrum from what is encoded already by the middle dimension alone (WhisperDecoder's
    # `maybe_encode`): as many positions as mel bins, 1.6 s at 80, and it would encode them a second time, silently.
    if positions == mel_bins:
        positions += 1
    return min(2 * positions, FULL_FRAMES)


def padded(features: Features, frames: int) -> Features:
    """Return a spectrum of exactly so many frames, zeros after its own.

    Zeros are what faster-whisper pads with; they are no silence, which lies lower, but what follows the audio looks in
    a short window then as it does in the full one, and to the models that were trained so.
    """
    from faster_whisper.audio import pad_or_trim

    made: Features = pad_or_trim(features, frames)
    return made
