"""An engine that cannot be had: the daemon goes on hearing and keeps what it hears as pending."""

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import EngineInfo
from voicebridge.domain.utterance import Transcript


class UnavailableEngine:
    """Implements Engine; every use says why there is none."""

    def __init__(self, engine: str, model: str, reason: SpeechError) -> None:
        self._info = EngineInfo(engine, model)
        self._reason = reason

    @property
    def info(self) -> EngineInfo:
        """What was asked for."""
        return self._info

    def load(self) -> None:
        """Raise the reason."""
        raise self._reason

    def decode(self, audio: Samples, start_sample: int) -> Transcript:  # noqa: ARG002 - the port's signature
        """Raise the reason."""
        raise self._reason

    def close(self) -> None:
        """Hold nothing, give nothing back."""
