"""The same work for whoever decodes: how a comparison of times is kept even.

faster-whisper opens ``ctranslate2.models.Whisper``, in `transcribe` as in our engine. Within ``even()`` it gets a model
that writes a fixed number of tokens: every token from end-of-text upwards is suppressed, so that nobody ends early or
runs on, and the bound of length is set to fit. What is handed back is a fixed text of as many tokens with good marks: a
text of random weights would look wrong to every guard and be decoded again. Encoder passes, decodes and tokens are
counted below whoever asks for them, and so is what the same model does with nothing around it (``again``).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from voicebridge.domain.errors import SpeechError

FIRST_WORD = 300
"""Token of a model with random weights from which on there are words; those before are single bytes."""
GOOD_LOGPROB = -0.2


@dataclass(slots=True)
class Tally:
    """What a model was asked for."""

    encoder_passes: int = 0
    decodes: int = 0
    tokens: int = 0

    def less(self, before: "Tally") -> "Tally":
        """Return what came since."""
        return Tally(
            self.encoder_passes - before.encoder_passes, self.decodes - before.decodes, self.tokens - before.tokens
        )


@dataclass(frozen=True, slots=True)
class Generated:
    """What CTranslate2 returns of a decode, as far as it is read."""

    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float = 0.0
    sequences: list[list[str]] = field(default_factory=list)


class EvenModel:
    """A CTranslate2 Whisper model that writes ``tokens`` tokens, whatever it hears."""

    def __init__(self, model: Any, tokens: int) -> None:
        self.tokens = tokens
        self.tally = Tally()
        self.bare = Tally()
        """What ``again`` did."""
        self.features: Any = None
        """What was encoded last."""
        self._model = model
        self._asked: dict[str, Any] = {}
        self._prompt: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, features: Any, **options: Any) -> Any:
        """Encode, counted."""
        self.tally.encoder_passes += 1
        self.features = features
        return self._model.encode(features, **options)

    def generate(self, features: Any, prompts: Sequence[Sequence[int]], **options: Any) -> list[Generated]:
        """Decode to the fixed number of tokens. Raises SpeechError when the model wrote another number."""
        (prompt,) = prompts
        self._prompt = list(prompt)
        self._asked = self._fixed(options)
        written = self._write(features, self.tally)
        ids = list(range(FIRST_WORD, FIRST_WORD + written))
        return [Generated([ids], [GOOD_LOGPROB])]

    def again(self) -> None:
        """Encode and decode what was asked for last, with nothing around it; counted apart.

        Raises SpeechError likewise.
        """
        self.bare.encoder_passes += 1
        self._write(self._model.encode(self.features, to_cpu=False), self.bare)

    def _write(self, encoded: Any, tally: Tally) -> int:
        """Write as was asked for last; return how many tokens. Raises SpeechError when it is another number."""
        (result,) = self._model.generate(encoded, [self._prompt], **self._asked)
        written = len(result.sequences_ids[0])
        if written != self.tokens:
            raise SpeechError(f"The model wrote {written} tokens, and {self.tokens} were to be compared.")
        tally.decodes += 1
        tally.tokens += written
        return written

    def _fixed(self, options: dict[str, Any]) -> dict[str, Any]:
        # Of max_length the text gets half, or what the prompt leaves where that is less (src/models/whisper.cc).
        length = max(2 * self.tokens, self.tokens + len(self._prompt))
        return {
            **options,
            "suppress_tokens": _suppressed(tuple(options.get("suppress_tokens") or ()), self._model.is_multilingual),
            "max_length": length,
        }


_TOKENS = {False: (50_256, 51_864), True: (50_257, 51_865)}
"""The token of the end of text, and how many tokens there are, in the real vocabularies."""


@lru_cache
def _suppressed(asked: tuple[int, ...], multilingual: bool) -> list[int]:
    """Return what is suppressed; remembered, so that it costs whoever is measured nothing."""
    return sorted({token for token in asked if token >= 0} | set(range(*_TOKENS[multilingual])))


@contextmanager
def even(tokens: int) -> Iterator[list[EvenModel]]:
    """Have every Whisper model that is opened within write so many tokens; gives the models in their order."""
    import ctranslate2

    original = ctranslate2.models.Whisper
    opened: list[EvenModel] = []

    def open_even(*arguments: Any, **options: Any) -> EvenModel:
        opened.append(EvenModel(original(*arguments, **options), tokens))
        return opened[-1]

    ctranslate2.models.Whisper = open_even
    try:
        yield opened
    finally:
        ctranslate2.models.Whisper = original


def window_seconds(model: EvenModel) -> float:
    """Return how much audio the encoder was given last, padding included; a frame is 10 ms."""
    return float(np.asarray(model.features.shape)[-1]) / 100
