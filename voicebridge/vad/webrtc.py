"""The WebRTC detector: Gaussian mixtures over six frequency bands. Cheap, and easily fooled by noise."""

import webrtcvad

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge.settings import VadSettings


class WebrtcDetector:
    """Detector of libwebrtc, through webrtcvad-wheels.

    It adapts to the background during its first second or so, and holds on to speech for a few frames after it.
    """

    def __init__(self, aggressiveness: int) -> None:
        """Take the aggressiveness: 0 calls most sounds speech, 3 the fewest."""
        self._aggressiveness = aggressiveness
        self._vad = webrtcvad.Vad(aggressiveness)

    def is_speech(self, frame: Samples) -> bool:
        """Say whether a frame, shape (320,), is speech."""
        return bool(self._vad.is_speech(frame.tobytes(), SAMPLE_RATE))

    def apply(self, settings: VadSettings) -> bool:
        """Take another aggressiveness; what it knows of the background stays. Always True."""
        self._aggressiveness = settings.webrtc_aggressiveness
        self._vad.set_mode(self._aggressiveness)
        return True

    def reset(self) -> None:
        """Forget the background. A new detector is the only way to; it costs less than a microsecond."""
        self._vad = webrtcvad.Vad(self._aggressiveness)
