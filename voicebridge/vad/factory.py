"""Which detector the settings ask for."""

from voicebridge.domain.ports import Detector
from voicebridge.settings import VadSettings


def build_detector(settings: VadSettings) -> Detector:
    """Build a detector, ready to hear. Silero and the cascade load onnxruntime (about 55 ms, 29 MB).

    Raises DetectorError when the network of Silero cannot be had.
    """
    from voicebridge.vad.cascade import CascadeDetector
    from voicebridge.vad.silero import SileroDetector
    from voicebridge.vad.webrtc import WebrtcDetector

    if settings.mode == "webrtc":
        return WebrtcDetector(settings.webrtc_aggressiveness)
    silero = SileroDetector(settings.silero_threshold, settings.silero_release)
    if settings.mode == "silero":
        return silero
    return CascadeDetector(sentry=WebrtcDetector(settings.webrtc_aggressiveness), judge=silero)
