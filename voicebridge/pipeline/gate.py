"""The quality gate: reasons not to believe a transcript. Pure.

Whisper invents text on silence and noise ("Thank you.", "Stop."). Each figure that gives such an invention away has a
limit in the settings; a transcript that breaks one is stored as rejected, with the reason.
"""

from voicebridge.domain.text import longest_repetition
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
    count, ngram = longest_repetition(text, longest=LONGEST_NGRAM)
    # A digit string such as "seven seven seven seven" is speech; one word must repeat twice as often to count.
    bound = limit if len(ngram) > 1 else 2 * limit
    # Reasons are logged where words are not (log.transcripts): they name none.
    words = f"{len(ngram)} words" if len(ngram) > 1 else "1 word"
    return f"repetition of {words} {count} times in a row" if count >= bound else ""
