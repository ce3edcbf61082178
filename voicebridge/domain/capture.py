"""How capture is: what a source says of itself, for the watchdog and the status."""

from dataclasses import dataclass
from enum import StrEnum


class CaptureState(StrEnum):
    """Where capture stands. A microphone that is not there is no fault of the daemon: it is looked for, for ever."""

    STARTING = "starting"
    """Opened, or being opened, for the first time; nothing has come yet."""
    HEARING = "hearing"
    """Blocks arrive at the nominal rate."""
    STALLED = "stalled"
    """The stream stands, delivers at a wrong rate or is frozen, and is about to be torn down."""
    LOST = "lost"
    """The device is gone; the next attempt is waited for."""
    RECOVERING = "recovering"
    """It is being opened again."""
    FAILED = "failed"
    """The sound library is stuck or died: only a new process can hear again."""
    ENDED = "ended"
    """The source came to its end, or was stopped."""


class SoundServer(StrEnum):
    """Whether a sound server can be reached, asked in a way that cannot hang."""

    UNKNOWN = "unknown"
    """Nothing is known of one (plain ALSA, or it cannot be asked)."""
    ABSENT = "absent"
    """There should be one, and nobody listens."""
    SILENT = "silent"
    """It takes connections and does not answer: it hangs."""
    ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """A source at one moment. Moments are on CLOCK_MONOTONIC, in seconds; None where there was none."""

    state: CaptureState
    since: float
    """When it came into this state; ``lost`` and ``recovering``, which alternate, count as one."""
    sign: float
    """When its supervisor last gave a sign of life."""
    watch_sign: float | None = None
    """When the thread that asks the sound server last gave a sign of life; None where there is none."""
    call: str = ""
    """The call into the sound library that is under way (``open`` or ``teardown``), or nothing."""
    call_began: float | None = None
    last_block: float | None = None
    attempts: int = 0
    """Openings tried since it was last heard."""
    next_attempt: float | None = None
    recoveries: int = 0
    """How often it was heard again after a loss."""
    server: SoundServer = SoundServer.UNKNOWN
    server_since: float | None = None
    """When the sound server came into this state, as far as it was asked."""
    source: str = ""
    """What is really heard, as the sound server names it; the device's name where it cannot be asked."""
    moved: bool = False
    """True while the sound server leads the stream elsewhere than where it was opened."""
    rate_ratio: float | None = None
    """Samples that came over samples that should have, in the newest full window."""
    zero_seconds: float = 0.0
    """How long nothing but zeros has come from the device; mute and gaps do not count."""
    level_peak: int = 0
    """Largest magnitude in the newest block, 0 to 32768, before mute."""
