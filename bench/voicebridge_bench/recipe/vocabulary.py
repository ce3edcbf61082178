"""The tokenizer: byte-level BPE over the grammar's sentences, then Whisper's special tokens in Whisper's order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from voicebridge.domain.errors import SpeechError

TIMESTAMPS = 1501
"""0.00 to 30.00 s in steps of 0.02 s."""
TIMESTAMP_SECONDS = 0.02
TEXT_TOKENS = 640


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer (of the library `tokenizers`) and the ids that training needs."""

    tokenizer: Any

    def encode(self, text: str) -> list[int]:
        """Return the ids of a sentence; Whisper's sentences begin with a space."""
        ids: list[int] = self.tokenizer.encode(f" {text}", add_special_tokens=False).ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, special ones left out."""
        text: str = self.tokenizer.decode([token for token in ids if token < self.end])
        return text.strip()

    def special(self, name: str) -> int:
        """Return the id of a special token such as ``nospeech``."""
        token: int = self.tokenizer.token_to_id(f"<|{name}|>")
        return token

    def timestamp(self, seconds: float) -> int:
        """Return the id of a moment from 0 to 30 s."""
        return self.special("notimestamps") + 1 + round(seconds / TIMESTAMP_SECONDS)

    @cached_property
    def end(self) -> int:
        """The id of the end token; text tokens are below it."""
        return self.special("endoftext")

    @cached_property
    def size(self) -> int:
        """How many tokens there are."""
        size: int = self.tokenizer.get_vocab_size()
        return size

    def tokens(self) -> list[str]:
        """Return all tokens in the order of their ids."""
        vocabulary: dict[str, int] = self.tokenizer.get_vocab()
        return sorted(vocabulary, key=vocabulary.__getitem__)


def special_tokens(languages: Sequence[str] = ()) -> list[str]:
    """Return Whisper's special tokens in their order (openai/whisper, tokenizer.py)."""
    names = (
        *("endoftext", "startoftranscript", *languages, "translate", "transcribe"),
        *("startoflm", "startofprev", "nospeech", "notimestamps"),
    )
    moments = (f"{step * TIMESTAMP_SECONDS:.2f}" for step in range(TIMESTAMPS))
    return [f"<|{name}|>" for name in (*names, *moments)]


def train(sentences: Iterable[str], text_tokens: int = TEXT_TOKENS) -> Vocabulary:
    """Learn byte pairs from sentences."""
    from tokenizers import trainers
    from tokenizers.pre_tokenizers import ByteLevel

    tokenizer = _byte_level()
    trainer = trainers.BpeTrainer(vocab_size=text_tokens, initial_alphabet=ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator((f" {sentence}" for sentence in sentences), trainer)
    return _with_specials(tokenizer, ())


def load(path: Path) -> Vocabulary:
    """Read a tokenizer.json. Raises SpeechError when it cannot be read."""
    from tokenizers import Tokenizer

    try:
        return Vocabulary(Tokenizer.from_str(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SpeechError(f"Cannot read {path}: {error.strerror}.", "Train first.") from error


def placeholder(languages: Sequence[str] = ()) -> Vocabulary:
    """Return a vocabulary of single bytes with no learned pairs, for models with random weights.

    With languages it is multilingual: CTranslate2 tells that by the empty token of OpenAI's multilingual vocabulary.
    """
    from tokenizers import Tokenizer, models
    from tokenizers.pre_tokenizers import ByteLevel

    words = [*sorted(ByteLevel.alphabet()), *([""] if languages else [])]
    tokenizer = _byte_level(Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, [])))
    return _with_specials(tokenizer, languages)


def _byte_level(tokenizer: Any = None) -> Any:
    from tokenizers import Tokenizer, decoders, models
    from tokenizers.pre_tokenizers import ByteLevel

    tokenizer = tokenizer or Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_specials(tokenizer: Any, languages: Sequence[str]) -> Vocabulary:
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special_tokens(languages)])
    return Vocabulary(tokenizer)
