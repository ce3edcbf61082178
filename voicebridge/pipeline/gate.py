"""The quality gate: reasons not to believe a transcript. Pure.

Whisper invents text on silence and noise ("Thank you.", "Stop."). Each figure that gives such an invention away has a
limit in the settings; a transcript that breaks one is stored as rejected, with the reason.
"""

import re

from voicebridge.domain.utterance import Transcript
from voicebridge.settings import GateSettings

LONGEST_NGRAM = 4
"""Repetitions are looked for among sequences of one to this many words."""


def judge(transcript: Transcript, speech_ratio: float, limits: GateSettings) -> tuple[str, ...]:
    """Return the reasons to reject a transcript, empty when it is believed."""
    if not transcript.text:
        return ("empty: the engine found no words",)
    return tuple(
        reason
        for reason in (
            _no_speech(transcript, limits),
            _below("avg_logprob", transcript.avg_logprob, limits.avg_logprob),
            _above("compression_ratio", transcript.compression_ratio, limits.compression_ratio),
            _below("speech_ratio", speech_ratio, limits.min_speech_ratio),
            _repetition(transcript.text, limits.repeated_ngrams),
        )
        if reason
    )


def longest_repetition(text: str) -> tuple[int, str]:
    """Return how often in a row, at most, the same one to four words follow themselves, and which words."""
    words = re.findall(r"\w+", text.lower())
    best = (1, "")
    for length in range(1, LONGEST_NGRAM + 1):
        for start in range(len(words) - 2 * length + 1):
            ngram = words[start : start + length]
            count = 1
            while words[start + count * length : start + (count + 1) * length] == ngram:
                count += 1
            if count > best[0]:
                best = (count, " ".join(ngram))
    return best


def _no_speech(transcript: Transcript, limits: GateSettings) -> str:
    probability, logprob = transcript.no_speech_prob, transcript.avg_logprob
    if probability is None:
        return ""
    if probability > limits.no_speech_certain:
        return f"no_speech_prob {probability:.2f} above {limits.no_speech_certain:g}"
    if logprob is not None and probability > limits.no_speech_prob and logprob < limits.no_speech_logprob:
        return (
            f"no_speech_prob {probability:.2f} above {limits.no_speech_prob:g}"
            f" with avg_logprob {logprob:.2f} below {limits.no_speech_logprob:g}"
        )
    return ""


def _below(name: str, value: float | None, limit: float) -> str:
    return f"{name} {value:.2f} below {limit:g}" if value is not None and value < limit else ""


def _above(name: str, value: float | None, limit: float) -> str:
    return f"{name} {value:.2f} above {limit:g}" if value is not None and value > limit else ""


def _repetition(text: str, limit: int) -> str:
    count, ngram = longest_repetition(text)
    # A digit string such as "seven seven seven seven" is speech; one word must repeat twice as often to count.
    bound = limit if " " in ngram else 2 * limit
    return f"repetition: {ngram!r} {count} times in a row" if count >= bound else ""
