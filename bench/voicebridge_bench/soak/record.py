"""What a soak writes down: one JSON object in a line, appended and synced. Judge and reports know nothing else.

So a soak that was cut off is judged as far as it came, and a recorded series can be judged without a soak. Moments are
seconds of CLOCK_MONOTONIC; places in the audio are samples of the feed, which begins anew with each life of the daemon.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1
"""Grows when a field changes its meaning or goes."""
JOURNAL = "journal"
"""Has happened at the end of an attached soak, where the service's journal was to be read for lines of error."""
JOURNAL_READ = "read"
"""Its detail where that was done; where it could not be, why. Without either its log was not looked at."""


@dataclass(frozen=True, slots=True)
class Header:
    """What was asked for, and on what it ran. The first line."""

    schema: int
    version: str
    profile: str
    seed: int
    asked_seconds: float
    speed: float
    """1 is the pace of time; more is faster than that, and then there are no delays."""
    checkpoint_seconds: float
    attached: bool
    """A running service was looked at; nothing was played or broken."""
    began_wall: float
    began: float
    host: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """The process, seen from outside. None where this machine does not tell."""

    at: float
    pid: int
    rss_bytes: int
    uss_bytes: int | None
    heap_bytes: int | None
    """Python's heap, from the newest checkpoint."""
    cpu_seconds: float
    threads: int
    open_files: int
    database_bytes: int
    wal_bytes: int
    log_bytes: int
    disk_free_bytes: int
    own_bytes: int | None = None
    """Memory that it has written to and nobody shares. USS counts besides what it only reads of libraries, and that
    becomes shared, and unshared again, as other processes of the same programs come and go."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A health checkpoint of the daemon, as it stands in its database (docs/health.md)."""

    at: float
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """A piece of speech that was played whole to one life of the daemon."""

    began: float
    ended: float
    life: int
    start_sample: int
    end_sample: int
    text: str
    engine: str
    """Whose material it is: what another engine makes of it is not held against it."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An utterance that the daemon has told of as transcribed, at the moment the harness read it."""

    at: float
    life: int
    utterance: int


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance as the database holds it at the end."""

    utterance: int
    session: int
    life: int
    start_sample: int
    end_sample: int
    status: str
    text: str
    delay_ms: float | None
    at: float | None
    """When it was settled."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A gap as the database holds it at the end."""

    session: int
    life: int
    start_sample: int
    end_sample: int
    reason: str
    at: float | None


@dataclass(frozen=True, slots=True)
class Happened:
    """A moment in the daemon's life: started, ready, crashed, killed, restarted, stopped, error, state, hang."""

    at: float
    kind: str
    life: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that was made on purpose."""

    kind: str
    began: float
    ended: float
    """When it was taken away again; for a kill the moment itself."""
    recovered: float | None
    """When the daemon heard again; None when it did not."""
    allowance_seconds: float
    """How long it may be deaf after ``ended``."""
    life: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """Why it is over: complete, interrupted (asked to end) or failed (the harness). The last line of a whole record."""

    at: float
    reason: str
    detail: str = ""
    left_out: int = 0
    """Entries of this part of the soak that found no place in the record, or no disk: what they told is not known."""


@dataclass(slots=True)
class Record:
    """All of one soak. A record without an ``end`` was cut off."""

    header: Header
    samples: list[Sample] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)
    announced: list[Announced] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    end: End | None = None


Entry = Header | Sample | Checkpoint | Played | Announced | Heard | Lost | Happened | Fault | End
KINDS: Sequence[type] = (Header, Sample, Checkpoint, Played, Announced, Heard, Lost, Happened, Fault, End)
