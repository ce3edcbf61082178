"""What is counted as it is announced: delays, decodes and lengths as histograms, gaps by reason, events by kind."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from voicebridge.domain.audio import GapReason
from voicebridge.domain.events import Event, GapNoted, UtteranceSettled
from voicebridge.domain.utterance import UtteranceRecord

DELAY_SECONDS = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300, 900)
"""Bounds for the delay from the end of speech to its text: fine where a second matters, long for a backlog."""
DECODE_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120)
"""To the default of engine.decode_deadline_seconds."""
LENGTH_SECONDS = (0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30)
"""To the longest endpoint.max_utterance_ms."""
REAL_TIME_FACTORS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
REJECTION_CODES = ("empty", "no_speech_prob", "avg_logprob", "compression_ratio", "speech_ratio", "repetition", "other")
"""First words of the quality gate's reasons (voicebridge.pipeline.gate); anything else counts as ``other``."""
EVENT_TYPES = {event: event.__name__ for event in get_args(Event)}


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram at one moment: how many were at most each bound, and the sum of all."""

    bounds: Sequence[float]
    cumulative: Sequence[int]
    """One longer than the bounds: the last counts all."""
    total: float


class Histogram:
    """Counts values by bounds. Not locked: its owner is."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def distribution(self) -> Distribution:
        """Return it as it is now."""
        cumulative, reached = [], 0
        for count in self._counts:
            reached += count
            cumulative.append(reached)
        return Distribution(self._bounds, tuple(cumulative), self._total)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted since the session began."""

    delay: Distribution
    decode: Distribution
    length: Distribution
    real_time_factor: Distribution
    gaps: Mapping[str, int]
    gap_seconds: Mapping[str, float]
    rejections: Mapping[str, int]
    events: Mapping[str, int]


class Tallies:
    """Counts events. One thread gives them, any thread reads; each call takes some microseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._delay = Histogram(DELAY_SECONDS)
        self._decode = Histogram(DECODE_SECONDS)
        self._length = Histogram(LENGTH_SECONDS)
        self._real_time_factor = Histogram(REAL_TIME_FACTORS)
        # Every label is there from the start, so that a rate over the first of its kind is no hole.
        self._gaps = Counter({reason.value: 0 for reason in GapReason})
        self._gap_seconds = {reason.value: 0.0 for reason in GapReason}
        self._rejections = Counter(dict.fromkeys(REJECTION_CODES, 0))
        self._events = Counter(dict.fromkeys(EVENT_TYPES.values(), 0))

    def heed(self, event: Event) -> None:
        """Count an event."""
        with self._lock:
            self._events[EVENT_TYPES[type(event)]] += 1
            match event:
                case UtteranceSettled(record):
                    self._settled(record)
                case GapNoted(gap):
                    self._gaps[gap.reason.value] += 1
                    self._gap_seconds[gap.reason.value] += gap.span.seconds

    def now(self) -> Tally:
        """Return what was counted so far."""
        with self._lock:
            return Tally(
                delay=self._delay.distribution(),
                decode=self._decode.distribution(),
                length=self._length.distribution(),
                real_time_factor=self._real_time_factor.distribution(),
                gaps=dict(self._gaps),
                gap_seconds=dict(self._gap_seconds),
                rejections=dict(self._rejections),
                events=dict(self._events),
            )

    def _settled(self, record: UtteranceRecord) -> None:
        seconds = record.span.seconds
        self._length.add(seconds)
        if record.delay_ms is not None:
            self._delay.add(record.delay_ms / 1000)
        if record.decode_ms is not None:
            self._decode.add(record.decode_ms / 1000)
            if seconds > 0:
                self._real_time_factor.add(record.decode_ms / 1000 / seconds)
        if record.status == "rejected":
            for reason in record.reasons:
                code = reason.replace(":", " ").split(" ", 1)[0]
                self._rejections[code if code in REJECTION_CODES else "other"] += 1
