"""Transcripts as they come from household commands, the same each time."""

from random import Random

from voicebridge.domain.audio import Span
from voicebridge.domain.units import seconds_to_samples
from voicebridge.domain.utterance import EndedUtterance, EndReason, Outcome, Status, Transcript, UtteranceKey, Word
from voicebridge_bench.components.scratch_state import NOON
from voicebridge_bench.recipe.grammar import sentence

SEED = 7000
WORD_SECONDS = 0.3
SPEECH_SECONDS = 2.0
TURN_SECONDS = 10.0
"""From the start of one utterance to that of the next."""


class Texts:
    """Sentences, one after the other."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = Random(seed)  # noqa: S311 - for variety, not for secrets

    def next(self) -> str:
        """Return the next one."""
        return sentence(self._random)


def some_words(count: int) -> str:
    """Return so many words of sentences."""
    source, words = Texts(), list[str]()
    while len(words) < count:
        words += source.next().split()
    return " ".join(words[:count])


def transcript(text: str, start_sample: int = 0) -> Transcript:
    """Return what an engine would make of it: each word with its place and probability."""
    length = seconds_to_samples(WORD_SECONDS)
    words = tuple(
        Word(word, start_sample + number * length, start_sample + (number + 1) * length, 0.9)
        for number, word in enumerate(text.split())
    )
    return Transcript(
        text=text,
        engine="whisper",
        model="bench",
        decode_ms=500.0,
        language="en",
        words=words,
        avg_logprob=-0.2,
        no_speech_prob=0.01,
        compression_ratio=1.1,
        temperature=0.0,
        encoder_passes=1,
    )


def outcome(utterance_id: int, heard: Transcript) -> Outcome:
    """Return the outcome of a decode that is believed."""
    return Outcome(utterance_id, Status.DONE, heard)


def ended(session_id: int, number: int) -> EndedUtterance:
    """Return the so-manieth utterance of a session at its endpoint: two seconds of speech every ten."""
    start = seconds_to_samples(number * TURN_SECONDS)
    span = Span(start, start + seconds_to_samples(SPEECH_SECONDS))
    began = NOON + number * TURN_SECONDS
    return EndedUtterance(
        key=UtteranceKey(session_id, start),
        span=span,
        speech=span,
        speech_ratio=0.9,
        reason=EndReason.HANGOVER,
        started_at=began,
        ended_at=began + SPEECH_SECONDS,
    )
