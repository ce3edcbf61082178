"""Words compared: one normalisation for every figure about words."""

import re

import jiwer

_PUNCTUATION = re.compile(r"[^\w\s']|(?<!\w)'|'(?!\w)|_")


def normalised(text: str) -> str:
    """Return a text as it is compared: lower case, without punctuation, numbers as they are spelled."""
    return " ".join(_PUNCTUATION.sub(" ", text.lower()).split())


def words_right(reference: str, heard: str) -> tuple[int, int]:
    """Return how many words of the reference were heard right, and how many it has (jiwer's alignment)."""
    wanted = normalised(reference)
    if not wanted:
        return 0, 0
    figures = jiwer.process_words(wanted, normalised(heard))
    return figures.hits, len(wanted.split())
