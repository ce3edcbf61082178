"""Settling: how the work on a pending utterance is committed, and told; by the store writer, for the transcriber."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import UtteranceGoneError
from voicebridge.domain.events import UtteranceSettled, WordsFound
from voicebridge.domain.ports import AudioByIndex, EventSink, WordStore
from voicebridge.domain.utterance import Outcome, PendingUtterance, Status, Transcript, UtteranceKey, Word
from voicebridge.pipeline.gate import judge
from voicebridge.pipeline.recorder import Shelf
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.unsettled import Unsettled
from voicebridge.settings import GateSettings

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class TranscriberCounters:
    """What the transcriber has done since the session began; ``done``, ``rejected`` and ``failed`` are committed."""

    decodes: int = 0
    """Final decodes; speculative and partial ones are counted where they are ordered."""
    done: int = 0
    rejected: int = 0
    failed: int = 0
    errors: int = 0
    errors_in_a_row: int = 0
    """Final decodes that have failed since a text was last delivered."""
    last_error: str = ""
    uncounted_attempts: int = 0
    decode_seconds: float = 0.0
    """Time of the decodes whose text was delivered, with ``audio_seconds`` what they decoded."""
    audio_seconds: float = 0.0
    words_failed: int = 0
    """Utterances whose words could not be found after their text was delivered."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the transcriber reads from and writes to."""

    session_id: int
    audio: AudioByIndex
    shelf: Shelf
    writer: StoreWriter
    clock: SessionClock
    unsettled: Unsettled = field(default_factory=Unsettled)
    """What the recorder has ended and this settles."""
    monotonic: Callable[[], float] = time.monotonic

    def audio_of(self, pending: PendingUtterance) -> Samples:
        """Return the audio from the ring while it is there, else from the spool. Raises StoreError."""
        key = pending.ended.key
        if key.session_id == self.session_id:
            samples = self.audio.copy(pending.ended.span)
            if samples is not None:
                return samples
        return self.shelf.spool.read(key)


class Settling:
    """Hands to the store writer what became of utterances. Every call returns at once."""

    def __init__(self, desk: Desk, events: EventSink, counters: TranscriberCounters) -> None:
        self._desk = desk
        self._events = events
        self._counters = counters

    def deliver(self, pending: PendingUtterance, transcript: Transcript, limits: GateSettings) -> threading.Event:
        """Have a transcript committed, believed or not; what is returned is set when it is, and was published."""
        reasons = judge(transcript, pending.ended.speech_ratio, limits)
        status = Status.REJECTED if reasons else Status.DONE
        return self._settle(
            pending.ended.key,
            Outcome(pending.utterance_id, status, transcript, reasons, self._speech_end(pending)),
        )

    def give_up(self, pending: PendingUtterance, reason: str) -> None:
        """Have an utterance committed as failed."""
        self._settle(pending.ended.key, Outcome(pending.utterance_id, Status.FAILED, None, (reason,)))

    def add_words(self, utterance_id: int, words: Sequence[Word]) -> None:
        """Have the words of a settled utterance committed, and published once they are.

        Its text is committed before and its audio let go with that: a process that is killed between the two has the
        text and never the words. The next start counts them (Recovery.without_words).
        """
        store = self._desk.shelf.utterances
        if not words or not isinstance(store, WordStore):
            return
        found = WordsFound(utterance_id, tuple(words), sum(word.probability for word in words) / len(words))

        def commit() -> None:
            if store.add_words(utterance_id, found.words):
                self._events.publish(found)

        if not self._desk.writer.offer(commit):
            self._counters.words_failed += 1
            logger.error("the words of utterance %d are lost: the store takes nothing more", utterance_id)

    def forget(self, key: UtteranceKey) -> None:
        """Note that an utterance waits no more; those of earlier sessions were never noted."""
        if key.session_id == self._desk.session_id:
            self._desk.unsettled.settled(key.start_sample)

    def _speech_end(self, pending: PendingUtterance) -> float | None:
        same_session = pending.ended.key.session_id == self._desk.session_id
        return self._desk.clock.monotonic_of(pending.ended.speech.end) if same_session else None

    def _settle(self, key: UtteranceKey, outcome: Outcome) -> threading.Event:
        committed = threading.Event()

        def commit() -> None:
            self._commit(key, outcome)
            committed.set()

        if not self._desk.writer.offer(commit):
            logger.error("utterance %d stays pending: the store takes nothing more", outcome.utterance_id)
        return committed

    def _commit(self, key: UtteranceKey, outcome: Outcome) -> None:
        try:
            record = self._desk.shelf.utterances.settle(outcome)
        except UtteranceGoneError:
            self.forget(key)
            raise
        self.forget(key)
        self._counters.done += record.status is Status.DONE
        self._counters.rejected += record.status is Status.REJECTED
        self._counters.failed += record.status is Status.FAILED
        self._events.publish(UtteranceSettled(record))
