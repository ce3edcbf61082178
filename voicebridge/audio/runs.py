"""What the ring tells its readers: how far it is written, and in which runs of audio between gaps."""

from bisect import bisect_right
from dataclasses import dataclass

from voicebridge.domain.audio import GapReason


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of audio without a gap, and the gap that stands before it."""

    start: int
    lost_before: int
    """Samples of all gaps before it: sample index minus this is the count of samples really stored."""
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Published:
    """All that readers may know, replaced as one value."""

    written: int
    """Sample index after the last sample that may be read."""
    monotonic_seconds: float
    """When that was written."""
    runs: tuple[Run, ...]
    closed: bool = False

    def run_at(self, index: int) -> int:
        """Return the position of the run that an index lies in or behind; -1 when it is older than all."""
        runs = self.runs
        if index >= runs[-1].start:
            return len(runs) - 1
        return bisect_right(runs, index, key=lambda run: run.start) - 1

    def end_of(self, number: int) -> int:
        """Return the sample index at which a run's audio ends."""
        if number + 1 == len(self.runs):
            return self.written
        run, following = self.runs[number], self.runs[number + 1]
        return following.start - (following.lost_before - run.lost_before)

    def stored_before(self, index: int) -> int:
        """Return how many samples were stored before a sample index."""
        number = max(self.run_at(index), 0)
        return min(index, self.end_of(number)) - self.runs[number].lost_before

    def index_of(self, stored: int) -> int:
        """Return the sample index of what was stored after this many samples; before a gap that stands there."""
        for number, run in enumerate(self.runs):
            if self.end_of(number) - run.lost_before >= stored:
                break
        return max(stored + run.lost_before, run.start)
