"""The recorder: carries the audio of open utterances from the ring to the store writer, piece by piece.

It is the listener's hand, runs in the listener's thread and touches no file itself. What the store writer does not take
stays a span of sample indices here and audio in the ring; only when the ring has passed over it is it lost, as a gap.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from voicebridge.domain.audio import Gap, GapReason, Samples, Span
from voicebridge.domain.events import GapNoted, UtteranceStored
from voicebridge.domain.ports import AudioByIndex, EventSink, SessionLog, Spool, UtteranceStore
from voicebridge.domain.units import SAMPLE_BYTES, ms_to_samples
from voicebridge.domain.utterance import EndedUtterance, PendingUtterance, UtteranceKey
from voicebridge.pipeline.store_writer import StoreWriter

APPEND_SAMPLES = ms_to_samples(500)
"""An open utterance reaches the spool in pieces of this length: a kill loses at most this and what is under way."""
WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Shelf:
    """The three faces of the store that the recorder writes to."""

    spool: Spool
    utterances: UtteranceStore
    log: SessionLog


@dataclass(slots=True)
class _Append:
    key: UtteranceKey
    started_at: float
    span: Span


@dataclass(frozen=True, slots=True)
class _End:
    ended: EndedUtterance


@dataclass(frozen=True, slots=True)
class _Note:
    gap: Gap


_Task: TypeAlias = _Append | _End | _Note


class Recorder:
    """Spools open utterances and commits ended ones. ``on_pending`` is called after the commit, by the store writer."""

    def __init__(
        self,
        audio: AudioByIndex,
        writer: StoreWriter,
        shelf: Shelf,
        events: EventSink,
        on_pending: Callable[[PendingUtterance], None],
    ) -> None:
        self.lost_samples = 0
        self._audio = audio
        self._writer = writer
        self._shelf = shelf
        self._events = events
        self._on_pending = on_pending
        self._tasks: deque[_Task] = deque()
        self._open: tuple[UtteranceKey, float] | None = None
        self._spooled_to = 0

    @property
    def held_tasks(self) -> int:
        """What the store writer has not taken yet. At most three for each utterance that the ring can hold."""
        return len(self._tasks)

    def open(self, key: UtteranceKey, started_at: float) -> None:
        """Begin an utterance; ``started_at`` is the wall time of its first sample."""
        self._open = (key, started_at)
        self._spooled_to = key.start_sample

    def grow(self, to_sample: int) -> None:
        """Tell that the open utterance's audio now reaches to a sample index."""
        if self._open is not None and to_sample - self._spooled_to >= APPEND_SAMPLES:
            self._append(to_sample)
        if self._tasks:
            self.flush()

    def end(self, ended: EndedUtterance) -> None:
        """Commit the open utterance as pending."""
        if ended.span.end > self._spooled_to:
            self._append(ended.span.end)
        self._open = None
        self._tasks.append(_End(ended))
        self.flush()

    def note(self, gap: Gap) -> None:
        """Commit a gap."""
        self._tasks.append(_Note(gap))
        self.flush()

    def flush(self, wait: bool = False) -> bool:
        """Hand over what is held, in order; with ``wait``, all of it, as room comes. True when none is left."""
        while self._tasks:
            if not self._hand_over(self._tasks[0]):
                if not wait:
                    return False
                self._writer.wait_for_room(APPEND_SAMPLES * SAMPLE_BYTES, WAIT_SECONDS)
                continue
            self._tasks.popleft()
        return True

    def _append(self, to_sample: int) -> None:
        assert self._open is not None
        key, started_at = self._open
        span = Span(self._spooled_to, to_sample)
        last = self._tasks[-1] if self._tasks else None
        if isinstance(last, _Append) and last.key == key:
            last.span = Span(last.span.start, to_sample)
        else:
            self._tasks.append(_Append(key, started_at, span))
        self._spooled_to = to_sample

    def _hand_over(self, task: _Task) -> bool:
        if isinstance(task, _Append):
            return self._hand_over_audio(task)
        if isinstance(task, _End):
            return self._writer.offer(lambda: self._commit(task.ended))
        return self._writer.offer(lambda: self._commit_gap(task.gap))

    def _hand_over_audio(self, task: _Append) -> bool:
        size = task.span.samples * SAMPLE_BYTES
        if not self._writer.wait_for_room(size, 0):
            return False
        samples = self._audio.copy(task.span)
        if samples is None:
            samples = self._silence_for_what_was_lost(task.span)
        return self._writer.offer(lambda: self._shelf.spool.append(task.key, task.started_at, samples), size)

    def _silence_for_what_was_lost(self, span: Span) -> Samples:
        self.lost_samples += span.samples
        gap = Gap(span, GapReason.BACKLOG)
        self._writer.offer(lambda: self._commit_gap(gap))
        return np.zeros(span.samples, np.int16)

    def _commit(self, ended: EndedUtterance) -> None:
        self._shelf.spool.seal(ended.key, ended.span.samples)
        pending = self._shelf.utterances.add_pending(ended)
        self._events.publish(UtteranceStored(pending))
        self._on_pending(pending)

    def _commit_gap(self, gap: Gap) -> None:
        self._shelf.log.add_gap(gap)
        self._events.publish(GapNoted(gap))
