"""The event stream: every subscriber has its own bounded queue, and nobody waits for a slow one."""

import threading
import time
from collections import deque

from voicebridge.domain.events import Event, SpeechDiscarded, SpeechStarted

EXPENDABLE = (SpeechStarted, SpeechDiscarded)
"""What a slow subscriber loses first: it tells of the moment and is worthless later."""


class Subscription:
    """One subscriber's queue. At its bound the oldest expendable event is dropped, else the oldest; it is counted."""

    def __init__(self, capacity: int) -> None:
        self.dropped = 0
        self._capacity = capacity
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
            return self._events.popleft() if self._events else None

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
            if len(self._events) >= self._capacity:
                self._drop_one()
            self._events.append(event)
            self._changed.notify()

    def close(self) -> None:
        """Take nothing more; what is queued can still be had."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _drop_one(self) -> None:
        self.dropped += 1
        for position, event in enumerate(self._events):
            if isinstance(event, EXPENDABLE):
                del self._events[position]
                return
        self._events.popleft()


class EventStream:
    """Hands each event to every subscriber. Implements EventSink."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def subscribe(self, capacity: int = 1024) -> Subscription:
        """Begin to receive what is published from now on."""
        subscription = Subscription(capacity)
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
