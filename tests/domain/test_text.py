"""Text from outside is made harmless."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.domain.text import letters, longest_repetition, printable

_ANY = st.text(st.characters(codec=None))
_JOINERS = "\u200c\u200d"


@given(_ANY)
def test_nothing_that_controls_a_terminal_or_reorders_text_is_left(text: str) -> None:
    for character in printable(text):
        assert character in _JOINERS or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }


@given(_ANY)
def test_it_is_done_once(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(_ANY)
def test_each_character_keeps_its_place(text: str) -> None:
    cleaned = printable(text)
    assert len(cleaned) == len(text)
    assert all(new in (" ", old) for new, old in zip(cleaned, text, strict=True))


@given(_ANY)
def test_the_result_can_be_written_as_utf8_on_one_line(text: str) -> None:
    cleaned = printable(text)
    cleaned.encode()
    assert len(cleaned.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("USB Mic\x1b[31m", "USB Mic [31m"),
        ("a\r\nb\tc", "a  b c"),
        ("\u202eevil\u2069", " evil "),
        ("C1 \x9b2J", "C1  2J"),
        ("naïve — “quotes” 日本語 🎤", "naïve — “quotes” 日本語 🎤"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        ("lone \ud800 half", "lone   half"),
        ("", ""),
    ],
)
def test_examples(text: str, cleaned: str) -> None:
    assert printable(text) == cleaned


@given(st.text(max_size=40), st.text(" \t\n\u00a0", max_size=5))
def test_a_text_and_its_words_have_the_same_letters(text: str, space: str) -> None:
    assert letters(space.join(text.split())) == letters(text)


@given(st.lists(st.sampled_from("ab"), max_size=12), st.integers(1, 4), st.integers(1, 6))
def test_a_repetition_that_is_told_is_there_and_as_long_as_asked(words: list[str], shortest: int, more: int) -> None:
    count, found = longest_repetition(" ".join(words), shortest=shortest, longest=shortest + more)
    if count > 1:
        assert shortest <= len(found) <= shortest + more
        assert " ".join(found * count) in " ".join(words)
