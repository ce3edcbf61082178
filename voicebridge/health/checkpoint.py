"""A checkpoint: one health record, kept in the database and as a line of JSON, for the soak harness and other tools.

``schema`` grows when a field changes its meaning or goes; new fields alone do not change it. Counts run since the
session began unless they say *interval*: since the checkpoint before (for the first one: since the session began).
None stands for what this machine, source or moment does not tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Told:
    """A reason for the state (voicebridge.health.probes.Reason)."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of 20 ms that time and the source's pace led to expect, and those that the listener was given."""

    expected: int | None
    """None for a source that is not paced."""
    received: int
    ratio: float | None
    interval_expected: int | None
    interval_received: int
    interval_ratio: float | None


@dataclass(frozen=True, slots=True)
class Gaps:
    """Audio that was lost."""

    count: int
    seconds: float
    interval_count: int
    interval_seconds: float
    count_by_reason: Mapping[str, int]
    seconds_by_reason: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Level:
    """The input in this interval, in dB of full scale; None when no frame came."""

    rms_dbfs: float | None
    peak_dbfs: float | None
    """The loudest frame's highest sample, to 1 dB."""
    clipped_share: float | None
    """Share of samples at full scale, 0 to 1."""
    speech_share: float | None
    """Share of frames that the detector called speech, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits where, at this moment."""

    store_jobs: int
    store_audio_bytes: int
    decodes: int
    announcements: int
    recorder: int


@dataclass(frozen=True, slots=True)
class Decodes:
    """Decodes that came back, by kind; the second one of a short window that was not believed counts with its first."""

    final: int
    """After the endpoint."""
    speculative: int
    """In a pause, delivered or not."""
    partial: int
    """Of an utterance that went on, told or not."""
    errors: int
    """Final ones that failed; they count above only once they succeed."""
    seconds: float
    """Time of those whose text was delivered, final or speculative; with ``audio_seconds`` what they decoded."""
    audio_seconds: float


@dataclass(frozen=True, slots=True)
class Utterances:
    """What became of what was heard."""

    heard: int
    done: int
    rejected: int
    failed: int
    waiting: int
    """Ended, and not settled yet: in the store, in a queue, or being decoded."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From the end of speech to the commit of its text, in milliseconds; None when there is nothing to count.

    Utterances that are not settled yet count with their age so far, in ``still_waiting`` and in every figure: an engine
    that stands still makes the delay grow, not disappear (no coordinated omission). Those of a file that is not paced,
    and those of an earlier session, have none.
    """

    count: int
    still_waiting: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Watchdog:
    """What systemd's watchdog was told."""

    pings: int
    withheld: int


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time of this process; shares are of one core, over the interval (1.5 is one and a half cores)."""

    user_seconds: float
    system_seconds: float
    share: float | None
    share_by_thread: Mapping[str, float]
    """By the threads' names; those without one of ours are summed as ``other`` (the engine's workers, mostly)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in bytes."""

    rss_bytes: int
    uss_bytes: int | None
    """What would be free if this process ended; measured beside the checkpoint, at most an interval ago."""
    heap_bytes: int | None
    """Of Python's objects; only with ``health.heap``."""


@dataclass(frozen=True, slots=True)
class Collections:
    """Python's garbage collection: runs by generation, objects freed, objects that cannot be."""

    runs: Sequence[int]
    collected: int
    uncollectable: int


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the state directory, in bytes."""

    free_bytes: int | None
    database_bytes: int | None
    wal_bytes: int | None


@dataclass(frozen=True, slots=True)
class Heat:
    """The machine's temperature, where it tells."""

    celsius: float | None
    """The hottest sensor."""
    throttled: bool | None
    """The processor is slowed down, or gets too little voltage, now."""
    detail: str
    """What the machine says, in words."""


@dataclass(frozen=True, slots=True)
class ClockSteps:
    """Steps of the wall clock against CLOCK_MONOTONIC, of half a second and more."""

    count: int
    seconds: float
    """Sum of them, with their signs."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How the daemon was at one moment; see the module."""

    at: float
    """Wall time, in seconds since the epoch (UTC)."""
    monotonic_seconds: float
    """CLOCK_MONOTONIC at that moment."""
    session_id: int
    uptime_seconds: float
    interval_seconds: float
    """Since the checkpoint before, or since the session began."""
    missed: int
    """Checkpoints that were due since the one before and could not be made."""
    state: str
    reasons: Sequence[Told]
    muted: bool
    frames: Frames
    gaps: Gaps
    level: Level
    ring_high_water_seconds: float
    """The furthest that the listener ever was behind."""
    listener_lag_ms: float
    queues: Queues
    backlog_seconds: float
    """Audio that waits for its decode."""
    oldest_waiting_seconds: float | None
    """How long ago the oldest utterance that is not settled ended; None when there is none."""
    decodes: Decodes
    delay_interval_ms: Delay
    delay_session_ms: Delay
    real_time_factor: float | None
    """Time of the decodes whose text was delivered in the interval over the length of their audio."""
    utterances: Utterances
    errors: Mapping[str, int]
    """By kind."""
    recoveries: int
    """How often capture was heard again after a loss."""
    restarts: int | None
    """Sessions before this one since the machine was booted."""
    watchdog: Watchdog
    cpu: Cpu
    memory: Memory
    open_files: int
    threads: int
    gc: Collections
    disk: Disk
    heat: Heat
    clock_steps: ClockSteps
    cost_ms: float | None
    """What it took to collect the checkpoint before this one, processor time of the collecting thread alone."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """How often each bound was reached (docs/architecture.md, Bounds)."""
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)
