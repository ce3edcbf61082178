"""The recorder: carries the audio of open utterances from the ring to the store writer, piece by piece.

It is the listener's hand, runs in the listener's thread and touches no file itself. What the store writer does not take
stays a span of sample indices here and audio in the ring; only when the ring has passed over it is it lost, as a gap.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from voicebridge.domain.audio import Gap, GapReason, Samples, Span
from voicebridge.domain.errors import StoreError
from voicebridge.domain.events import GapNoted, UtteranceStored
from voicebridge.domain.ports import AudioByIndex, EventSink, SessionLog, Spool, UtteranceStore
from voicebridge.domain.units import SAMPLE_BYTES, ms_to_samples
from voicebridge.domain.utterance import EndedUtterance, PendingUtterance, UtteranceKey
from voicebridge.pipeline.gap_limit import GapLimit
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.unsettled import Unsettled

APPEND_SAMPLES = ms_to_samples(500)
"""An open utterance reaches the spool in pieces of this length: a kill loses at most this and what is under way."""
WAIT_SECONDS = 0.5
MAX_HELD_TASKS = 10_000
"""Bound on what waits here for the store writer: 3 MB of small objects, 3000 utterances that it did not take."""

GAPS_MERGED = "gaps_merged"
"""The event in the store that says what rows of merged gaps hide."""


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

    @property
    def audio_bytes(self) -> int:
        return self.span.samples * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class _End:
    ended: EndedUtterance


@dataclass(frozen=True, slots=True)
class _Note:
    gap: Gap


@dataclass(frozen=True, slots=True)
class _Tell:
    merged: str


_Task: TypeAlias = _Append | _End | _Note | _Tell


class Recorder:
    """Spools open utterances and commits ended ones. ``on_pending`` is called after the commit, by the store writer.

    Policy at the bound of what it holds: newer audio is lost, told as one gap that grows; an utterance whose end finds
    no place is made pending at the next start, from what the spool has of it.
    """

    def __init__(
        self,
        audio: AudioByIndex,
        writer: StoreWriter,
        shelf: Shelf,
        events: EventSink,
        on_pending: Callable[[PendingUtterance], None],
    ) -> None:
        self.lost_samples = 0
        """Audio that was heard and could not be stored."""
        self.lost_stretches = 0
        """In how many gaps."""
        self.dropped_tasks = 0
        """Ends and gaps that found no place."""
        self.unsettled = Unsettled()
        """What has ended here and is not settled yet."""
        self._audio = audio
        self._writer = writer
        self._shelf = shelf
        self._events = events
        self._on_pending = on_pending
        self._gaps = GapLimit()
        self._tasks: deque[_Task] = deque()
        self._open: tuple[UtteranceKey, float] | None = None
        self._spooled_to = 0

    @property
    def held_tasks(self) -> int:
        """What the store writer has not taken yet."""
        return len(self._tasks)

    @property
    def gaps_merged(self) -> int:
        """Gaps that share their row with others, because so many came."""
        return self._gaps.merged

    def open(self, key: UtteranceKey, started_at: float) -> None:
        """Begin an utterance; ``started_at`` is the wall time of its first sample."""
        self._open = (key, started_at)
        self._spooled_to = key.start_sample

    def grow(self, to_sample: int) -> None:
        """Tell that the open utterance's audio now reaches to a sample index."""
        if self._open is not None and to_sample - self._spooled_to >= APPEND_SAMPLES:
            self._append(to_sample)
        if self._gaps.busy:
            self._note_rows(*self._gaps.due(to_sample))
        if self._tasks:
            self.flush()

    def end(self, ended: EndedUtterance) -> None:
        """Commit the open utterance as pending."""
        if ended.span.end > self._spooled_to:
            self._append(ended.span.end)
        self._open = None
        self.unsettled.ended(ended.key.start_sample, ended.speech.end)
        self._hold(_End(ended))
        self.flush()

    def note(self, gap: Gap) -> None:
        """Commit a gap; in a storm of them within a second, together with others."""
        self._note_rows(self._gaps.add(gap))
        self.flush()

    def finish(self) -> None:
        """Commit what was held back: nothing more will come."""
        self._note_rows(*self._gaps.finish())
        self.flush()

    def flush(self) -> bool:
        """Hand over what is held, in order, as far as the store writer takes it. True when none is left."""
        while self._tasks:
            if not self._hand_over(self._tasks[0]):
                return False
            self._tasks.popleft()
        return True

    def wait_for_room(self) -> None:
        """Wait until the store writer may take what is held, for half a second at most."""
        first = self._tasks[0] if self._tasks else None
        self._writer.wait_for_room(first.audio_bytes if isinstance(first, _Append) else 0, WAIT_SECONDS)

    def _append(self, to_sample: int) -> None:
        assert self._open is not None
        key, started_at = self._open
        span = Span(self._spooled_to, to_sample)
        last = self._tasks[-1] if self._tasks else None
        if isinstance(last, _Append) and last.key == key:
            last.span = Span(last.span.start, to_sample)
        else:
            self._hold(_Append(key, started_at, span))
        self._spooled_to = to_sample

    def _note_rows(self, rows: Sequence[Gap], merged: str = "") -> None:
        for row in rows:
            self._hold(_Note(row))
        if merged:
            self._hold(_Tell(merged))

    def _hold(self, task: _Task) -> None:
        if len(self._tasks) < MAX_HELD_TASKS:
            self._tasks.append(task)
        elif isinstance(task, _Append):
            self._lose(task.span)
        else:
            self.dropped_tasks += 1

    def _lose(self, span: Span) -> None:
        """Note audio for which there is no place any more, in one gap with what was lost just before it."""
        self.lost_samples += span.samples
        last = self._tasks[-1]
        if isinstance(last, _Note) and last.gap.reason is GapReason.BACKLOG:
            self._tasks.pop()
            span = Span(last.gap.span.start, span.end)
        else:
            self.lost_stretches += 1
        self._tasks.append(_Note(Gap(span, GapReason.BACKLOG)))

    def _hand_over(self, task: _Task) -> bool:
        if isinstance(task, _Append):
            return self._hand_over_audio(task)
        if isinstance(task, _End):
            return self._writer.offer(lambda: self._commit(task.ended))
        if isinstance(task, _Tell):
            return self._writer.offer(lambda: self._shelf.log.add_event(GAPS_MERGED, task.merged))
        return self._writer.offer(lambda: self._commit_gap(task.gap))

    def _hand_over_audio(self, task: _Append) -> bool:
        if not self._writer.wait_for_room(task.audio_bytes, 0):
            return False
        samples = self._audio.copy(task.span)
        if samples is None:
            samples = self._what_is_left(task.span)
        return self._writer.offer(
            lambda: self._shelf.spool.append(task.key, task.started_at, samples), task.audio_bytes
        )

    def _what_is_left(self, span: Span) -> Samples:
        """Return the audio of a span whose head the ring has passed over, with zeros for that; note it as a gap."""
        lost, rest = self._without_head(span)
        self.lost_samples += lost
        self.lost_stretches += 1
        self._tasks.append(_Note(Gap(Span(span.start, span.start + lost), GapReason.BACKLOG)))
        return np.concatenate([np.zeros(lost, np.int16), rest])

    def _without_head(self, span: Span) -> tuple[int, Samples]:
        """Find by halving how many samples at the head are gone; return that count and the rest."""
        gone, held = 0, span.samples
        rest: Samples = np.zeros(0, np.int16)
        while held - gone > 1:
            middle = (gone + held) // 2
            samples = self._audio.copy(Span(span.start + middle, span.end))
            if samples is None:
                gone = middle
            else:
                held, rest = middle, samples
        return held, rest

    def _commit(self, ended: EndedUtterance) -> None:
        try:
            self._shelf.spool.seal(ended.key, ended.span.samples)
        except ValueError as error:
            # A part of it was refused for good, or while we were stopping.
            raise StoreError(
                f"The spool lacks a part of the utterance: {error}.", "The next start recovers what is there."
            ) from error
        pending = self._shelf.utterances.add_pending(ended)
        self._events.publish(UtteranceStored(pending))
        self._on_pending(pending)

    def _commit_gap(self, gap: Gap) -> None:
        self._shelf.log.add_gap(gap)
        self._events.publish(GapNoted(gap))
