"""Delays from the end of speech to the commit of the text, as HDR histograms: of the interval and of the session.

No coordinated omission: an utterance that still waits is counted with its age so far in every snapshot, and with its
whole delay once it is settled. A histogram of settled utterances alone would show its best face exactly while the
engine stands still.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from voicebridge.health.checkpoint import Delay

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

LONGEST_MS = 86_400_000
"""Longer delays count as this: a day."""
SIGNIFICANT_FIGURES = 3
LATELY_SECONDS = 3600.0
LATELY_MOST = 5000
"""Delays of the last hour that are remembered one by one; an hour of one utterance after the other has 4,440."""


class Delays:
    """Any thread may add and ask; one takes snapshots."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lately: deque[tuple[float, float]] = deque(maxlen=LATELY_MOST)
        self._session = _histogram()
        self._interval = _histogram()

    def settled(self, delay_ms: float) -> None:
        """Count an utterance that is settled."""
        with self._lock:
            _record(self._interval, delay_ms)
            self._lately.append((self._monotonic(), delay_ms))

    def lately(self, waiting_ms: Sequence[float]) -> Delay:
        """Return the delays of the last hour: those of a session of weeks do not move any more."""
        since = self._monotonic() - LATELY_SECONDS
        with self._lock:
            settled = [delay_ms for at, delay_ms in self._lately if at >= since]
        every = sorted([*settled, *waiting_ms])
        if not every:
            return Delay(0, 0, None, None, None, None)
        p50, p95, p99 = (every[math.ceil(share * len(every)) - 1] for share in (0.5, 0.95, 0.99))
        return Delay(len(every), len(waiting_ms), p50, p95, p99, every[-1])

    def snapshot(self, waiting_ms: Sequence[float]) -> tuple[Delay, Delay]:
        """Return the delays of the interval, which ends here, and of the session.

        ``waiting_ms`` are the ages of the utterances that are not settled yet, since the end of their speech.
        """
        with self._lock:
            interval, self._interval = self._interval, _histogram()
            self._session.add(interval)
            session = _copy(self._session)
        return self._with(interval, waiting_ms), self._with(session, waiting_ms)

    def session(self, waiting_ms: Sequence[float]) -> Delay:
        """Return the delays of the session so far; the interval goes on."""
        with self._lock:
            every = _copy(self._session)
            every.add(self._interval)
        return self._with(every, waiting_ms)

    def _with(self, histogram: "HdrHistogram", waiting_ms: Sequence[float]) -> Delay:
        for age_ms in waiting_ms:
            _record(histogram, age_ms)
        count = histogram.get_total_count()
        if not count:
            return Delay(0, 0, None, None, None, None)
        p50, p95, p99 = _percentiles(histogram, (50, 95, 99))
        return Delay(count, len(waiting_ms), p50, p95, p99, float(histogram.get_max_value()))


def _histogram() -> "HdrHistogram":
    from hdrh.histogram import HdrHistogram

    return HdrHistogram(1, LONGEST_MS, SIGNIFICANT_FIGURES)


def _percentiles(histogram: "HdrHistogram", percentiles: Sequence[int]) -> list[float]:
    """Return what the histogram's own method does; that walks the counts in Python: 3.5 ms near a day."""
    below = np.cumsum(np.frombuffer(histogram.counts, np.uint64))
    targets = [histogram.get_target_count_at_percentile(percentile) for percentile in percentiles]
    places = np.searchsorted(below, np.array(targets, np.uint64))
    return [
        float(histogram.get_highest_equivalent_value(histogram.get_value_from_index(int(place)))) for place in places
    ]


def _copy(histogram: "HdrHistogram") -> "HdrHistogram":
    copy = _histogram()
    copy.add(histogram)
    return copy


def _record(histogram: "HdrHistogram", delay_ms: float) -> None:
    # An hour that was set back meanwhile must not raise: CLOCK_MONOTONIC never is, but anchors are renewed.
    histogram.record_value(min(max(round(delay_ms), 0), LONGEST_MS))
