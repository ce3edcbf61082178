"""A window onto a daemon that is not there: plain data, and a feed that a test fills."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicebridge.domain.window import Checkpoints, Json, UtteranceQuery, Window

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24)
"""Stands for audio."""
READER_ENTRIES = 256


def reason(code: str, *, degrades: bool = True) -> dict[str, Any]:
    return {"code": code, "sentence": f"{code} it is.", "advice": "Look.", "degrades": degrades}


def utterance(number: int, text: str = "turn on the light", **changed: Any) -> dict[str, Any]:
    """Return an utterance that was settled as the one of this number."""
    return {
        "utterance_id": number,
        "session_id": 1,
        "status": "done",
        "started_at": 1000.0 + number,
        "ended_at": 1001.0 + number,
        "text": text,
        "reasons": [],
        "audio_kept": False,
        "settled_sequence": number,
    } | changed


@dataclass
class FakeStatus:
    """Implements StatusView."""

    now: dict[str, Any] = field(
        default_factory=lambda: {
            "state": "hearing",
            "reasons": [],
            "session_id": 1,
            "started_at": 1000.0,
            "source": "microphone",
            "engine_state": "ready",
            "muted": False,
            "waiting": 0,
            "backlog_seconds": 0.0,
        }
    )
    newest_level: tuple[float, bool] = (123.4, False)
    asked: int = 0
    error: OSError | None = None
    """Raised by status and level."""

    def status(self) -> Json:
        self.asked += 1
        self._fail()
        return dict(self.now)

    def level(self) -> tuple[float, bool]:
        self._fail()
        return self.newest_level

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def metrics(self) -> bytes:
        return b"# HELP voicebridge_up Up.\n# TYPE voicebridge_up gauge\nvoicebridge_up 1.0\n"


@dataclass
class FakeStore:
    """Implements StoreView. ``error`` is raised by everything; ``gate`` is waited for by everything."""

    held: list[dict[str, Any]] = field(default_factory=list)
    sound: dict[int, bytes] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    queries: list[UtteranceQuery] = field(default_factory=list)
    periods: list[tuple[float, float]] = field(default_factory=list)
    fields: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    """Limit and fields of each question for checkpoints."""
    error: Exception | None = None
    gate: threading.Event | None = None

    def utterances(self, query: UtteranceQuery) -> Sequence[Json]:
        self._wait()
        self.queries.append(query)
        newest = sorted(self.held, key=lambda one: -one["utterance_id"])
        fits = [one for one in newest if query.before_id is None or one["utterance_id"] < query.before_id]
        return [one for one in fits if not query.statuses or one["status"] in query.statuses][: query.limit]

    def utterance(self, utterance_id: int) -> Json | None:
        self._wait()
        return next((one for one in self.held if one["utterance_id"] == utterance_id), None)

    def audio(self, utterance_id: int) -> bytes | None:
        self._wait()
        return self.sound.get(utterance_id)

    def checkpoints(self, since: float, until: float, limit: int, fields: Sequence[str] = ()) -> Checkpoints:
        self._wait()
        self.periods.append((since, until))
        self.fields.append((limit, tuple(fields)))
        return Checkpoints(len(self.records), iter(self.records[:limit]))

    def timeline(self, since: float, until: float) -> Json:
        self._wait()
        self.periods.append((since, until))
        totals = {"gaps": 0, "gap_seconds": 0.0, "sessions": 0, "events": 0}
        return {"gaps": [], "sessions": [], "events": [], "totals": totals}

    def _wait(self) -> None:
        if self.gate is not None:
            self.gate.wait(30)
        if self.error is not None:
            raise self.error


class FakeReader:
    """Implements Reader."""

    def __init__(self, feed: "FakeFeed", wake: Callable[[], None]) -> None:
        self.wake = wake
        self.lost = 0
        self.partials_wanted = False
        self.entries: deque[Json] = deque()
        self._feed = feed

    @property
    def dropped(self) -> int:
        return self.lost

    def take(self) -> Sequence[Json]:
        taken = []
        while self.entries:
            taken.append(self.entries.popleft())
        return taken

    def want_partials(self, wanted: bool) -> None:
        self.partials_wanted = wanted

    def close(self) -> None:
        self._feed.readers.remove(self)


@dataclass
class FakeFeed:
    """Implements Feed; what is settled stays in ``store``."""

    store: FakeStore
    readers: list[FakeReader] = field(default_factory=list)

    def subscribe(self, wake: Callable[[], None]) -> FakeReader:
        self.readers.append(reader := FakeReader(self, wake))
        return reader

    def since(self, settled_sequence: int, limit: int) -> Sequence[tuple[int, Json]]:
        self.store._wait()
        later = [one for one in self.store.held if (one["settled_sequence"] or 0) > settled_sequence]
        return [(one["settled_sequence"], one) for one in sorted(later, key=lambda one: one["settled_sequence"])][
            :limit
        ]

    def newest(self) -> int:
        self.store._wait()
        return max((one["settled_sequence"] or 0 for one in self.store.held), default=0)

    def settle(self, *numbers: int, **changed: Any) -> None:
        """Commit these utterances, and announce them."""
        for number in numbers:
            self.store.held.append(one := utterance(number, **changed))
            told = {name: value for name, value in one.items() if name != "words"}
            self.announce({"type": "utterance", "sequence": number, **told})

    def announce(self, entry: Json) -> None:
        for reader in list(self.readers):
            if len(reader.entries) >= READER_ENTRIES:
                reader.entries.popleft()
                reader.lost += 1
            reader.entries.append(entry)
            reader.wake()


@dataclass
class FakeLevers:
    """Implements Levers."""

    pulled: list[tuple[bool, str]] = field(default_factory=list)
    error: Exception | None = None

    def mute(self, muted: bool, by: str) -> None:
        if self.error is not None:
            raise self.error
        self.pulled.append((muted, by))


class FakeDaemon:
    """What stands behind a window, and that window."""

    def __init__(self) -> None:
        self.status = FakeStatus()
        self.store = FakeStore()
        self.feed = FakeFeed(self.store)
        self.levers = FakeLevers()
        self.window = Window(self.status, self.store, self.feed, self.levers)
