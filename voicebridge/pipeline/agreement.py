"""LocalAgreement-2: which words of a text that is still being said will not change any more.

Source: Machacek, Dabre, Bojar: Turning Whisper into Real-Time Transcription System (IJCNLP-AACL 2023), section 2. Every
decode here begins at the start of the open utterance, so its words are aligned by themselves and not by their times.
Pure: no thread, clock, I/O or log.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

MOST_WORDS = 256
"""Words of one hypothesis that are looked at: nine in each second of the longest utterance (28 s)."""
MOST_LETTERS = 16 * MOST_WORDS
"""Letters of one hypothesis that are looked at, so that no endless word is held."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts that are written without spaces: Thai, Lao, Burmese, Khmer, Kana, Han. Each letter is a word there."""
_WORD = re.compile(rf"\s?(?:[{_UNSPACED}][^\w\s]*|[^\s{_UNSPACED}]+)")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What is known after a decode; ``stable + tentative`` is the text to show."""

    stable: str
    """The words that are committed; of the next one a prefix."""
    tentative: str
    """The rest of the newest hypothesis; begins with a space where one belongs between the two."""
    committed: int
    """How many words this decode has committed."""
    cut: bool
    """True when the hypothesis was longer than is looked at."""


class Agreement:
    """What successive decodes of one open utterance agree on.

    *Committed* are the words that two successive hypotheses both have next after the committed ones; they are compared
    without case and without punctuation at their edges, kept as the newer one writes them, and never change.

    Where a hypothesis disagrees with committed words, its rest begins after that stretch of its beginning which is
    nearest to them by word edit distance; of several, after one that ends with the last committed word, then after the
    one whose length is nearest to theirs, then the longer.

    The punctuation at the very end of a hypothesis stays tentative: Whisper puts a full stop after half a sentence.
    """

    def __init__(self) -> None:
        self._stable = ""
        self._committed: list[str] = []
        self._tail: list[str] = []

    def take(self, text: str) -> Agreed:
        """Take the text of the newest decode."""
        words, ending, cut = words_of(text)
        keys = [compared(word) for word in words]
        rest = _rest_after(self._committed, keys)
        agreed = _common(self._tail, keys[rest:])
        if agreed:
            self._commit(words[rest : rest + agreed], keys[rest : rest + agreed])
        self._tail = keys[rest + agreed :]
        tentative = "".join(words[rest + agreed :])
        if tentative or (keys[-1:] == self._committed[-1:] and not _is_punctuation(self._stable[-1:])):
            tentative += ending
        return Agreed(self._stable, tentative if self._stable else tentative.lstrip(), agreed, cut)

    def _commit(self, words: Sequence[str], keys: Sequence[str]) -> None:
        self._stable = (self._stable + "".join(words)).lstrip()
        self._committed += keys


def words_of(text: str) -> tuple[list[str], str, bool]:
    """Return the words of a text, the punctuation at its end, and whether it was cut at the bounds.

    Each word has the space before it, if there is one; joined, with the punctuation, they are the text with single
    spaces.
    """
    text = " ".join(text.split())
    cut = len(text) > MOST_LETTERS
    text = text[:MOST_LETTERS].rstrip()
    bare = text[: len(text) - _punctuation_at_end(text, or_space=True)]
    words = [match.group() for match in islice(_WORD.finditer(bare), MOST_WORDS)]
    cut = cut or sum(map(len, words)) < len(bare)
    return words, "" if cut else text[len(bare) :], cut


def compared(word: str) -> str:
    """Return a word as it is compared: without case, and without punctuation at its edges unless it is nothing else."""
    word = word.strip().casefold()
    if word.isalnum():
        return word
    end = len(word) - _punctuation_at_end(word)
    start = _punctuation_at_end(word[end - 1 :: -1]) if end else 0
    return word[start:end] or word


def _punctuation_at_end(text: str, *, or_space: bool = False) -> int:
    return sum(1 for _ in takewhile(lambda c: _is_punctuation(c) or (or_space and c == " "), reversed(text)))


def _is_punctuation(letter: str) -> bool:
    return bool(letter) and unicodedata.category(letter).startswith("P")


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many words two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _rest_after(committed: Sequence[str], words: Sequence[str]) -> int:
    """Return how many of the words stand for the committed ones."""
    same = _common(committed, words)
    if same == len(committed):
        return same
    missing = len(committed) - same
    distances = _distances(committed[same:], words[same:])

    def farness(taken: int) -> tuple[int, bool, int, int]:
        ends_otherwise = taken == 0 or words[same + taken - 1] != committed[-1]
        return distances[taken], ends_otherwise, abs(taken - missing), -taken

    return same + min(range(len(distances)), key=farness)


def _distances(committed: Sequence[str], words: Sequence[str]) -> list[int]:
    """Return the edit distance between the committed words and the first 0, 1, 2, ... of the others."""
    row = list(range(len(words) + 1))
    for count, wanted in enumerate(committed, 1):
        left, above_left = count, row[0]
        row[0] = count
        for position, word in enumerate(words, 1):
            above = row[position]
            left = above_left if word == wanted else 1 + min(above, left, above_left)
            above_left, row[position] = above, left
    return row
