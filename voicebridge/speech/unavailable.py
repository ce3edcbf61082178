"""An engine that cannot be had: the daemon goes on hearing and keeps what it hears as pending."""

from collections.abc import Callable

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import (
    Doubting,
    Engine,
    EngineInfo,
    PartialDecoder,
    Tunable,
    WindowCounters,
    WindowedEngine,
    WordFinder,
)
from voicebridge.domain.utterance import Transcript, Word
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.guard import Gate


class UnavailableEngine:
    """Implements Engine for one that is not there; every use says why.

    With ``choose`` it becomes that engine as soon as there is one: each ``load`` chooses anew until a load succeeds.
    """

    def __init__(
        self, engine: str, model: str, reason: SpeechError, choose: Callable[[], Engine] | None = None
    ) -> None:
        self._info = EngineInfo(engine, model)
        self._reason = reason
        self._choose = choose
        self._engine: Engine | None = None
        self._options: WhisperSettings | None = None
        self._gate: Gate | None = None

    @property
    def info(self) -> EngineInfo:
        """What was asked for, and once it is loaded, what decodes."""
        return self._engine.info if self._engine is not None else self._info

    @property
    def counters(self) -> WindowCounters | None:
        """Those of the engine that is there at last, if it has windows."""
        if isinstance(self._engine, WindowedEngine):
            return self._engine.counters
        return None

    def load(self) -> None:
        """Choose and load an engine. Raises the reason, or the new one, while there is none."""
        if self._engine is not None:
            self._engine.load()
            return
        if self._choose is None:
            raise self._reason
        try:
            engine = self._choose()
            if self._options is not None and isinstance(engine, Tunable):
                engine.apply(self._options)
            if self._gate is not None and isinstance(engine, Doubting):
                engine.doubt_also(self._gate)
            engine.load()
        except SpeechError as error:
            self._reason = error
            raise
        self._engine = engine

    def apply(self, settings: WhisperSettings) -> bool:
        """Hand on settings of a decode; they are kept for an engine that is not there yet. Raises as it does."""
        if isinstance(self._engine, Tunable):
            self._engine.apply(settings)
        self._options = settings
        return True

    def doubt_also(self, rejects: Gate) -> None:
        """Keep it for the engine that is not there yet, which doubts by it."""
        self._gate = rejects

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode, or raise the reason why it cannot."""
        if self._engine is None:
            raise self._reason
        return self._engine.decode(audio, start_sample)

    def decode_partial(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode as the engine does that which goes on, or raise the reason why it cannot."""
        if isinstance(self._engine, PartialDecoder):
            return self._engine.decode_partial(audio, start_sample)
        return self.decode(audio, start_sample)

    def find_words(self, transcript: Transcript, audio: Samples, start_sample: int) -> tuple[Word, ...]:
        """Return the words where the engine finds them after the text; none where they came with it."""
        if isinstance(self._engine, WordFinder):
            return self._engine.find_words(transcript, audio, start_sample)
        return ()

    def close(self) -> None:
        """Give back what it holds."""
        if self._engine is not None:
            self._engine.close()
