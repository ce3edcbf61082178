"""Bounds the rows that a storm of gaps makes (a device that overflows at every block, for hours). Pure.

Its clock is the sample index. The first gaps of a storm get rows of their own; beyond that those of a second share one,
with the outer bounds of them all, and what such rows hide is summed up once a minute, so that nothing is claimed lost
that was heard without a word about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds

BURST_ROWS = 60
"""Rows that a storm gets before its gaps share rows."""
ROW_SAMPLES = SAMPLE_RATE
"""A row more may be written every second: 60 a minute for as long as a storm lasts."""
SUMMARY_SAMPLES = 60 * SAMPLE_RATE
"""A sum of what was merged is told this often."""


@dataclass(slots=True)
class _Shared:
    """Gaps that share a row: their outer bounds, and the reason of the longest."""

    start: int
    end: int
    reason: GapReason
    longest_samples: int = 0
    lost_samples: int = 0
    count: int = 0

    def add(self, gap: Gap) -> None:
        self.end = gap.span.end
        self.count += 1
        self.lost_samples += gap.span.samples
        if gap.span.samples > self.longest_samples:
            self.longest_samples, self.reason = gap.span.samples, gap.reason


@dataclass(slots=True)
class _Summary:
    """What shared rows were written since it was told last."""

    start: int
    end: int
    gaps: int = 0
    rows: int = 0
    lost_samples: int = 0

    def add(self, shared: _Shared) -> None:
        self.end = shared.end
        self.gaps += shared.count
        self.rows += 1
        self.lost_samples += shared.lost_samples

    def __str__(self) -> str:
        lost, span = samples_to_seconds(self.lost_samples), samples_to_seconds(self.end - self.start)
        return (
            f"{self.gaps} gaps with {lost:.2f} s lost in all share {self.rows} rows, "
            f"within {span:.2f} s from sample {self.start} on; what lies between them was heard"
        )


class GapLimit:
    """Takes gaps in order and gives back the rows to write. Holds back at most a second of them."""

    def __init__(self, burst_rows: int = BURST_ROWS) -> None:
        self.merged = 0
        """Gaps that share their row with others."""
        self._most_credit = burst_rows * ROW_SAMPLES
        self._credit_samples = self._most_credit
        self._position = 0
        self._held: _Shared | None = None
        self._summary: _Summary | None = None

    @property
    def busy(self) -> bool:
        """True while it holds something back; only then it needs to be asked for what is due."""
        return self._held is not None or self._summary is not None

    def add(self, gap: Gap) -> Sequence[Gap]:
        """Take the next gap; return the rows that are due."""
        rows = self._due_rows(gap.span.end)
        if self._held is None and self._spend():
            return [*rows, gap]
        if self._held is None:
            self._held = _Shared(gap.span.start, gap.span.end, gap.reason)
        self._held.add(gap)
        return rows

    def due(self, position: int) -> tuple[Sequence[Gap], str]:
        """Return the rows that are due at a sample index, and what shared rows hide if it is time to tell that."""
        rows = self._due_rows(position)
        if self._summary is None or position - self._summary.start < SUMMARY_SAMPLES:
            return rows, ""
        return rows, self._tell()

    def finish(self) -> tuple[Sequence[Gap], str]:
        """Return everything that is held back: no more will come."""
        return self._release(), self._tell()

    def _due_rows(self, position: int) -> list[Gap]:
        self._credit_samples = min(self._most_credit, self._credit_samples + max(position - self._position, 0))
        self._position = max(self._position, position)
        return self._release() if self._held is not None and self._spend() else []

    def _spend(self) -> bool:
        if self._credit_samples < ROW_SAMPLES:
            return False
        self._credit_samples -= ROW_SAMPLES
        return True

    def _release(self) -> list[Gap]:
        held, self._held = self._held, None
        if held is None:
            return []
        if held.count > 1:
            self.merged += held.count
            self._summary = self._summary or _Summary(held.start, held.end)
            self._summary.add(held)
        return [Gap(Span(held.start, held.end), held.reason)]

    def _tell(self) -> str:
        told, self._summary = self._summary, None
        return str(told) if told is not None else ""
