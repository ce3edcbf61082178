"""What the device callback does with a block: resample, write, count; and how it knows what was lost."""

from collections.abc import Callable

import numpy.typing as npt

from voicebridge.audio.rate_meter import RateMeter
from voicebridge.audio.resample import Block, Resampler
from voicebridge.audio.signal_check import SignalCheck
from voicebridge.audio.sleep_watch import Clocks, SleepWatch
from voicebridge.domain.audio import GapReason
from voicebridge.domain.ports import BlockSink
from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples

_DRIFT = 200e-6
"""Most that a sound card's clock runs slow against the system's: crystals are within 100 ppm each."""

LATE_BEGINNING_SECONDS = 5.0
"""What passes before the first block is a gap from here on; an idle PulseAudio source was seen to take 2.2 s."""
HOLE_SECONDS = 0.5
"""No block for longer than this is a hole; what it cost is told once blocks have flowed again for a while."""
_SETTLE_SECONDS = 2.0
"""Blocks that were only held back have all come by then."""


class Pace:
    """Compares the samples that came with the time that passed, over all streams of one microphone.

    ``time * rate - samples`` would be constant with perfect clocks and no delay. Blocks come late, never early, so its
    lowest value is the truth; it may rise slowly with the drift of the clocks. What stands above it is missing.
    """

    def __init__(self) -> None:
        self._samples = 0.0
        self._lowest: float | None = None

    def missing_samples(self, now_seconds: float, arrived_samples: float) -> int:
        """Return how many samples are missing before a block that has just arrived (late ones count as missing)."""
        if self._lowest is None:
            return 0
        return max(0, round(self._excess(now_seconds) - arrived_samples - self._lowest))

    def skip(self, samples: int) -> None:
        """Count samples that were lost."""
        self._samples += samples

    def arrived(self, now_seconds: float, samples: float) -> None:
        """Count samples that came, in units of the pipeline's rate."""
        self._samples += samples
        excess = self._excess(now_seconds)
        self._lowest = excess if self._lowest is None else min(self._lowest + samples * _DRIFT, excess)

    def _excess(self, now_seconds: float) -> float:
        return now_seconds * SAMPLE_RATE - self._samples


class Hole:
    """Measures what a hole in the stream of blocks cost that no overflow was told of (a source was changed, say)."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._before = 0
        self._least = 0

    def lost_samples(self, now_seconds: float, silent_seconds: float, behind: int, behind_before: int) -> int:
        """Take a block's arrival; return what was lost, once that is certain, else 0.

        ``behind`` is how many samples are missing after it, ``behind_before`` the same after the block before it: slow
        clocks and held-back blocks are behind, too, and what counts is how far the hole has set them back for good.
        """
        if silent_seconds > HOLE_SECONDS and self._began is None:
            self._began, self._before, self._least = now_seconds, behind_before, behind
        if self._began is None:
            return 0
        self._least = min(self._least, behind)
        if now_seconds - self._began < _SETTLE_SECONDS:
            return 0
        self._began = None
        lost = self._least - self._before
        return lost if lost > HOLE_SECONDS / 2 * SAMPLE_RATE else 0

    def told(self) -> None:
        """Forget an open hole: what is missing was told otherwise."""
        self._began = None


class Continuity:
    """What the streams of one microphone have in common: time, sleep and what the signal says, over all reopenings."""

    def __init__(self, rate_window_seconds: float = 10.0, clocks: Clocks | None = None) -> None:
        self.clocks = clocks or Clocks()
        self.begun_at = self.clocks.monotonic()
        self.refused = False
        """True once an opening was refused before anything was heard."""
        self.rate_window_seconds = rate_window_seconds
        self.pace = Pace()
        self.sleep = SleepWatch(self.clocks)
        self.signal = SignalCheck()
        self.latest_at: float | None = None
        """When the newest block came, on CLOCK_MONOTONIC."""

    def missing_until(self, now_seconds: float) -> tuple[int, int]:
        """Return how many samples are missing by then: while the machine slept, and while it was awake."""
        if self.latest_at is None:
            return 0, self.missed_before_the_first(now_seconds)
        return seconds_to_samples(self.sleep.suspended_seconds()), self.pace.missing_samples(now_seconds, 0)

    def missed_before_the_first(self, now_seconds: float) -> int:
        """Return how many samples were missed before the first block: a beginning that took long is an outage."""
        waited_seconds = now_seconds - self.begun_at
        deaf = self.refused or waited_seconds > LATE_BEGINNING_SECONDS
        return seconds_to_samples(waited_seconds) if deaf else 0


class Capture:
    """Takes the blocks of one open stream to the sink. ``take`` is called by the sound library's thread."""

    def __init__(
        self,
        sink: BlockSink,
        continuity: Continuity,
        finished: Callable[[], None] = lambda: None,
        reason: GapReason = GapReason.DEVICE_LOST,
    ) -> None:
        self._sink = sink
        self._shared = continuity
        self._reason = reason
        self.finished = finished
        """Called by the sound library's thread when the stream has ended, for whatever reason."""
        self._clock = continuity.clocks.monotonic
        self._resampler: Resampler | None = None
        self._ratio = 1.0
        self._latest_at = self._clock()
        self._meter = RateMeter(continuity.rate_window_seconds)
        self._hole = Hole()
        self._behind = 0
        self.live = True
        """Set to False to ignore whatever a stream still delivers."""
        self.held = False
        """While True blocks are not ours yet: it is not known whether the stream is fed from the right source."""
        self.blocks = 0
        """Blocks that reached the sink."""
        self.overflows = 0
        self.failure: Exception | None = None
        """What the sound library's thread died of, if it is our fault."""

    @property
    def heard(self) -> bool:
        """True once a block has reached the sink."""
        return self.blocks > 0

    @property
    def broken_samples(self) -> int:
        """Samples that were no number."""
        return 0 if self._resampler is None else self._resampler.broken_samples

    @property
    def rate_ratio(self) -> float | None:
        """Samples that came over samples that should have, in the newest full window."""
        return self._meter.ratio

    @property
    def frozen_seconds(self) -> float:
        """How long this stream has brought one and the same thing, which is not silence."""
        return self._shared.signal.frozen_seconds if self.heard else 0.0

    def begin(self, rate: int, channels: int, dtype: npt.DTypeLike) -> None:
        """Say what the blocks will be like, before the first one."""
        self._resampler = Resampler(rate, channels, dtype)
        self._shared.signal.begin(rate, dtype)
        self._ratio = SAMPLE_RATE / rate
        self._latest_at = self._clock()

    def take(self, block: Block, overflowed: bool) -> None:
        """Take a raw block, shape (n, channels), and whether blocks were dropped before it."""
        if not self.live or self._resampler is None:
            return
        now, samples = self._clock(), len(block) * self._ratio
        silent_seconds, self._latest_at = now - self._latest_at, now
        if self.held:
            return
        self._account(now, samples, overflowed)
        shared = self._shared
        shared.pace.arrived(now, samples)
        self._look_for_hole(now, silent_seconds)
        shared.signal.take(block)
        self._meter.arrived(now, samples / SAMPLE_RATE)
        self._sink.write(self._resampler.process(block))
        shared.latest_at = now
        self.blocks += 1

    def silent_seconds(self) -> float:
        """Return how long no block has come, or since it was opened."""
        return self._clock() - self._latest_at

    def end(self) -> None:
        """Write what the resampler still holds; the stream is closed and its thread gone."""
        if self.live and self.heard and self._resampler is not None:
            self._sink.write(self._resampler.flush())
        self.live = False

    def _account(self, now: float, samples: float, overflowed: bool) -> None:
        """Tell what is missing before a block that has just arrived."""
        asleep = self._shared.sleep.suspended_seconds()
        if asleep and self._shared.latest_at is not None:
            # The monotonic clock stood meanwhile, so the pace knows nothing of it.
            self._meter.restart()
            self._sink.write_gap(seconds_to_samples(asleep), GapReason.SUSPEND)
        if self._shared.latest_at is None:
            self._report(max(0, self._shared.missed_before_the_first(now) - round(samples)), self._reason)
        elif not self.heard:
            self._report(self._shared.pace.missing_samples(now, samples), self._reason)
        elif overflowed:
            self.overflows += 1
            missing = self._shared.pace.missing_samples(now, samples)
            # Less than a block is the delay that every overflow comes with, not loss.
            self._report(missing if missing > samples else 0, GapReason.OVERFLOW)

    def _look_for_hole(self, now: float, silent_seconds: float) -> None:
        behind = self._shared.pace.missing_samples(now, 0)
        lost = self._hole.lost_samples(now, silent_seconds if self.heard else 0.0, behind, self._behind)
        self._report(lost, GapReason.OVERFLOW)
        self._behind = behind - lost

    def _report(self, missing: int, reason: GapReason) -> None:
        if missing:
            self._meter.restart()
            self._hole.told()
        self._shared.pace.skip(missing)
        self._sink.write_gap(missing, reason)
