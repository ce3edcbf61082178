"""The ring: the fixed buffer between source and pipeline, addressed by sample index; one writer, any readers.

The writer never waits and takes no lock. Before it copies a block it says how far it is about to overwrite
(``_reserved``), afterwards what may be read (``published``, one immutable value). A reader copies first and looks again
after: audio that was overwritten meanwhile is discarded and told as a gap, never returned torn.

A gap takes no room: the samples before it stay until later audio needs their place, however long the gap is.
"""

import threading
import time
from collections.abc import Callable

import numpy as np

from voicebridge.audio.ring_reader import RingReader
from voicebridge.audio.runs import Published, Run
from voicebridge.audio.wakeup import Wakeup
from voicebridge.domain.audio import GapReason, Samples, Span
from voicebridge.domain.units import FRAME_SAMPLES

MAX_RUNS = 256
"""Stretches of audio between gaps that the ring remembers; a reader further behind than that gets one overrun gap."""


class Ring:
    """Implements BlockSink and AudioByIndex; see the module."""

    def __init__(self, capacity_samples: int, clock: Callable[[], float] = time.monotonic) -> None:
        if capacity_samples < 4 * FRAME_SAMPLES:
            raise ValueError(f"a ring of {capacity_samples} samples is shorter than four frames")
        self._buffer: Samples = np.zeros(capacity_samples, dtype=np.int16)
        self._clock = clock
        self._reserved = 0
        """Count of samples stored, with those that are being written now."""
        self.published = Published(0, clock(), (Run(0, 0, GapReason.OVERRUN),))
        """What readers may know; replaced as a whole, by the writer alone."""
        self._registration = threading.Lock()
        self._readers: tuple[RingReader, ...] = ()
        self._awaits_reader = True
        """True until there was a reader: a source may begin earlier and must not overtake the reader to come."""
        self.room = Wakeup()
        """Wakes a source that waits for room; readers do that whenever they move on."""
        self.gap_count = 0
        """Gaps that the writer reported."""
        self.gap_samples = 0
        """Their length."""

    @property
    def capacity_samples(self) -> int:
        """How many samples it holds."""
        return self._buffer.size

    @property
    def written(self) -> int:
        """Sample index after the last sample written."""
        return self.published.written

    def mark(self) -> tuple[int, float]:
        """Return the sample index after the last write and CLOCK_MONOTONIC of that write, as one consistent pair."""
        published = self.published
        return published.written, published.monotonic_seconds

    @property
    def last_write_monotonic(self) -> float:
        """When the writer last wrote (before the first write: when the ring was made)."""
        return self.published.monotonic_seconds

    @property
    def closed(self) -> bool:
        """True once the writer has said that nothing more will come."""
        return self.published.closed

    @property
    def high_water_mark(self) -> int:
        """The furthest that any open reader ever was behind, in samples."""
        return max((reader.high_water_mark for reader in self._readers), default=0)

    @property
    def overrun_samples(self) -> int:
        """Samples that open readers lost because they were too far behind."""
        return sum(reader.overrun_samples for reader in self._readers)

    def write(self, block: Samples) -> None:
        """Take a block, shape (n,). Never blocks."""
        capacity = self._buffer.size
        for start in range(0, len(block), capacity):
            self._write_piece(block[start : start + capacity])

    def write_gap(self, samples: int, reason: GapReason) -> None:
        """Advance the sample index over audio that was lost; readers get the gap in its place."""
        if samples <= 0:
            return
        before = self.published
        self.gap_count += 1
        self.gap_samples += samples
        start = before.written + samples
        run = Run(start, before.runs[-1].lost_before + samples, reason)
        self._publish(Published(start, self._clock(), (*before.runs[-MAX_RUNS + 1 :], run)))

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:
        """Wait until a block of this size overtakes no open reader and none of the audio that it keeps behind it."""
        if samples + FRAME_SAMPLES > self._buffer.size:
            raise ValueError(f"a block of {samples} samples does not fit into a ring of {self._buffer.size}")
        deadline = time.monotonic() + timeout_seconds
        while not self._has_room(samples):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            self.room.prepare()
            if not self._has_room(samples):
                self.room.sleep(remaining)
        return True

    def close(self) -> None:
        """Say that nothing more will come; readers get the rest."""
        now = self.published
        self._publish(Published(now.written, now.monotonic_seconds, now.runs, closed=True))

    def copy(self, span: Span) -> Samples | None:
        """Return a copy of the span with zeros where gaps are, or None when it is no longer (or not yet) held whole."""
        now = self.published
        first = now.run_at(span.start)
        if span.end > now.written or span.samples > self._buffer.size or first < 0:
            return None
        audio: Samples = np.empty(span.samples, dtype=np.int16)
        for number in range(first, now.run_at(span.end) + 1):
            run = now.runs[number]
            start = min(max(span.start, run.start), span.end)
            end = max(start, min(span.end, now.end_of(number)))
            following = now.runs[number + 1].start if number + 1 < len(now.runs) else span.end
            self.copy_stored(start - run.lost_before, audio[start - span.start : end - span.start])
            audio[end - span.start : max(end, min(following, span.end)) - span.start] = 0
        return None if now.stored_before(span.start) < self.oldest_stored() else audio

    def reader(self, start: int | None = None, keep_samples: int | None = None) -> RingReader:
        """Return a reader that begins at a sample index, by default at the oldest that is still held.

        Sources that can wait leave ``keep_samples`` of audio behind the reader untouched, so that it can still be
        copied by index; by default four fifths of the ring (32 s of the smallest that the settings allow, more than the
        longest utterance with its pre-roll).
        """
        now = self.published
        if start is None:
            start = now.index_of(self.oldest_stored())
        if not 0 <= start <= now.written:
            raise ValueError(f"the ring has written {now.written} samples; no reader can begin at {start}")
        keep = self._buffer.size * 4 // 5 if keep_samples is None else keep_samples
        reader = RingReader(self, start, keep)
        with self._registration:
            self._readers = (*self._readers, reader)
            self._awaits_reader = False
        self.room.wake()
        return reader

    def forget(self, reader: RingReader) -> None:
        """Wait for this reader no more; called by ``RingReader.close``."""
        with self._registration:
            self._readers = tuple(other for other in self._readers if other is not reader)
        self.room.wake()

    def _write_piece(self, block: Samples) -> None:
        before = self.published
        lost = before.runs[-1].lost_before
        end = before.written + len(block)
        self._reserved = end - lost
        slot = (before.written - lost) % self._buffer.size
        head = min(len(block), self._buffer.size - slot)
        self._buffer[slot : slot + head] = block[:head]
        self._buffer[: len(block) - head] = block[head:]
        self._publish(Published(end, self._clock(), before.runs))

    def _publish(self, published: Published) -> None:
        self.published = published
        for reader in self._readers:
            if published.written >= reader.wake_at or published.closed:
                reader.wakeup.wake()

    def oldest_stored(self) -> int:
        """Return the count of stored samples that may already be overwritten; read it after a copy, too."""
        return max(self._reserved - self._buffer.size, 0)

    def copy_stored(self, stored: int, target: Samples) -> None:
        """Copy what was stored after this many samples; call ``oldest_stored`` afterwards to know if it was torn."""
        slot = stored % self._buffer.size
        head = min(len(target), self._buffer.size - slot)
        target[:head] = self._buffer[slot : slot + head]
        target[head:] = self._buffer[: len(target) - head]

    def _has_room(self, samples: int) -> bool:
        now = self.published
        end = now.written - now.runs[-1].lost_before + samples
        if self._awaits_reader:
            return end <= self._buffer.size
        return all(end <= now.stored_before(r.position) + r.room_samples(samples) for r in self._readers)
