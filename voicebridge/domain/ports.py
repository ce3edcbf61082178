"""Ports: what the pipeline needs of the parts around it, named for the need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from voicebridge.domain.audio import Frame, Gap, GapReason, Samples, Span
from voicebridge.domain.capture import CaptureReport
from voicebridge.domain.events import Event
from voicebridge.domain.segments import SegmenterEvent
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.utterance import (
    EndedUtterance,
    EndReason,
    Outcome,
    PendingUtterance,
    Transcript,
    UtteranceKey,
    UtteranceRecord,
    Word,
)

SettingsT_contra = TypeVar("SettingsT_contra", contravariant=True)


@runtime_checkable
class Tunable(Protocol[SettingsT_contra]):
    """What can take other settings while it runs: an addition to Detector, Segmenter and Engine for those that can."""

    def apply(self, settings: SettingsT_contra) -> bool:
        """Go by other settings from now on, as far as they can change; called by the thread that uses it.

        False when something is under way that keeps to what it began with: ask again later. Raises VoicebridgeError,
        and changes nothing, when the settings cannot be used.
        """
        ...


class BlockSink(Protocol):
    """Where a source puts what it captures; one writer."""

    def write(self, block: Samples) -> None:
        """Take a block, shape (n,). Never blocks."""
        ...

    def write_gap(self, samples: int, reason: GapReason) -> None:
        """Advance the sample index over audio that was lost."""
        ...

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:
        """Wait until a block of this size overtakes no reader; for sources that can wait (files, standard input)."""
        ...

    def close(self) -> None:
        """Say that nothing more will come."""
        ...


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source is: ``name`` for people, and whether its samples arrive at the pace of time."""

    kind: str
    """``microphone``, ``file`` or ``stdin``."""
    name: str
    paced: bool
    duration_seconds: float | None = None
    """Length of a file, once it was opened and where it can be told."""


class Source(Protocol):
    """Where audio comes from."""

    @property
    def info(self) -> SourceInfo:
        """What it is."""
        ...

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver from a thread of its own. Raises AudioError when it cannot begin."""
        ...

    def stop(self) -> None:
        """Stop delivering; returns within two seconds. Calling it twice is harmless."""
        ...

    def error(self) -> Exception | None:
        """Return what ended the delivery, if it was a fault."""
        ...

    def report(self) -> CaptureReport:
        """Return how it is now. Never blocks; any thread may ask."""
        ...


class AudioByIndex(Protocol):
    """Audio that can be read again by sample index while the ring still holds it."""

    def copy(self, span: Span) -> Samples | None:
        """Return a copy of the span, or None when it is no longer (or not yet) held."""
        ...


class FrameReader(Protocol):
    """The listener's way to the ring."""

    def read(self, timeout_seconds: float, at_least_samples: int = 0) -> "Frame | Gap | None":
        """Return the next frame, or a gap that stands before it, or None when the time is up or the end is reached.

        When it has to wait, it may wait until ``at_least_samples`` are there, to be woken less often.
        """
        ...

    @property
    def ended(self) -> bool:
        """True once the writer has closed and everything was read."""
        ...

    @property
    def lag_samples(self) -> int:
        """How far the reader is behind the writer."""
        ...


class Detector(Protocol):
    """Voice activity detection, frame by frame."""

    def is_speech(self, frame: Samples) -> bool:
        """Say whether a frame, shape (320,), is speech. Frames come in order, without holes."""
        ...

    def reset(self) -> None:
        """Forget what came before; called at a gap."""
        ...


class Segmenter(Protocol):
    """Turns frames into utterances. Pure: the same input always gives the same events, in order."""

    def push(self, start: int, samples: int, is_speech: bool, level: float) -> Sequence[SegmenterEvent]:
        """Take the next frame: its first sample index, its count of valid samples, the detector's word and its level.

        ``level`` is any measure of loudness that grows with it (mean absolute amplitude, say); the cut at the maximum
        length is made where it is lowest. Frames come in order; where audio is missing, ``gap`` stands in.
        """
        ...

    def gap(self, span: Span) -> Sequence[SegmenterEvent]:
        """Take a gap as silence of its length (zeros in the audio); one longer than the hangover ends an utterance."""
        ...

    def set_hangover(self, speech_end: int, hangover_ms: int) -> None:
        """Wait so long in the present pause, if it is the one after the speech that ended there; else do nothing.

        The next pause has the hangover of the settings again.
        """
        ...

    def finish(self, reason: EndReason) -> Sequence[SegmenterEvent]:
        """End what is open: the stream is over, or we stop."""
        ...


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which engine and model decode."""

    engine: str
    model: str


class Engine(Protocol):
    """What decodes. All calls come from one thread."""

    @property
    def info(self) -> EngineInfo:
        """Which engine and model."""
        ...

    def load(self) -> None:
        """Make ready to decode. Raises SpeechError when the model cannot be used."""
        ...

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode an utterance that starts at a sample index. Raises SpeechError when it cannot."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(slots=True)
class WindowCounters:
    """What an engine with windows of several lengths has done; its thread writes, any thread reads."""

    full: int = 0
    """Decodes with the full window at once, after an end or in a pause, thrown away or not."""
    short: int = 0
    """The same with a shorter one first."""
    partial: int = 0
    """Decodes of open utterances."""
    fallbacks: dict[str, int] = field(default_factory=dict)
    """How many of ``short`` were decoded again in full, by the first word of Transcript.fallback; every word is there
    from the start."""


@runtime_checkable
class WindowedEngine(Protocol):
    """An addition to Engine for those that have such windows."""

    @property
    def counters(self) -> WindowCounters | None:
        """What was done since the engine was made; None while there is no such engine."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """An addition to Engine for those that look at their own results, and decode what they doubt at more length."""

    def doubt_also(self, rejects: Callable[[Transcript], Sequence[str]]) -> None:
        """Doubt what this gives reasons against, too, from now on; called by the engine's thread, for each result."""
        ...


@runtime_checkable
class PartialDecoder(Protocol):
    """An addition to Engine for those that can be quicker about an utterance that goes on. Same thread."""

    def decode_partial(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode what an open utterance says so far, as cheaply as can be; empty when it is in doubt.

        Raises SpeechError.
        """
        ...


@runtime_checkable
class WordFinder(Protocol):
    """An addition to Engine for those that can tell a text before the times of its words. Same thread.

    Such an engine's ``decode`` returns no words.
    """

    def find_words(self, transcript: Transcript, audio: Samples, start_sample: int) -> tuple[Word, ...]:
        """Return the words of a transcript that ``decode`` returned for this audio, with their times.

        Cheap for the newest transcript; an older one costs an encoder pass. Empty when the settings want no words.
        Raises SpeechError.
        """
        ...


@dataclass(frozen=True, slots=True)
class TurnEvidence:
    """What is known in a pause when it has to be said whether the sentence is done."""

    text: str
    """The speculative decode's."""
    speech_seconds: float
    fall_db: float
    """See MayEnd."""
    language: str | None = None
    """Of the text, as the engine says it; None where it does not."""


@dataclass(frozen=True, slots=True)
class TurnVerdict:
    """How long a silence is to end the utterance, and why, as a short word (``sentence done``, ``mid-number``)."""

    hangover_ms: int
    reason: str


class TurnDetector(Protocol):
    """Says in a pause whether somebody has finished. Rules, or a model; pure, called by the transcriber's thread."""

    def judge(self, evidence: TurnEvidence) -> TurnVerdict:
        """Say how long to wait. The hangover lies within the bounds that the settings give."""
        ...


class Spool(Protocol):
    """The audio of utterances that have no transcript yet, on disk.

    Every call is durable when it returns. All but ``read`` come from the store writer's thread.
    """

    def append(self, key: UtteranceKey, started_at: float, samples: Samples) -> None:
        """Add audio to an open utterance; the first call opens it. ``started_at`` is its wall time."""
        ...

    def seal(self, key: UtteranceKey, samples: int) -> None:
        """Cut an open utterance to its final length in samples."""
        ...

    def discard(self, key: UtteranceKey) -> None:
        """Delete the audio of an utterance that came to nothing."""
        ...

    def read(self, key: UtteranceKey) -> Samples:
        """Return all audio of an utterance. Raises StoreError when it is not there."""
        ...


class UtteranceStore(Protocol):
    """Commits what is heard. Each call is one durable transaction; all come from the store writer's thread.

    Every call bears repetition and raises StoreError, whose ``transient`` says whether trying again may help. Calls
    with an id raise UtteranceGoneError when the utterance was forgotten meanwhile: nothing is left to do for it then.
    """

    def add_pending(self, ended: EndedUtterance) -> PendingUtterance:
        """Commit an utterance whose audio is sealed in the spool."""
        ...

    def begin_attempt(self, utterance_id: int) -> None:
        """Count a decode that is about to begin."""
        ...

    def return_attempt(self, utterance_id: int) -> None:
        """Take back the count of a decode that an orderly stop cut short."""
        ...

    def settle(self, outcome: Outcome) -> UtteranceRecord:
        """Commit how a decode ended, and let go of the audio if retention says so."""
        ...

    def pending(self, after_id: int, limit: int) -> Sequence[PendingUtterance]:
        """Return pending utterances with a higher id, lowest first."""
        ...


@runtime_checkable
class WordStore(Protocol):
    """An addition to UtteranceStore: keeps the words of an utterance that is settled. Same thread and promises."""

    def add_words(self, utterance_id: int, words: Sequence[Word]) -> bool:
        """Commit the words, and the confidence that is their mean; say whether it has these words now.

        Nothing happens, and False is returned, where the text was replaced or has other words.
        """
        ...


class SessionLog(Protocol):
    """What the store keeps of a session besides its utterances; same thread and promises as UtteranceStore."""

    def add_gap(self, gap: Gap) -> None:
        """Commit a gap."""
        ...

    def add_event(self, kind: str, detail: str) -> None:
        """Commit an event for people and later analysis.

        Its detail holds no text of what was heard: forgetting an utterance leaves events alone.
        """
        ...

    def add_anchor(self, anchor: Anchor) -> None:
        """Commit an anchor, so that wall times can be recomputed."""
        ...


class EventSink(Protocol):
    """Where events are published."""

    def publish(self, event: Event) -> None:
        """Hand an event to every subscriber. Never blocks."""
        ...
