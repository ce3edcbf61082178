"""Ties the sample index of this session to the monotonic and the wall clock."""

import time
from collections.abc import Callable
from typing import Protocol

from voicebridge.domain.audio import Span
from voicebridge.domain.timeline import Anchor, Timeline
from voicebridge.domain.units import samples_to_seconds

STEP_SECONDS = 0.5
"""A wall clock this far from where the newest anchor puts it was set (NTP, by hand), or ran on while the machine was
suspended."""
PAUSE_SECONDS = 1.0
"""At most one anchor in this time is taken for that reason, or because of a gap: gaps can come with every block."""


class StampedRing(Protocol):
    """Something that knows when its newest sample came."""

    def mark(self) -> tuple[int, float]:
        """Return (samples written so far, CLOCK_MONOTONIC of that write)."""
        ...


class SessionClock:
    """The session's timeline. The listener renews it, everyone else asks.

    Of a source that is not paced (a file, a pipe) nobody knows when it was spoken: its wall time is when it was heard.
    """

    def __init__(
        self,
        ring: StampedRing,
        paced: bool,
        anchor_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        realtime: Callable[[], float] = time.time,
    ) -> None:
        self.paced = paced
        self.first_sample_monotonic: float | None = None
        """When sample 0 of a paced source came, on CLOCK_MONOTONIC; None before."""
        self.anchor_seconds = anchor_seconds
        """How often an anchor is taken when there is no other reason; may be changed while it runs."""
        self.put_off = 0
        """Gaps that got no anchor at once, because another had just been taken."""
        self._ring = ring
        self._owed = False
        self._monotonic = monotonic
        self._realtime = realtime
        self._timeline = Timeline(Anchor(0, monotonic(), realtime()))
        self._renewed_at: float | None = None

    def mark(self) -> tuple[int, float]:
        """Return (samples that came so far, CLOCK_MONOTONIC of the newest)."""
        return self._ring.mark()

    def renew_if_due(self) -> Anchor | None:
        """Take a new anchor if one is due, and return it.

        One is due at the first audio, then every ``anchor_seconds``; earlier if one is owed since a gap, or
        the wall clock was set.
        """
        if not self.paced:
            return None
        now = self._monotonic()
        if self._renewed_at is not None:
            age_seconds = now - self._renewed_at
            due_early = age_seconds >= PAUSE_SECONDS and (self._owed or self._was_set(now))
            if not due_early and age_seconds < self.anchor_seconds:
                return None
        return self.renew()

    def renew_after_gap(self) -> Anchor | None:
        """Take a new anchor because audio comes back after a gap; at most one a second, else it is owed until then."""
        if self._renewed_at is None or self._monotonic() - self._renewed_at >= PAUSE_SECONDS:
            return self.renew()
        self._owed = True
        self.put_off += 1
        return None

    def renew(self) -> Anchor:
        """Take a new anchor now."""
        sample_index, monotonic_seconds = self._ring.mark()
        if self.first_sample_monotonic is None:
            self.first_sample_monotonic = monotonic_seconds - samples_to_seconds(sample_index)
            # The source runs before this clock is made: what it captured until now has its time from now, too.
            self._timeline.add(self._anchor(0, self.first_sample_monotonic))
        anchor = self._anchor(sample_index, monotonic_seconds)
        self._timeline.add(anchor)
        self._renewed_at = self._monotonic()
        self._owed = False
        return anchor

    def wall(self, sample_index: int) -> float:
        """Return seconds since the epoch (UTC) at a sample index.

        Of a source that is not paced it is the moment of the question, which is to be asked when the sample is heard.
        """
        return self._timeline.realtime_seconds(sample_index) if self.paced else self._realtime()

    def wall_of_end(self, started_at: float, span: Span) -> float:
        """Return the wall time at which something ended that began at ``started_at``; never before that."""
        # Not the wall clock's word alone: one that was set back meanwhile would have it end before it began.
        return started_at + span.seconds if self.paced else max(started_at, self._realtime())

    def monotonic_of(self, sample_index: int) -> float | None:
        """Return CLOCK_MONOTONIC at a sample index, or None for a source that is not paced."""
        return self._timeline.monotonic_seconds(sample_index) if self.paced else None

    def _was_set(self, now: float) -> bool:
        newest = self._timeline.newest
        expected = newest.realtime_seconds + now - newest.monotonic_seconds
        return abs(self._realtime() - expected) >= STEP_SECONDS

    def _anchor(self, sample_index: int, monotonic_seconds: float) -> Anchor:
        return Anchor(sample_index, monotonic_seconds, self._realtime() - (self._monotonic() - monotonic_seconds))
