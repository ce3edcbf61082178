"""Speculation: decodes in a pause, whose result is the final text if speech does not go on.

The listener says where a pause may be the end, that speech went on, and where it really ended; the transcriber takes
the order, brings the result, and claims it when the utterance is committed and its turn has come. A result is told by
session, first and last sample: it is given out once, for that very audio, or never.
"""

import threading
from dataclasses import dataclass

from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.segments import MayEnd
from voicebridge.domain.utterance import Transcript, UtteranceKey

MAX_RESULTS = 4
"""Results that wait for the commit of their utterance: more are there only while the store is slow. 0.9 MB each at
most. At the bound the oldest goes, and its utterance is decoded when its turn comes."""


@dataclass(frozen=True, slots=True)
class Order:
    """A pause that may be the end of an utterance."""

    key: UtteranceKey
    pause: MayEnd
    given_seconds: float
    """When it was given, on the clock of whoever gave it."""

    @property
    def span(self) -> Span:
        """The audio to decode."""
        return self.pause.span


@dataclass(frozen=True, slots=True)
class Result:
    """What a speculative decode brought."""

    order: Order
    transcript: Transcript
    audio: Samples
    seconds: float
    """How long it took."""


@dataclass(slots=True)
class SpeculationCounters:
    """What became of speculation since the session began."""

    ordered: int = 0
    started: int = 0
    decoded: int = 0
    """Decodes that came back, delivered or not."""
    dropped: int = 0
    """Orders that were not begun: speech went on, a final waited, a newer order came first, or audio was gone."""
    not_worthwhile: int = 0
    """Orders that were not begun because they would have taken too long, or their hangover was over."""
    failed: int = 0
    void: int = 0
    """Decodes whose speech went on, that found no place, or were made with other options of the engine."""
    delivered: int = 0
    wasted_seconds: float = 0.0
    """Time of the engine that went into what failed or was void."""


class Speculation:
    """One order at most waits, one at most is being decoded. Each call holds a lock for some microseconds only."""

    def __init__(self) -> None:
        self.counters = SpeculationCounters()
        self._lock = threading.Lock()
        self._order: Order | None = None
        self._running: Order | None = None
        self._is_void = False
        """Whether the one that is being decoded is void."""
        self._results: dict[UtteranceKey, Result] = {}

    @property
    def waits(self) -> bool:
        """True while an order waits."""
        return self._order is not None

    def may_end(self, key: UtteranceKey, pause: MayEnd, now_seconds: float) -> None:
        """Order a decode; it takes the place of one that still waits."""
        with self._lock:
            self._drop_order()
            self._order = Order(key, pause, now_seconds)
            self.counters.ordered += 1

    def resumed(self, key: UtteranceKey) -> None:
        """Make void what was begun or done in the pause of this utterance."""
        with self._lock:
            self._make_void(key, None)

    def ended(self, key: UtteranceKey, span: Span) -> None:
        """Take note of an end: what is not of this very span (it was cut elsewhere) is void."""
        with self._lock:
            self._make_void(key, span)

    def take(self) -> Order | None:
        """Return the order that waits; ``start``, ``drop`` or ``refuse`` it."""
        return self._order

    def start(self, order: Order) -> bool:
        """Begin its decode; False when it is no longer wanted."""
        with self._lock:
            if self._order is not order:
                return False
            self._order, self._running, self._is_void = None, order, False
            self.counters.started += 1
            return True

    def refuse(self, order: Order, *, not_worthwhile: bool) -> None:
        """Take an order back that is not to be decoded."""
        with self._lock:
            if self._order is order:
                self._order = None
                self.counters.not_worthwhile += not_worthwhile
                self.counters.dropped += not not_worthwhile

    def finish(self, result: Result) -> bool:
        """Bring what was begun; False, and counted, when it has become void meanwhile."""
        with self._lock:
            self._running = None
            self.counters.decoded += 1
            if self._is_void:
                self._waste(result)
                return False
            self._results[result.order.key] = result
            if len(self._results) > MAX_RESULTS:
                self._waste(self._results.pop(next(iter(self._results))))
            return True

    def holds(self, key: UtteranceKey) -> bool:
        """Say whether there is a result for an utterance, so that it will need no decode."""
        return key in self._results

    def void_results(self) -> None:
        """Make void what was decoded and is not claimed yet."""
        with self._lock:
            for result in self._results.values():
                self._waste(result)
            self._results.clear()

    def fail(self, seconds: float) -> None:
        """Say that what was begun failed; it counts for nothing."""
        with self._lock:
            self._running = None
            self.counters.failed += 1
            self.counters.wasted_seconds += seconds

    def claim(self, key: UtteranceKey, span: Span) -> Result | None:
        """Return the result for an utterance whose turn has come, once. An order for it that still waits is dropped."""
        with self._lock:
            self._make_void(key, span)
            if self._order is not None and self._order.key == key:
                self._drop_order()
            result = self._results.pop(key, None)
            self.counters.delivered += result is not None
            return result

    def _make_void(self, key: UtteranceKey, but: Span | None) -> None:
        """Make void what there is of an utterance, unless it is of the span."""
        if self._order is not None and _differs(self._order, key, but):
            self._drop_order()
        if self._running is not None and _differs(self._running, key, but):
            self._is_void = True
        result = self._results.get(key)
        if result is not None and _differs(result.order, key, but):
            self._waste(self._results.pop(key))

    def _drop_order(self) -> None:
        self.counters.dropped += self._order is not None
        self._order = None

    def _waste(self, result: Result) -> None:
        self.counters.void += 1
        self.counters.wasted_seconds += result.seconds


def _differs(order: Order, key: UtteranceKey, span: Span | None) -> bool:
    return order.key == key and order.span != span
