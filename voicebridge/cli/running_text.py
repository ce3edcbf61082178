"""The text of open speech in the last line of a terminal."""

import shutil
import unicodedata

import click

from voicebridge.domain.events import PartialHeard
from voicebridge.domain.text import printable

WIDE = ("W", "F")
"""East Asian widths (Unicode Annex 11) that take two columns."""
MARKS = ("Mn", "Me", "Cf")
"""General categories that take none."""
AROUND = 4
"""Columns of the dots before and after the text."""


def terminal_columns() -> int:
    """Return how many columns the terminal has now."""
    return shutil.get_terminal_size().columns


def running_line(partial: PartialHeard, columns: int) -> str:
    """Return the newest end of what is said that fits into one line; what may still change is dim."""
    room = max(0, columns - 1 - AROUND)
    tentative = _end_of(printable(partial.tentative), room)
    stable = _end_of(printable(partial.stable), room - columns_of(tentative))
    return f"… {stable}" + click.style(f"{tentative} …", dim=True)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in WIDE else 1


def _end_of(text: str, columns: int) -> str:
    """Return the longest end of a text that takes no more than so many columns."""
    for position in range(len(text) - 1, -1, -1):
        columns -= _columns(text[position])
        if columns < 0:
            return text[position + 1 :]
    return text
