"""Hearing without a clock: the detector and the segmenter of the daemon over samples in memory."""

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Detector
from voicebridge.domain.segments import Ended
from voicebridge.domain.units import FRAME_SAMPLES
from voicebridge.domain.utterance import EndReason
from voicebridge.settings import EndpointSettings
from voicebridge.vad.segmenter import Segmenter


def heard(samples: Samples, detector: Detector, endpoint: EndpointSettings) -> list[Ended]:
    """Return the utterances that the daemon would make of samples, in order. The detector forgets what came before."""
    detector.reset()
    segmenter = Segmenter(endpoint)
    ended: list[Ended] = []
    for start in range(0, len(samples), FRAME_SAMPLES):
        frame = samples[start : start + FRAME_SAMPLES]
        valid = len(frame)
        if valid < FRAME_SAMPLES:
            frame = np.concatenate((frame, np.zeros(FRAME_SAMPLES - valid, np.int16)))
        level = float(np.sqrt(np.mean(frame.astype(np.float64) ** 2)))
        events = segmenter.push(start, valid, detector.is_speech(frame), level)
        ended += [event for event in events if isinstance(event, Ended)]
    ended += [event for event in segmenter.finish(EndReason.END_OF_STREAM) if isinstance(event, Ended)]
    return ended
