"""The window onto a running daemon (voicebridge.domain.window): what HTTP sees of it, and the levers it may pull."""

import threading
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.daemon.feed import FeedReader, FeedThread, utterance_json
from voicebridge.domain.errors import ControlError, StoreError
from voicebridge.domain.units import SAMPLE_BYTES, SAMPLE_RATE
from voicebridge.domain.utterance import Status
from voicebridge.domain.window import Checkpoints, Json, UtteranceQuery, Window
from voicebridge.settings import paths

if TYPE_CHECKING:
    from voicebridge.daemon.assembly import Plan
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.lifecycle import Daemon
    from voicebridge.daemon.mute import Mute
    from voicebridge.store.database import Database

BUSY_MS = 500
"""How long a read waits for a database that another process holds."""
CLOSE_SECONDS = 2.0
"""How long closing waits for the feed's thread."""
IDLE_CONNECTIONS = 4
"""Connections kept for the next read; opening one takes about two milliseconds."""


@dataclass(frozen=True, slots=True)
class View:
    """How it is now; implements StatusView."""

    daemon: "Daemon"
    reporter: "StatusReporter"
    render: Callable[[], bytes]

    def status(self) -> Json:
        """Return voicebridge.health.status.Status as a mapping."""
        return asdict(self.reporter.status())

    def level(self) -> tuple[float, bool]:
        """Return the newest level (RMS, 0 to 32768) and whether an utterance is open."""
        listener = self.daemon.crew.listener
        return listener.counters.level, listener.speech_open

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return self.render()


@dataclass(slots=True)
class Archive:
    """What was heard and measured; implements StoreView with connections of its own, which only read."""

    state: Path
    _idle: "list[Database]" = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def utterances(self, query: UtteranceQuery) -> Sequence[Json]:
        """Return a page of utterances, without their words and audio. Raises StoreError."""
        from voicebridge.store.pages import PageQuery, page

        statuses = tuple(Status(name) for name in query.statuses)
        asked = PageQuery(query.since, query.until, statuses, query.words, query.limit, query.before_id)
        with self._reading() as db:
            return [utterance_json(record, words=False) for record in page(db, asked)]

    def utterance(self, utterance_id: int) -> Json | None:
        """Return one with its words, or None. Raises StoreError."""
        from voicebridge.store.search import find

        with self._reading() as db:
            record = find(db, utterance_id)
        return None if record is None else utterance_json(record, words=True)

    def audio(self, utterance_id: int) -> bytes | None:
        """Return its audio as WAV, or None when it is not kept. Raises StoreError."""
        from voicebridge.store.retention import KeptAudio, Retention
        from voicebridge.store.search import find

        with self._reading() as db:
            record = find(db, utterance_id)
        if record is None or record.audio_path is None:
            return None
        kept = KeptAudio(self.state, Retention(keeps=True))
        if not kept.path_of(record.audio_path).exists():
            return None  # deleted since
        samples, out = kept.read(record.audio_path), BytesIO()
        with wave.open(out, "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(SAMPLE_BYTES)
            target.setframerate(SAMPLE_RATE)
            target.writeframes(samples.astype("<i2", copy=False).tobytes())
        return out.getvalue()

    def checkpoints(self, since: float, until: float, limit: int, fields: Sequence[str] = ()) -> Checkpoints:
        """Return checkpoints, oldest first, thinned evenly to the limit. Raises StoreError, also as they are read."""
        from voicebridge.store.series import Series, count, records

        series = Series(since, until, limit, tuple(fields))

        def read() -> Iterator[Json]:
            with self._reading() as db:
                yield from records(db, series)

        with self._reading() as db:
            return Checkpoints(count(db, series), read())

    def timeline(self, since: float, until: float) -> Json:
        """Return ``gaps``, ``sessions`` and ``events`` of that time, at most 1000 of each, and their ``totals``.

        Raises StoreError.
        """
        from voicebridge.store.timeline import happened

        with self._reading() as db:
            return happened(db, since, until)

    def settled_after(self, sequence: int, limit: int) -> Sequence[tuple[int, Json]]:
        """Return utterances settled after that number, with their numbers and words. Raises StoreError."""
        from voicebridge.store.pages import settled_after

        with self._reading() as db:
            records = settled_after(db, sequence, limit)
        return [(record.settled_sequence or 0, utterance_json(record, words=True)) for record in records]

    def newest_settled(self) -> int:
        """Return the number of the utterance that was settled last, 0 when none was. Raises StoreError."""
        from voicebridge.store.pages import newest_settled

        with self._reading() as db:
            return newest_settled(db)

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    @contextmanager
    def _reading(self) -> "Iterator[Database]":
        """Give a connection that nobody else uses meanwhile; one that failed is not used again."""
        db = self._taken()
        try:
            yield db
        except BaseException:
            db.close()
            raise
        with self._lock:
            if not self._closed and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(db)
                return
        db.close()

    def _taken(self) -> "Database":
        from voicebridge.store.database import open_database

        with self._lock:
            if self._closed:
                raise StoreError("The session is over.", "Ask the next one.")
            if self._idle:
                return self._idle.pop()
        return open_database(paths.database_path(self.state), BUSY_MS, read_only=True)


@dataclass(frozen=True, slots=True)
class Stream:
    """What happens, as it happens; implements Feed."""

    thread: FeedThread
    archive: Archive

    def subscribe(self, wake: Callable[[], None]) -> FeedReader:
        """Return a reader of its own."""
        return self.thread.subscribe(wake)

    def since(self, settled_sequence: int, limit: int) -> Sequence[tuple[int, Json]]:
        """Return utterances settled after that number, from the store. Raises StoreError."""
        return self.archive.settled_after(settled_sequence, limit)

    def newest(self) -> int:
        """Return the number of the utterance that was settled last. Raises StoreError."""
        return self.archive.newest_settled()


@dataclass(frozen=True, slots=True)
class Handles:
    """What may be changed; implements Levers."""

    switch: "Mute | None"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def mute(self, muted: bool, by: str) -> None:
        """Mute or unmute. Raises ControlError where there is nothing to mute, StoreError as Mute does."""
        if self.switch is None:
            raise ControlError("This session cannot be muted.", "Stop it instead.")
        with self.lock:
            if muted:
                self.switch.mute(by)
            else:
                self.switch.unmute(by)


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window, and what is to be closed with it."""

    window: Window
    feed: FeedThread
    archive: Archive

    def close(self) -> None:
        """End the feed's thread and let go of the database; to be called when nobody looks any more."""
        self.feed.stop()
        self.feed.join(CLOSE_SECONDS)
        self.archive.close()

    def counters(self) -> Mapping[str, int]:
        """Return how often its bounds were reached, and how many read along."""
        return {
            "feed_dropped": self.feed.dropped,
            "feed_readers": self.feed.readers,
            "partials_passed_over": self.feed.partials_passed_over,
        }


def open_window(
    daemon: "Daemon",
    plan: "Plan",
    reporter: "StatusReporter",
    state: Path,
    metrics: Callable[[], bytes] = lambda: b"",
) -> OpenWindow:
    """Open a window onto a daemon; ``metrics`` renders them. Nothing runs, and nothing is opened, before it is used."""

    def health() -> dict[str, Any]:
        status = reporter.status()
        return {
            "state": status.state,
            "trouble": status.trouble,
            "source": status.source,
            "reasons": [asdict(reason) for reason in status.reasons],
            "muted": status.muted,
        }

    archive = Archive(state)
    feed = FeedThread(plan.ears.events, health)
    view, stream = View(daemon, reporter, metrics), Stream(feed, archive)
    return OpenWindow(Window(view, archive, stream, Handles(plan.ears.mute)), feed, archive)


def window(
    daemon: "Daemon",
    plan: "Plan",
    reporter: "StatusReporter",
    state: Path,
    metrics: Callable[[], bytes] = lambda: b"",
) -> Window:
    """Return ``open_window``'s window alone, for those that end with the process."""
    return open_window(daemon, plan, reporter, state, metrics).window
