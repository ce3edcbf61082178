"""The sample index is the only clock of the pipeline; a timeline derives the others from it."""

from bisect import bisect_right
from dataclasses import dataclass

from voicebridge.domain.units import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Anchor:
    """One moment on three clocks: sample index, CLOCK_MONOTONIC and CLOCK_REALTIME (UTC), in seconds."""

    sample_index: int
    monotonic_seconds: float
    realtime_seconds: float


class Timeline:
    """Derives monotonic and wall time from a sample index through the newest anchor before it.

    One thread adds anchors, any thread asks. Sound cards drift (50 ppm is 4.3 s a day), so anchors are renewed every
    minute and at every reopen; only the newest ``capacity`` are kept.
    """

    def __init__(self, first: Anchor, capacity: int = 2048) -> None:
        self._anchors: tuple[Anchor, ...] = (first,)
        self._capacity = capacity

    @property
    def newest(self) -> Anchor:
        """The anchor added last."""
        return self._anchors[-1]

    def add(self, anchor: Anchor) -> None:
        """Add an anchor; one at or before the newest sample index replaces it."""
        kept = self._anchors
        while kept and kept[-1].sample_index >= anchor.sample_index:
            kept = kept[:-1]
        self._anchors = (*kept[-self._capacity + 1 :], anchor)

    def monotonic_seconds(self, sample_index: int) -> float:
        """Return CLOCK_MONOTONIC at a sample index."""
        anchor = self._anchor_of(sample_index)
        return anchor.monotonic_seconds + (sample_index - anchor.sample_index) / SAMPLE_RATE

    def realtime_seconds(self, sample_index: int) -> float:
        """Return seconds since the epoch (UTC) at a sample index."""
        anchor = self._anchor_of(sample_index)
        return anchor.realtime_seconds + (sample_index - anchor.sample_index) / SAMPLE_RATE

    def _anchor_of(self, sample_index: int) -> Anchor:
        anchors = self._anchors
        position = bisect_right(anchors, sample_index, key=lambda anchor: anchor.sample_index)
        return anchors[max(position - 1, 0)]
