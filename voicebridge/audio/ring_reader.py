"""A reader of the ring: frames in order, and gaps where audio was lost."""

import time
from typing import TYPE_CHECKING

import numpy as np

from voicebridge.audio.runs import Run
from voicebridge.audio.wakeup import Wakeup
from voicebridge.domain.audio import Frame, Gap, GapReason, Samples, Span
from voicebridge.domain.units import FRAME_SAMPLES

if TYPE_CHECKING:
    from voicebridge.audio.ring import Ring

RESYNC_SAMPLES = 5 * FRAME_SAMPLES
"""Head start on the writer that an overrun reader takes, so that it is not overrun again at once."""


class RingReader:
    """Implements FrameReader; made by ``Ring.reader``. Used by one thread.

    Frames follow each other without holes. A frame is cut short (``valid`` below 320, the rest zeros) only where a gap
    or the end follows; the frame after a gap begins at the gap's end.
    """

    def __init__(self, ring: "Ring", start: int, keep_samples: int) -> None:
        self._ring = ring
        self._keep_samples = keep_samples
        self.position = start
        """Sample index of what is read next."""
        self.wakeup = Wakeup()
        self.wake_at = 0
        """Sample index from which on the writer wakes this reader."""
        self.high_water_mark = 0
        """The furthest it ever was behind, in samples."""
        self.overrun_samples = 0
        """Samples lost because it was too far behind."""

    @property
    def ended(self) -> bool:
        """True once the writer has closed and everything was read."""
        now = self._ring.published
        return now.closed and self.position >= now.written

    @property
    def lag_samples(self) -> int:
        """How far it is behind the writer."""
        return self._ring.written - self.position

    def read(self, timeout_seconds: float, at_least_samples: int = 0) -> Frame | Gap | None:
        """Return the next frame, or a gap that stands before it, or None when the time is up or the end is reached.

        When it has to wait, it waits until ``at_least_samples`` are there: each wake-up costs more than a frame's work.
        """
        item = self._next()
        if item is not None or timeout_seconds <= 0:
            return item
        deadline = time.monotonic() + timeout_seconds
        self.wake_at = self.position + at_least_samples
        while item is None and not self.ended and (remaining := deadline - time.monotonic()) > 0:
            self.wakeup.prepare()
            item = self._next()
            if item is None and not self.ended:
                self.wakeup.sleep(remaining)
                item = self._next()
        return item

    def close(self) -> None:
        """Let go of the ring: a source no longer waits for this reader. Called by the thread that reads."""
        self._ring.forget(self)

    def room_samples(self, block_samples: int) -> int:
        """Return how many stored samples may stand before the writer's end and behind this reader's position."""
        capacity = self._ring.capacity_samples
        # A reader leaves up to a frame unread while it waits for the rest of it.
        return min(capacity, max(capacity - self._keep_samples, block_samples + FRAME_SAMPLES))

    def _next(self) -> Frame | Gap | None:
        now = self._ring.published
        self.high_water_mark = max(self.high_water_mark, now.written - self.position)
        number = now.run_at(self.position)
        if number < 0:
            return self._advance_over(now.runs[0].start, GapReason.OVERRUN)
        end = now.end_of(number)
        if self.position < end:
            complete = number + 1 < len(now.runs) or now.closed
            return self._frame(now.runs[number], end, complete)
        if number + 1 < len(now.runs):
            following = now.runs[number + 1]
            return self._advance_over(following.start, following.reason)
        return None

    def _frame(self, run: Run, end: int, complete: bool) -> Frame | Gap | None:
        valid = min(FRAME_SAMPLES, end - self.position)
        if valid < FRAME_SAMPLES and not complete:
            return None
        stored = self.position - run.lost_before
        samples: Samples = np.empty(FRAME_SAMPLES, dtype=np.int16)
        self._ring.copy_stored(stored, samples[:valid])
        samples[valid:] = 0
        oldest = self._ring.oldest_stored()
        if stored < oldest:
            head_start = min(RESYNC_SAMPLES, self._ring.capacity_samples // 4)
            return self._advance_over(min(oldest + head_start + run.lost_before, end), GapReason.OVERRUN)
        frame = Frame(self.position, samples, valid)
        self._move_to(frame.end)
        return frame

    def _advance_over(self, end: int, reason: GapReason) -> Gap:
        gap = Gap(Span(self.position, end), reason)
        if reason is GapReason.OVERRUN:
            self.overrun_samples += gap.span.samples
        self._move_to(end)
        return gap

    def _move_to(self, position: int) -> None:
        self.position = position
        self._ring.room.wake()
