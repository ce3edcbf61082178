"""Text that came from outside (speech, device names, files): made harmless for terminals and logs, and compared."""

import re
import unicodedata

_REPLACED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""General categories of control, format (bidirectional marks among them), surrogate and separator characters."""
_KEPT = frozenset("\u200c\u200d")
"""Zero-width (non-)joiners: format characters that change the letters of several scripts and cannot reorder text."""


def as_unicode(text: str) -> str:
    """Return the text with what is no Unicode replaced (parts of file names that are not UTF-8): it can be encoded."""
    return text.encode(errors="replace").decode()


def letters(text: str) -> str:
    """Return the text without its white space, in Unicode's composed form: what a text and its words have in common."""
    return unicodedata.normalize("NFC", "".join(text.split()))


def printable(text: str) -> str:
    """Return the text with control, escape and bidirectional characters replaced by spaces, on one line."""
    return "".join(" " if unicodedata.category(c) in _REPLACED_CATEGORIES and c not in _KEPT else c for c in text)


def longest_repetition(text: str, *, shortest: int = 1, longest: int = 4) -> tuple[int, tuple[str, ...]]:
    """Return how often in a row, at most, the same words follow themselves, and which, in lower case.

    Looked for are sequences of ``shortest`` to ``longest`` words.
    """
    words = tuple(re.findall(r"\w+", text.lower()))
    best: tuple[int, tuple[str, ...]] = (1, ())
    for length in range(shortest, longest + 1):
        for start in range(len(words) - 2 * length + 1):
            ngram = words[start : start + length]
            count = 1
            while words[start + count * length : start + (count + 1) * length] == ngram:
                count += 1
            if count > best[0]:
                best = (count, ngram)
    return best
