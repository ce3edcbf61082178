"""What only a stretch of time can tell: clipping, a signal that stays low, a backlog that does not shrink. Pure.

A sample is taken at each look, once a second or so. Every window is short enough that what has begun or ended is told
within ten seconds.
"""

from collections import deque
from dataclasses import dataclass

CLIPPING_SECONDS = 6.0
"""Time over which the share of clipped samples is taken; as long after the last one it is taken back."""
BACKLOG_SECONDS = 8.0
"""A backlog shrinks when its highest value in this time is below that in the same time before: single decodes make it
jump, and a saw-tooth that comes back to its height does not shrink."""
THROTTLE_SECONDS = 6.0
"""A processor that has counted a throttling within this time is throttled."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The counts at one look; they only grow, but for the backlog."""

    frames: int = 0
    loud_frames: int = 0
    """Frames that were not low."""
    samples: int = 0
    clipped: int = 0
    backlog_seconds: float = 0.0
    throttlings: int = 0
    decode_errors: int = 0
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Trend:
    """What follows."""

    low_frames: int = 0
    """Frames since one was loud; silence that we made ourselves (mute) does not count."""
    clipped_share: float = 0.0
    backlog_shrinks: bool = True
    throttled: bool = False
    decode_error_seconds: float = 0.0
    """Since a decode failed last; 0 before the first."""


class Trends:
    """Takes samples; used by one thread."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, Sample]] = deque()
        self._low_since_frame = 0
        self._errors = 0
        self._error_at: float | None = None

    def take(self, sample: Sample, now: float) -> Trend:
        """Take a sample at ``now`` (CLOCK_MONOTONIC), and return what follows from it and those before."""
        if not self._taken or sample.muted or sample.loud_frames != self._taken[-1][1].loud_frames:
            self._low_since_frame = sample.frames
        if sample.decode_errors != self._errors:
            self._errors, self._error_at = sample.decode_errors, now
        self._taken.append((now, sample))
        while now - self._taken[0][0] > 2 * BACKLOG_SECONDS:
            self._taken.popleft()
        return Trend(
            low_frames=sample.frames - self._low_since_frame,
            clipped_share=self._clipped_share(now),
            backlog_shrinks=self._backlog_shrinks(now),
            throttled=sample.throttlings > self._since(now, THROTTLE_SECONDS)[0].throttlings,
            decode_error_seconds=0.0 if self._error_at is None else now - self._error_at,
        )

    def _since(self, now: float, seconds: float) -> list[Sample]:
        return [sample for at, sample in self._taken if now - at <= seconds]

    def _clipped_share(self, now: float) -> float:
        window = self._since(now, CLIPPING_SECONDS)
        samples = window[-1].samples - window[0].samples
        return (window[-1].clipped - window[0].clipped) / samples if samples > 0 else 0.0

    def _backlog_shrinks(self, now: float) -> bool:
        newer = [s.backlog_seconds for at, s in self._taken if now - at <= BACKLOG_SECONDS]
        older = [s.backlog_seconds for at, s in self._taken if now - at > BACKLOG_SECONDS]
        return bool(older) and max(newer) < max(older)
