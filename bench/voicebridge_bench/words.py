"""Words compared: one normalisation for every figure about words."""

import re

import jiwer


def normalised(text: str) -> str:
    """Return the text in lower case, letters, digits and apostrophes only, words parted by one space."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def words_right(reference: str, heard: str) -> tuple[int, int]:
    """Return how many words of the reference were heard right, and how many it has (jiwer's alignment)."""
    wanted = normalised(reference)
    if not wanted:
        return 0, 0
    figures = jiwer.process_words(wanted, normalised(heard))
    return figures.hits, len(wanted.split())
