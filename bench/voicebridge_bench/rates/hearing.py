"""One way of hearing a file: as a whole, or as the daemon would, through detector, segmenter and quality gate."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.ports import Detector, Engine
from voicebridge.pipeline.gate import judge
from voicebridge.settings import Settings
from voicebridge.vad.factory import build_detector
from voicebridge_bench.accuracy import Heard, decode_whole
from voicebridge_bench.corpora.offline import heard

Mode: TypeAlias = Literal["none", "webrtc", "silero", "cascade"]
MODES: tuple[Mode, ...] = ("none", "webrtc", "silero", "cascade")


def way_of(mode: Mode, settings: Settings) -> Callable[[Engine, Samples], Heard]:
    """Return how a file is heard. ``none`` gives all of it to the engine, and believes what it says.

    Raises DetectorError where the detector cannot run.
    """
    if mode == "none":
        return decode_whole
    detector = detector_of(mode, settings)
    return lambda engine, samples: hear(engine, samples, detector, settings)


def detector_of(mode: Mode, settings: Settings) -> Detector:
    """Return the detector of a mode. Raises DetectorError where it cannot run."""
    return build_detector(settings.vad.model_copy(update={"mode": mode}))


def hear(engine: Engine, samples: Samples, detector: Detector, settings: Settings) -> Heard:
    """Hear a file as the daemon would; what the quality gate rejects says nothing."""
    texts: list[str] = []
    decode_ms = 0.0
    found = heard(samples, detector, settings.endpoint)
    for utterance in found:
        transcript = engine.decode(samples[utterance.span.start : utterance.span.end], utterance.span.start)
        decode_ms += transcript.decode_ms
        if not judge(transcript, utterance.speech_ratio, settings.gate):
            texts.append(transcript.text)
    return Heard(" ".join(texts), decode_ms, len(found), len(found) - len(texts))


def check_length(seconds: float, name: str, mode: Mode) -> None:
    """Raise VoicebridgeError for what no engine takes as one utterance."""
    if mode == "none" and seconds > 30:
        raise VoicebridgeError(
            f"{name} is {seconds:.0f} s long, and without a detector an engine hears 30 s at most.",
            "Measure with --vad cascade, which finds the utterances in it.",
            exit_code=ExitCode.INPUT,
        )
