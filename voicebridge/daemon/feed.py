"""The feed: what happens, translated once, for any number of readers (HTTP), of whom none may hold up hearing.

One subscription to the event stream and one thread stand between the parts and the readers: who publishes pays for one
queue, however many read along.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    HealthChanged,
    MuteChanged,
    PartialHeard,
    SpeechDiscarded,
    SpeechStarted,
    StoreChanged,
    StoreNotice,
    UtteranceSettled,
    UtteranceStored,
    WordsFound,
)
from voicebridge.domain.utterance import UtteranceRecord
from voicebridge.domain.window import Json
from voicebridge.pipeline.events import PARTIALS_HELD, EventStream, Subscription
from voicebridge.pipeline.worker import Worker

logger = logging.getLogger(__name__)

READER_ENTRIES = 256
"""Entries that wait for one reader; beyond that its oldest go and are counted."""
HELD_EVENTS = 4096
"""Events that wait for the translation."""
WAIT_SECONDS = 1.0
ENDS_PARTIALS = ("pending", "utterance")
"""Types of entries with which the partials of their utterance are worth nothing more."""


class FeedReader:
    """One subscriber's queue; implements voicebridge.domain.window.Reader.

    Partials stand apart from the rest, and are taken after it: they never take its place.
    """

    def __init__(
        self,
        wake: Callable[[], None],
        leave: Callable[["FeedReader"], None],
        on_want: Callable[[], None] = lambda: None,
    ) -> None:
        self.partials_wanted = False
        self.partials_passed_over = 0
        """Partials that were not taken before a newer one, or their utterance's end, came."""
        self._wake = wake
        self._leave = leave
        self._on_want = on_want
        self._entries: deque[Json] = deque()
        self._partials: dict[tuple[int, int], Json] = {}
        self._lock = threading.Lock()
        self._ended = (0, 0)
        """The newest utterance that is not being said any more: a partial of it, or of one before, comes late."""
        self._dropped = 0
        self._awake = False

    @property
    def dropped(self) -> int:
        """Entries that were lost because nobody took them."""
        return self._dropped

    def take(self) -> Sequence[Json]:
        """Return what has come since."""
        with self._lock:
            taken = [*self._entries, *self._partials.values()]
            self._entries.clear()
            self._partials.clear()
            self._awake = False
        return taken

    def want_partials(self, wanted: bool) -> None:
        """Ask for partials too, or no more."""
        self.partials_wanted = wanted
        self._on_want()

    def close(self) -> None:
        """Take no more."""
        self._leave(self)

    def offer(self, entry: Json) -> None:
        """Add an entry. Never waits; wakes the reader when it has taken everything before."""
        with self._lock:
            if entry["type"] == "partial":
                if not self.partials_wanted:
                    return
                self._put_partial(entry)
            else:
                self._put(entry)
            wake, self._awake = not self._awake, True
        if wake:
            self._wake()

    def _put(self, entry: Json) -> None:
        if entry["type"] in ENDS_PARTIALS:
            self._ended = max(self._ended, _key(entry))
            self._pass_over(_key(entry))
        if len(self._entries) >= READER_ENTRIES:
            self._entries.popleft()
            self._dropped += 1
        self._entries.append(entry)

    def _put_partial(self, entry: Json) -> None:
        if _key(entry) <= self._ended:
            self.partials_passed_over += 1
            return
        self._pass_over(_key(entry))
        if len(self._partials) >= PARTIALS_HELD:
            self._pass_over(next(iter(self._partials)))
        self._partials[_key(entry)] = entry

    def _pass_over(self, key: tuple[int, int]) -> None:
        self.partials_passed_over += self._partials.pop(key, None) is not None


class FeedThread(Worker):
    """Hands what is published to every reader. It runs from ``start`` to ``stop``; readers come and go meanwhile."""

    def __init__(self, events: EventStream, health: Callable[[], Json]) -> None:
        super().__init__("feed")
        self._events = events
        self._health = health
        self._readers: tuple[FeedReader, ...] = ()
        self._registration = threading.Lock()
        self._subscription: Subscription | None = None
        self._dropped_before = 0
        self._passed_over_before = 0

    @property
    def readers(self) -> int:
        """How many read along."""
        return len(self._readers)

    @property
    def dropped(self) -> int:
        """Entries that were lost: events that waited for this thread, and what readers did not take."""
        held = 0 if self._subscription is None else self._subscription.dropped
        return held + self._dropped_before + sum(reader.dropped for reader in self._readers)

    @property
    def partials_passed_over(self) -> int:
        """Partials that no reader, or not this one, was given, because newer ones or their text had come."""
        held = 0 if self._subscription is None else self._subscription.partials_passed_over
        return held + self._passed_over_before + sum(reader.partials_passed_over for reader in self._readers)

    def subscribe(self, wake: Callable[[], None]) -> FeedReader:
        """Return a new reader."""
        reader = FeedReader(wake, self._forget, self._count_wishes)
        with self._registration:
            self._readers = (*self._readers, reader)
            if self._subscription is None and not self._stopping.is_set():
                # Events cost nothing until somebody reads along.
                self._subscription = self._events.subscribe(HELD_EVENTS)
                self.start()
        return reader

    def stop(self) -> None:
        """End; readers get nothing more."""
        super().stop()
        with self._registration:
            if self._subscription is not None:
                self._events.unsubscribe(self._subscription)

    def _run(self) -> None:
        subscription = self._subscription
        assert subscription is not None
        while not self._stopping.is_set() and not subscription.finished:
            self.sign()
            event = subscription.get(WAIT_SECONDS)
            if event is None or not self._readers:
                continue
            entry = self._entry(event)
            if entry is None:
                continue
            for reader in self._readers:
                self._hand(reader, entry)

    def _hand(self, reader: FeedReader, entry: Json) -> None:
        try:
            reader.offer(entry)
        except Exception:
            # What wakes a reader is its own (a loop that is closed, say); it must not end the feed of all others.
            logger.exception("a reader of the feed could not be woken, and is left out")
            self._forget(reader)

    def _entry(self, event: Event) -> Json | None:
        if isinstance(event, HealthChanged):
            return {"type": "state", "at": time.time(), "before": event.before, **self._health()}
        return entry_of(event)

    def _forget(self, reader: FeedReader) -> None:
        with self._registration:
            if reader in self._readers:
                self._dropped_before += reader.dropped
                self._passed_over_before += reader.partials_passed_over
            self._readers = tuple(other for other in self._readers if other is not reader)
        self._count_wishes()

    def _count_wishes(self) -> None:
        """Have partials made while one of the readers wants them."""
        with self._registration:
            if self._subscription is not None:
                self._subscription.partials = any(reader.partials_wanted for reader in self._readers)


def entry_of(event: Event) -> Json | None:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """Return an event as an entry of the feed; None for what is of no use to others. Times are in seconds (UTC)."""
    now = time.time()
    match event:
        case UtteranceSettled(record):
            return {"type": "utterance", "sequence": record.settled_sequence, **utterance_json(record, words=False)}
        case UtteranceStored(pending):
            ended = pending.ended
            bounds = {"started_at": ended.started_at, "ended_at": ended.ended_at}
            return {"type": "pending", "at": now, "utterance_id": pending.utterance_id, **asdict(ended.key), **bounds}
        case PartialHeard(key, stable, tentative, end_sample):
            said = {"stable": stable, "tentative": tentative, "end_sample": end_sample}
            return {"type": "partial", "at": now, **asdict(key), **said}
        case WordsFound(utterance_id, words, confidence):
            found = {"words": [asdict(word) for word in words], "confidence": confidence}
            return {"type": "words", "at": now, "utterance_id": utterance_id, **found}
        case SpeechStarted(start_sample) | SpeechDiscarded(start_sample):
            return {"type": "speech", "at": now, "speech": isinstance(event, SpeechStarted), "sample": start_sample}
        case GapNoted(gap):
            return {"type": "gap", "at": now, "seconds": gap.span.seconds, "reason": gap.reason.value}
        case CaptureChanged(hearing, source, detail):
            told = {"hearing": hearing, "source": source, "detail": detail, "lost_seconds": event.lost_seconds}
            return {"type": "capture", "at": now, **told}
        case DeviceMoved(source, _, detail):
            return {"type": "capture", "at": now, "hearing": True, "source": source, "detail": detail}
        case MuteChanged(muted, by):
            return {"type": "mute", "at": now, "muted": muted, "by": by}
        case EngineReady(engine, model):
            return {"type": "engine", "at": now, "ready": True, "engine": engine, "model": model}
        case EngineFailed(engine, detail):
            return {"type": "engine", "at": now, "ready": False, "engine": engine, "detail": detail}
        case StoreChanged(working, detail):
            return {"type": "store", "at": now, "working": working, "detail": detail}
        case StoreNotice(kind, detail):
            return {"type": "store", "at": now, "kind": kind.value, "detail": detail}
        case _:
            return None


def _key(entry: Json) -> tuple[int, int]:
    """Return what an utterance is told by, in a ``partial``, ``pending`` or ``utterance``."""
    return entry["session_id"], entry["start_sample"]


def utterance_json(record: UtteranceRecord, *, words: bool) -> dict[str, Any]:
    """Return an utterance as a mapping by the names of its fields; the path of its audio is nobody else's business."""
    told = asdict(record)
    told["audio_kept"] = told.pop("audio_path") is not None
    told["status"], told["end_reason"] = record.status.value, record.end_reason.value
    told["decode_kind"] = told.pop("kind").value
    if not words:
        del told["words"]
    return told
