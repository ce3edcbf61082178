"""The guard: reasons not to believe what a short window gave. Pure.

A short window costs a fraction of the full one, and now and then its result: stock models, which have heard nothing but
30 s, are known to repeat themselves, to run on, or to say nothing. What may be such a result is decoded again with the
full window, as it would have been without short ones. A doubt that was not needed costs time, a missing one a text:
the limits are faster-whisper's own for what it decodes again. What the quality gate would reject by the settings in
force is doubted too, so that nothing is rejected of which the full window was not asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from voicebridge.domain.text import longest_repetition
from voicebridge.domain.utterance import Transcript

Gate: TypeAlias = Callable[[Transcript], Sequence[str]]
"""Gives reasons to reject a transcript, the first word of each a name; those after a colon may hold its text."""

MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
"""Both as openai/whisper and faster-whisper have them (``compression_ratio_threshold``, ``log_prob_threshold``): a
result beyond them is decoded again at a higher temperature there, because it is seldom what was said."""
MAX_NO_SPEECH_PROB = 0.6
"""Likewise (``no_speech_threshold``). The detector has heard speech, so one of the two is wrong."""
MIN_LANGUAGE_PROBABILITY = 0.5
"""Likewise (``language_detection_threshold``): a language that was detected, and not with much conviction."""
LONGEST_PHRASE = 12
"""Phrases of up to so many words are looked for; the last sentence once more is how short windows begin to loop."""
PHRASE_WORDS = 3
"""From this length on, twice in a row is a doubt: people seldom say so much twice without a pause. Shorter ones are
found in that: six equal words are three twice, four pairs four twice; the gate rejects rows of eight and four."""


class DoubtCode(StrEnum):
    """What a doubt is about: the word that it is counted under."""

    EMPTY = "empty"
    NO_END = "no_end"
    REPETITION = "repetition"
    COMPRESSION_RATIO = "compression_ratio"
    AVG_LOGPROB = "avg_logprob"
    NO_SPEECH_PROB = "no_speech_prob"
    LANGUAGE = "language"
    GATE = "gate"
    """The quality gate would reject it, by settings that are stricter than these limits."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the guard looks at; None where there is no such figure."""

    text: str
    finished: bool
    """Whether the decoder wrote its end token within what it may write."""
    avg_logprob: float | None
    compression_ratio: float | None
    no_speech_prob: float | None
    language_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a result is not believed. Its words hold none of the text: they are logged."""

    code: DoubtCode
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code.value} {self.detail}".rstrip()


def doubt(attempt: Attempt) -> Doubt | None:
    """Return the first reason not to believe an attempt, None when it is believed."""
    if not attempt.text:
        return Doubt(DoubtCode.EMPTY)
    if not attempt.finished:
        return Doubt(DoubtCode.NO_END)
    return (
        _repetition(attempt.text)
        or _above(DoubtCode.COMPRESSION_RATIO, attempt.compression_ratio, MAX_COMPRESSION_RATIO)
        or _below(DoubtCode.AVG_LOGPROB, attempt.avg_logprob, MIN_AVG_LOGPROB)
        or _above(DoubtCode.NO_SPEECH_PROB, attempt.no_speech_prob, MAX_NO_SPEECH_PROB)
        or _below(DoubtCode.LANGUAGE, attempt.language_probability, MIN_LANGUAGE_PROBABILITY)
    )


def doubt_of_gate(transcript: Transcript, gate: Gate) -> Doubt | None:
    """Return the first reason of the quality gate not to believe a transcript, None when it does."""
    reasons = gate(transcript)
    return Doubt(DoubtCode.GATE, reasons[0]) if reasons else None


def _repetition(text: str) -> Doubt | None:
    count, phrase = longest_repetition(text, shortest=PHRASE_WORDS, longest=LONGEST_PHRASE)
    if count == 1:
        return None
    return Doubt(DoubtCode.REPETITION, f"of {len(phrase)} words {count} times in a row")


def _above(code: DoubtCode, value: float | None, limit: float) -> Doubt | None:
    return Doubt(code, f"{value:.2f} above {limit:g}") if value is not None and value > limit else None


def _below(code: DoubtCode, value: float | None, limit: float) -> Doubt | None:
    return Doubt(code, f"{value:.2f} below {limit:g}") if value is not None and value < limit else None
