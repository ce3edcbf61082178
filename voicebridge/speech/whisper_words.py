"""Words of a whisper transcript: its text as it is stored, and the time of each word."""

import unicodedata
from typing import Any

from voicebridge.domain.units import seconds_to_samples
from voicebridge.domain.utterance import Word

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - the full-width signs are meant
"""Punctuation that belongs to the next or the previous word; both sets as faster-whisper 1.2 has them by default."""


def align(model: Any, tokenizer: Any, encoded: Any, tokens: list[int], frames: int) -> list[dict[str, Any]]:
    """Return faster-whisper's words, with ``word``, ``start``, ``end`` (seconds) and ``probability``."""
    if not any(token < tokenizer.eot for token in tokens):
        return []
    segment = {"seek": 0, "start": 0.0, "end": frames / model.frames_per_second, "tokens": tokens}
    model.add_word_timestamps([[segment]], tokenizer, encoded, frames, PREPENDED, APPENDED, 0.0)
    words: list[dict[str, Any]] = segment["words"]  # put there by add_word_timestamps
    return words


def placed(found: list[dict[str, Any]], start_sample: int, samples: int) -> tuple[Word, ...]:
    """Return faster-whisper's words in the session's sample indices, none outside the audio of so many samples."""
    words = []
    for word in found:
        text = normalised(word["word"])
        first = min(max(seconds_to_samples(float(word["start"])), 0), samples)
        last = min(max(seconds_to_samples(float(word["end"])), first), samples)
        if text:
            words.append(Word(text, start_sample + first, start_sample + last, float(word["probability"])))
    return tuple(words)


def normalised(text: str) -> str:
    """Return text in Unicode's composed form, without loose space."""
    return unicodedata.normalize("NFC", " ".join(text.split()))
