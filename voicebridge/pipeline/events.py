"""The event stream: every subscriber has its own bounded queue, and nobody waits for a slow one."""

import threading
import time
from collections import deque

from voicebridge.domain.events import Event, PartialHeard, SpeechDiscarded, SpeechStarted

EXPENDABLE = (SpeechStarted, SpeechDiscarded)
"""What a slow subscriber loses first, after its partials: it tells of the moment and is worthless later."""
PARTIALS_HELD = 4
"""Partials that may wait for one subscriber, each of another utterance."""


class Subscription:
    """One subscriber's queue. At its bound the oldest partial or else expendable event goes, else the oldest.

    What goes is counted, partials apart. A newer partial takes the place of one of the same utterance that waits.
    """

    def __init__(self, capacity: int, *, partials: bool = False) -> None:
        self.partials = partials
        """Whether it is given partials; whoever reads may change it."""
        self.dropped = 0
        self.partials_passed_over = 0
        """Partials that were never read: a newer one, or something that matters, took their place."""
        self._capacity = capacity
        self._partials_waiting = 0
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def get(self, timeout_seconds: float) -> Event | None:
        """Return the next event, or None when there is none in time or the subscription is closed and empty."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not self._events and not self._closed:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._changed.wait(remaining):
                    break
            if not self._events:
                return None
            event = self._events.popleft()
            self._partials_waiting -= isinstance(event, PartialHeard)
            return event

    @property
    def waiting(self) -> int:
        """How many events wait to be taken."""
        return len(self._events)

    @property
    def finished(self) -> bool:
        """True when it is closed and everything was taken."""
        with self._changed:
            return self._closed and not self._events

    def offer(self, event: Event) -> None:
        """Add an event. Never blocks."""
        with self._changed:
            if self._closed:
                return
            if isinstance(event, PartialHeard):
                if not self._has_place_for(event):
                    return
            elif len(self._events) >= self._capacity:
                self._drop_one()
            self._events.append(event)
            self._changed.notify()

    def close(self) -> None:
        """Take nothing more; what is queued can still be had."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_place_for(self, newer: PartialHeard) -> bool:
        """Say whether a partial is to be added; never at the cost of anything but partials."""
        if not self.partials:
            return False
        older = [held for held in self._events if isinstance(held, PartialHeard)] if self._partials_waiting else []
        for event in [held for held in older if held.key == newer.key] or older[: 1 - PARTIALS_HELD]:
            self._pass_over(self._events.index(event))
        if len(self._events) >= self._capacity and not self._passed_one_over():
            self.partials_passed_over += 1
            return False
        self._partials_waiting += 1
        return True

    def _drop_one(self) -> None:
        if self._passed_one_over():
            return
        self.dropped += 1
        for position, event in enumerate(self._events):
            if isinstance(event, EXPENDABLE):
                del self._events[position]
                return
        self._events.popleft()

    def _passed_one_over(self) -> bool:
        if not self._partials_waiting:
            return False
        self._pass_over(next(n for n, event in enumerate(self._events) if isinstance(event, PartialHeard)))
        return True

    def _pass_over(self, position: int) -> None:
        del self._events[position]
        self._partials_waiting -= 1
        self.partials_passed_over += 1


class EventStream:
    """Hands each event to every subscriber. Implements EventSink."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    @property
    def partials_wanted(self) -> bool:
        """True when somebody reads partials."""
        return any(subscription.partials for subscription in self._subscriptions)

    def subscribe(self, capacity: int = 1024, *, partials: bool = False) -> Subscription:
        """Begin to receive what is published from now on; partials only where they are asked for."""
        subscription = Subscription(capacity, partials=partials)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop receiving."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
        subscription.close()

    def publish(self, event: Event) -> None:
        """Hand an event to every subscriber. Never blocks."""
        for subscription in self._subscriptions:
            subscription.offer(event)

    def close(self) -> None:
        """Close every subscription: nothing more will come."""
        for subscription in self._subscriptions:
            subscription.close()
