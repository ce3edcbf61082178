"""An engine that says what it is told to. Passes tests/contract/test_engines.py like the real ones."""

import threading
from collections.abc import Iterable

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import EngineInfo
from voicebridge.domain.utterance import Transcript, Word

GATE_SECONDS = 30.0
"""A gate that nobody opens fails the test instead of holding it for ever."""


class FakeEngine:
    """Answers decodes from a script, in order; after its end, with ``text``.

    An error in the script is raised. With a ``gate``, each decode sets ``entered`` and waits for the gate to be set.
    ``decoded`` keeps (start sample, count of samples) of each decode begun; ``loads`` and ``closes`` count.
    """

    def __init__(
        self,
        script: Iterable[str | Exception] = (),
        text: str = "turn on the lights",
        gate: threading.Event | None = None,
        load_error: SpeechError | None = None,
    ) -> None:
        self._script = iter(script)
        self._text = text
        self._gate = gate
        self._load_error = load_error
        self._loaded = False
        self.entered = threading.Event()
        self.decoded: list[tuple[int, int]] = []
        self.loads = 0
        self.closes = 0

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("fake", "script")

    def load(self) -> None:
        self.loads += 1
        if self._load_error is not None:
            raise self._load_error
        self._loaded = True

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        if not self._loaded:
            raise SpeechError("The fake engine is not loaded.")
        self.decoded.append((start_sample, len(audio)))
        self._wait_at_gate()
        answer = next(self._script, self._text)
        if isinstance(answer, Exception):
            raise answer
        words = _spread(answer.split() if len(audio) else [], start_sample, len(audio))
        return Transcript(
            text=" ".join(word.text for word in words),
            engine="fake",
            model="script",
            decode_ms=1.0,
            language="en",
            words=words,
            encoder_passes=1,
        )

    def close(self) -> None:
        self.closes += 1
        self._loaded = False

    def _wait_at_gate(self) -> None:
        self.entered.set()
        if self._gate is not None and not self._gate.wait(GATE_SECONDS):
            raise AssertionError("nobody opened the fake engine's gate")


def _spread(texts: list[str], start_sample: int, samples: int) -> tuple[Word, ...]:
    edges = [start_sample + samples * number // max(len(texts), 1) for number in range(len(texts) + 1)]
    return tuple(Word(text, start, end, 0.9) for text, start, end in zip(texts, edges[:-1], edges[1:], strict=True))
