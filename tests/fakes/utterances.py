"""Utterances and transcripts in plain seconds, for tests."""

import numpy as np

from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.units import seconds_to_samples
from voicebridge.domain.utterance import EndedUtterance, EndReason, Outcome, Status, Transcript, UtteranceKey, Word

NOON = 1_700_000_000.0
"""Wall time of sample 0 in these tests."""


def ended(start: float = 1.0, end: float = 3.0, session_id: int = 1) -> EndedUtterance:
    """Return an utterance from one second to another."""
    span = Span(seconds_to_samples(start), seconds_to_samples(end))
    return EndedUtterance(
        key=UtteranceKey(session_id, span.start),
        span=span,
        speech=span,
        speech_ratio=0.75,
        reason=EndReason.HANGOVER,
        started_at=NOON + start,
        ended_at=NOON + end,
    )


def transcript(text: str = "turn on the light", start: float = 1.0) -> Transcript:
    """Return a transcript with one word for every 0.2 s."""
    words = [
        Word(word, seconds_to_samples(start + 0.2 * i), seconds_to_samples(start + 0.2 * i + 0.2), 0.5)
        for i, word in enumerate(text.split())
    ]
    return Transcript(
        text=text,
        engine="whisper",
        model="small",
        decode_ms=120.0,
        language="en",
        language_probability=0.99,
        words=tuple(words),
        avg_logprob=-0.25,
        no_speech_prob=0.01,
        compression_ratio=1.1,
        temperature=0.0,
        encoder_passes=1,
    )


def done(utterance_id: int, text: str = "turn on the light", spoken: float | None = None) -> Outcome:
    """Return the outcome of a decode that went well; ``spoken`` is the end of speech on the monotonic clock."""
    return Outcome(utterance_id, Status.DONE, transcript(text), (), spoken)


def noise(seconds: float, seed: int = 1) -> Samples:
    """Return audio whose bytes occur nowhere by chance."""
    return np.random.default_rng(seed).integers(-20_000, 20_000, seconds_to_samples(seconds), dtype=np.int16)
