"""Engines that sittings hear with, in place of the plain one."""

import time
from pathlib import Path

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Engine, EngineInfo
from voicebridge.domain.utterance import Transcript
from voicebridge.settings import WhisperSettings
from voicebridge.speech.whisper import WhisperEngine


class NotingEngine(WhisperEngine):
    """Notes when each decode began (CLOCK_MONOTONIC) and how many seconds it took.

    ``decodes`` gets [first sample, began, seconds], ``partial_decodes`` of open utterances [began, seconds].
    """

    def __init__(
        self,
        settings: WhisperSettings,
        model_path: Path,
        decodes: list[list[float]],
        partial_decodes: list[list[float]],
    ) -> None:
        super().__init__(settings, model_path)
        self._decodes, self._partial_decodes = decodes, partial_decodes

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode as always, and note it."""
        began = time.monotonic()
        try:
            return super().decode(audio, start_sample)
        finally:
            self._decodes.append([start_sample, began, time.monotonic() - began])

    def decode_partial(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode as always, and note it."""
        began = time.monotonic()
        try:
            return super().decode_partial(audio, start_sample)
        finally:
            self._partial_decodes.append([began, time.monotonic() - began])


class InstantEngine:
    """Implements Engine: holds a real one, loaded, and says the same at once whatever it is given."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def info(self) -> EngineInfo:
        """The engine inside."""
        return self._engine.info

    def load(self) -> None:
        """Load the engine inside."""
        self._engine.load()

    def decode(self, audio: Samples, start_sample: int) -> Transcript:  # noqa: ARG002 - it hears nothing
        """Return a text."""
        info = self.info
        return Transcript("Turn on the light.", info.engine, info.model, decode_ms=0.0)

    def close(self) -> None:
        """Close the engine inside."""
        self._engine.close()
