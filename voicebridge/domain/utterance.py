"""Utterances and transcripts: what is heard and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from voicebridge.domain.audio import Span


class Status(StrEnum):
    """Where an utterance stands."""

    PENDING = "pending"
    """Stored with its audio, not decoded yet."""
    DONE = "done"
    REJECTED = "rejected"
    """Decoded, but the quality gate does not believe the text."""
    FAILED = "failed"
    """Its decode failed or killed the process too often; the audio is kept."""


class EndReason(StrEnum):
    """Why an utterance ended where it did."""

    HANGOVER = "hangover"
    MAX_LENGTH = "max_length"
    GAP = "gap"
    END_OF_STREAM = "end_of_stream"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    """The process died in mid-utterance; this much of it was in the spool."""


@dataclass(frozen=True, slots=True)
class UtteranceKey:
    """Names an utterance from its first sample on, before the store has given it an id."""

    session_id: int
    start_sample: int


@dataclass(frozen=True, slots=True)
class EndedUtterance:
    """What the listener knows of an utterance at its endpoint."""

    key: UtteranceKey
    span: Span
    """The audio that is decoded: pre-roll, speech and tail."""
    speech: Span
    """First to last sample that the detector called speech."""
    speech_ratio: float
    """Share of the span's frames that the detector called speech."""
    reason: EndReason
    started_at: float
    """Wall time of the span's start, seconds since the epoch (UTC); of an unpaced source, when it was heard."""
    ended_at: float
    """Wall time of the span's end, likewise."""


@dataclass(frozen=True, slots=True)
class PendingUtterance:
    """An utterance that is committed with its audio and waits for its decode."""

    utterance_id: int
    ended: EndedUtterance
    attempts: int = 0
    """Decodes begun so far that did not come back."""
    recovered: bool = False
    """True when an earlier process left it behind."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in the session's sample indices and the engine's probability (0 to 1)."""

    text: str
    start_sample: int
    end_sample: int
    probability: float


def confidence_of(words: Sequence[Word]) -> float | None:
    """Return the mean probability of words, or None without any."""
    return sum(word.probability for word in words) / len(words) if words else None


class DecodeKind(StrEnum):
    """What a decode is for."""

    PARTIAL = "partial"
    """Speech goes on; the text is shown and not kept."""
    SPECULATIVE = "speculative"
    """Speech has paused; the text is the final one if it does not resume."""
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What an engine made of an utterance.

    The probabilities are None where an engine has no such figure.
    """

    text: str
    engine: str
    model: str
    decode_ms: float
    language: str | None = None
    language_probability: float | None = None
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    temperature: float | None = None
    encoder_passes: int = 0
    window_seconds: float | None = None
    """Audio that the encoder was given, padding included; None for engines without such a window."""
    fallback: str = ""
    """Why the result of a short window was not believed, so that this is the full window's; empty when it was."""
    kind: DecodeKind = DecodeKind.FINAL
    """When it was decoded: SPECULATIVE, in the hangover, or FINAL, after the endpoint."""

    @property
    def confidence(self) -> float | None:
        """See ``confidence_of``."""
        return confidence_of(self.words)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the decode of a pending utterance ended; what the store keeps of it."""

    utterance_id: int
    status: Status
    transcript: Transcript | None
    reasons: tuple[str, ...] = ()
    """Why it was rejected or failed; empty when done."""
    speech_end_monotonic_seconds: float | None = None
    """When the speech ended on CLOCK_MONOTONIC, so that the delay runs to the commit; None where time does not apply
    (an unpaced file, a recovered utterance)."""


@dataclass(frozen=True, slots=True)
class UtteranceRecord:
    """An utterance as the store holds it."""

    utterance_id: int
    session_id: int
    status: Status
    start_sample: int
    end_sample: int
    started_at: float
    ended_at: float
    speech_ratio: float
    end_reason: EndReason
    attempts: int
    text: str | None
    language: str | None
    words: tuple[Word, ...]
    confidence: float | None
    avg_logprob: float | None
    no_speech_prob: float | None
    compression_ratio: float | None
    engine: str | None
    model: str | None
    decode_ms: float | None
    delay_ms: float | None
    """From the end of speech to the commit of the text."""
    reasons: tuple[str, ...]
    audio_path: str | None
    """The kept audio, if it is kept."""
    settled_sequence: int | None = None
    """Which one it was to be settled, counted over all sessions; one that is decoded again gets a new number."""
    window_seconds: float | None = None
    """See Transcript, as the next two."""
    fallback: str = ""
    kind: DecodeKind = DecodeKind.FINAL

    @property
    def span(self) -> Span:
        """Its sample indices."""
        return Span(self.start_sample, self.end_sample)
