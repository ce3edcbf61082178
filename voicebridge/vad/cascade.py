"""The cascade: a cheap detector on each frame, and a good one only where the cheap one hears speech."""

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Detector, Tunable
from voicebridge.domain.units import FRAME_MS, FRAME_SAMPLES
from voicebridge.settings import VadSettings

HISTORY_FRAMES = 320 // FRAME_MS
"""Audio replayed to the judge when it wakes: 320 ms, a whole number of Silero's chunks (10)."""
HOLD_FRAMES = 320 // FRAME_MS
"""Frames for which the judge goes on after the sentry last heard speech."""


class CascadeDetector:
    """A sentry (WebRTC) hears each frame; while it hears speech, and a hold longer, the judge (Silero) decides.

    The judge skips what the sentry calls silence, so its state would not fit what it hears next. Policy: at each waking
    it is reset and hears the history, the newest 320 ms that end with the frame that woke it; while awake it hears
    every frame, so within speech its state is continuous. While it is awake its word alone counts, also for frames
    that the sentry calls silence; asleep, the answer is no.

    Measured against pure Silero, frames with another answer: readings 0.8 %, short human commands 1.8 %, espeak-ng
    1.6 %, espeak-ng in white or pink noise at 15 dB 2.2 and 2.4 %, readings in pink noise at 10 dB 1.0 %, noise alone
    none. 99 % of them stand within 200 ms of an edge of speech; the utterances are as many, with bounds up to
    120 ms apart. Neither more history and hold (up to 1280 ms) nor keeping the old state was better everywhere, and a
    judge that starts anew makes each answer depend on recent audio only. A frame costs 2 to 3 µs in silence and quiet
    noise, 40 to 50 µs in speech with pauses, 65 µs in noise that fools the sentry (Silero alone: 58 µs).
    """

    def __init__(self, sentry: Detector, judge: Detector) -> None:
        self._sentry = sentry
        self._judge = judge
        self._history: Samples = np.zeros((HISTORY_FRAMES, FRAME_SAMPLES), np.int16)
        self._heard = 0
        """Frames since the reset; the newest stands at ``(heard - 1) % HISTORY_FRAMES`` in the history."""
        self._awake_frames = 0
        """Frames for which the judge stays awake."""

    @property
    def awake(self) -> bool:
        """True while the judge listens."""
        return self._awake_frames > 0

    def is_speech(self, frame: Samples) -> bool:
        """Say whether a frame, shape (320,), is speech."""
        self._history[self._heard % HISTORY_FRAMES] = frame
        self._heard += 1
        if self._sentry.is_speech(frame):
            was_awake, self._awake_frames = self.awake, HOLD_FRAMES
            return self._judge.is_speech(frame) if was_awake else self._wake()
        if not self._awake_frames:
            return False
        self._awake_frames -= 1
        return self._judge.is_speech(frame)

    def apply(self, settings: VadSettings) -> bool:
        """Let sentry and judge take other thresholds; what they have heard stays. Always True."""
        for part in (self._sentry, self._judge):
            if isinstance(part, Tunable):
                part.apply(settings)
        return True

    def reset(self) -> None:
        """Forget what came before."""
        self._sentry.reset()
        self._judge.reset()
        self._heard = 0
        self._awake_frames = 0

    def _wake(self) -> bool:
        """Let the judge hear the history, and return its word on the newest frame."""
        self._judge.reset()
        verdict = False
        for number in range(max(self._heard - HISTORY_FRAMES, 0), self._heard):
            verdict = self._judge.is_speech(self._history[number % HISTORY_FRAMES])
        return verdict
