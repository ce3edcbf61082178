"""What is observed of the daemon at one moment: plain data, from which the rules find what is to be known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voicebridge.domain.capture import CaptureReport
from voicebridge.health.machine import Machine
from voicebridge.health.trends import Trend

NO_TREND = Trend()
NO_MACHINE = Machine()


@dataclass(frozen=True, slots=True)
class Limits:
    """Where each observation begins to be a reason, in seconds unless it says otherwise."""

    stall: float
    first_block: float
    rate_tolerance: float
    """Share of the nominal rate."""
    rate_window: float
    zero: float
    sign_of_life: float
    listener_lag: float
    decode: float
    load: float
    commit: float
    low_level_dbfs: float = -75.0
    low_level: float = 600.0
    clipping_share: float = 0.01
    backlog: float = 60.0
    disk_free_bytes: int = 256_000_000
    celsius: float = 85.0
    """Where the machine names no limit of its own."""
    checkpoint: float = 305.0
    """Longest time between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Sign:
    """When a thread last gave a sign of life.

    ``excused`` is a thread inside a call that has a deadline of its own. One that is not ``vital`` only degrades.
    """

    thread: str
    age_seconds: float
    vital: bool = True
    excused: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What was observed behind the ring. Ages are 0 while nothing of the kind is under way."""

    listening: bool = True
    """The listener runs."""
    lag_seconds: float = 0.0
    """How far the listener is behind a source that does not wait."""
    decode_seconds: float = 0.0
    load_seconds: float = 0.0
    commit_seconds: float = 0.0
    """Age of the present try of a commit or spool write."""
    store_trouble: str = ""
    engine_error: str = ""
    options_refused: str = ""
    """Why the engine goes on with its old options."""
    backlog_seconds: float = 0.0
    """Audio that waits for its decode."""
    oldest_seconds: float = 0.0
    """How long the oldest utterance has waited."""
    decodes_failed: int = 0
    """One after the other, and no other since."""
    decode_error: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """The daemon at one moment; ``now`` is on CLOCK_MONOTONIC, in seconds, like the moments of the report."""

    now: float
    uptime_seconds: float
    capture: CaptureReport
    limits: Limits
    paced: bool = True
    """The source delivers at the pace of time."""
    heard: bool = True
    """Anything has been heard in this session."""
    silent_seconds: float = 0.0
    """How long the ring has got nothing."""
    capture_stuck: str = ""
    """What capture hangs in for good, as a sentence."""
    capture_slow: str = ""
    """What it may hang in: the deadline is near."""
    pipeline: Pipeline = Pipeline()
    signs: tuple[Sign, ...] = ()
    trend: Trend = NO_TREND
    machine: Machine = NO_MACHINE
    checkpoint_seconds: float = 0.0
    """Since the newest checkpoint was kept, or since it began."""
    alarms: Mapping[str, str] = field(default_factory=dict)
    """What stands until something ends it: sentences by the code of their rule."""
    muted: bool = False
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """That a rule applies: in a sentence, and whether the watchdog's ping is withheld for it."""

    sentence: str
    withholds: bool = False
    degrades: bool = True
    """False for what is told and is nothing wrong by now."""
