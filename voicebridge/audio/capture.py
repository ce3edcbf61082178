"""What the device callback does with a block: resample, write, count; and how it knows what was lost."""

import time
from collections.abc import Callable

import numpy.typing as npt

from voicebridge.audio.resample import Block, Resampler
from voicebridge.domain.audio import GapReason
from voicebridge.domain.ports import BlockSink
from voicebridge.domain.units import SAMPLE_RATE

_DRIFT = 200e-6
"""Most that a sound card's clock runs slow against the system's: crystals are within 100 ppm each."""


class Pace:
    """Compares the samples that came with the time that passed, over all streams of one microphone.

    ``time * rate - samples`` would be constant with perfect clocks and no delay. Blocks come late, never early, so its
    lowest value is the truth; it may rise slowly with the drift of the clocks. What stands above it is missing.
    """

    def __init__(self) -> None:
        self._samples = 0.0
        self._lowest: float | None = None
        self._latest_at: float | None = None

    def silent_seconds(self, now_seconds: float) -> float:
        """Return how long no block had come by then, of any stream; 0 before the very first one."""
        return 0.0 if self._latest_at is None else max(0.0, now_seconds - self._latest_at)

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
        self._latest_at = now_seconds

    def _excess(self, now_seconds: float) -> float:
        return now_seconds * SAMPLE_RATE - self._samples


class Capture:
    """Takes the blocks of one open stream to the sink. ``take`` is called by the sound library's thread."""

    def __init__(
        self,
        sink: BlockSink,
        pace: Pace,
        finished: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._pace = pace
        self.finished = finished
        """Called by the sound library's thread when the stream has ended, for whatever reason."""
        self._clock = clock
        self._resampler: Resampler | None = None
        self._ratio = 1.0
        self._begun_at = clock()
        self._latest_at: float | None = None
        self.live = True
        """Set to False to ignore whatever a stream still delivers."""
        self.overflows = 0
        self.failure: Exception | None = None
        """What the sound library's thread died of, if it is our fault."""

    @property
    def heard(self) -> bool:
        """True once a block has come."""
        return self._latest_at is not None

    @property
    def broken_samples(self) -> int:
        """Samples that were no number."""
        return 0 if self._resampler is None else self._resampler.broken_samples

    def begin(self, rate: int, channels: int, dtype: npt.DTypeLike) -> None:
        """Say what the blocks will be like, before the first one."""
        self._resampler = Resampler(rate, channels, dtype)
        self._ratio = SAMPLE_RATE / rate
        self._begun_at = self._clock()

    def take(self, block: Block, overflowed: bool) -> None:
        """Take a block, shape (n, channels), and whether blocks were dropped before it."""
        if not self.live or self._resampler is None:
            return
        now, samples = self._clock(), len(block) * self._ratio
        if not self.heard:
            self._report(self._pace.missing_samples(now, samples), GapReason.DEVICE_LOST)
        elif overflowed:
            self.overflows += 1
            missing = self._pace.missing_samples(now, samples)
            # Less than a block is the delay that every overflow comes with, not loss.
            self._report(missing if missing > samples else 0, GapReason.OVERFLOW)
        self._pace.arrived(now, samples)
        self._sink.write(self._resampler.process(block))
        self._latest_at = now

    def silent_seconds(self) -> float:
        """Return how long no block has come."""
        return self._clock() - (self._begun_at if self._latest_at is None else self._latest_at)

    def end(self) -> None:
        """Write what the resampler still holds; the stream is closed and its thread gone."""
        if self.live and self.heard and self._resampler is not None:
            self._sink.write(self._resampler.flush())
        self.live = False

    def _report(self, missing: int, reason: GapReason) -> None:
        self._pace.skip(missing)
        self._sink.write_gap(missing, reason)
