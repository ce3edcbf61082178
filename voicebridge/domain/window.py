"""The window through which others look at the running daemon: what HTTP may ask of it. All of it is plain data.

Every method may be called from any thread. None waits for hearing; those that read the store may take some milliseconds
(a connection of their own) and raise StoreError when it does not answer. Mappings hold what JSON can: times are seconds
since the epoch (UTC) unless they say otherwise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UtteranceQuery:
    """Which utterances: by time, status and words; newest first; a page at a time."""

    since: float | None = None
    until: float | None = None
    statuses: tuple[str, ...] = ()
    words: str = ""
    """Empty for all; else a search, best first."""
    limit: int = 50
    before_id: int | None = None
    """Only those with a lower id: the id of the last one of the page before."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints of a time."""

    total: int
    """How many there are, of which ``records`` may leave some out."""
    records: Iterable[Json]
    """To be gone through once, in the thread that asked: they are read meanwhile, so that few are held at a time."""


class StatusView(Protocol):
    """How it is now, from memory."""

    def status(self) -> Json:
        """Return voicebridge.health.status.Status as a mapping."""
        ...

    def level(self) -> tuple[float, bool]:
        """Return the newest level (RMS, 0 to 32768) and whether speech is open now; cheap, for ten times a second."""
        ...

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        ...


class StoreView(Protocol):
    """What was heard and measured, from the store."""

    def utterances(self, query: UtteranceQuery) -> Sequence[Json]:
        """Return a page of utterances (voicebridge.domain.utterance.UtteranceRecord as a mapping; no audio)."""
        ...

    def utterance(self, utterance_id: int) -> Json | None:
        """Return one with its words, or None."""
        ...

    def audio(self, utterance_id: int) -> bytes | None:
        """Return its audio as WAV, or None when it is not kept."""
        ...

    def checkpoints(self, since: float, until: float, limit: int, fields: Sequence[str] = ()) -> Checkpoints:
        """Return checkpoints, oldest first, thinned evenly to the limit when there are more.

        With ``fields`` (``"delay_interval_ms.p95"``) records have those alone, in their places, and ``at``; null where
        a record has none.
        """
        ...

    def timeline(self, since: float, until: float) -> Json:
        """Return ``gaps``, ``sessions`` and ``events`` of that time, each of bounded length.

        ``totals`` counts all of them, and has ``gap_seconds``: what was lost within that time.
        """
        ...


class Feed(Protocol):
    """What happens, as it happens."""

    def subscribe(self, wake: Callable[[], None]) -> "Reader":
        """Return a reader of its own; ``wake`` is called (from any thread, at once) when there is something to take."""
        ...

    def since(self, settled_sequence: int, limit: int) -> Sequence[tuple[int, Json]]:
        """Return utterances settled after that number, with their numbers and words, from the store: to resume a feed.

        Their words may be none, and found later.
        """
        ...

    def newest(self) -> int:
        """Return the number of the utterance that was settled last, 0 when none was: where a feed begins."""
        ...


class Reader(Protocol):
    """One subscriber's bounded queue; its oldest entries go when it does not take them, and are counted."""

    def take(self) -> Sequence[Json]:
        """Return what has come: ``{"type": "utterance", "sequence": 7, ...}``, ``speech``, ``state``, ``gap``, ..."""
        ...

    def want_partials(self, wanted: bool) -> None:
        """Ask for ``partial`` too, or no more; not asked for at first, since they cost decodes.

        A newer one of the same utterance replaces one that was not taken, and none comes after its utterance's text.
        """
        ...

    @property
    def dropped(self) -> int:
        """Entries that were lost because nobody took them."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class Levers(Protocol):
    """What may be changed from outside."""

    def mute(self, muted: bool, by: str) -> None:
        """Zero the samples from now on, or no longer."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """All of it."""

    status: StatusView
    store: StoreView
    feed: Feed
    levers: Levers
