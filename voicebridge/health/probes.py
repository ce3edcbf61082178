"""How the daemon is, derived from what can be observed of it. Pure: no thread, clock, I/O or log.

One table, ``RULES``, holds every reason there is; the state and the watchdog's ping follow from the reasons that apply.
docs/health.md shows the table to people (voicebridge.health.table makes it).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from voicebridge.domain.capture import CaptureState
from voicebridge.domain.text import as_unicode
from voicebridge.health import looks
from voicebridge.health.hysteresis import Hold, Hysteresis
from voicebridge.health.looks import frames_arrive as frames_arrive  # noqa: PLC0414 - part of what the probes tell
from voicebridge.health.observation import Finding as Finding  # noqa: PLC0414 - the words of the probes, all in one place
from voicebridge.health.observation import Limits as Limits  # noqa: PLC0414
from voicebridge.health.observation import Observation as Observation  # noqa: PLC0414
from voicebridge.health.observation import Pipeline as Pipeline  # noqa: PLC0414
from voicebridge.health.observation import Sign as Sign  # noqa: PLC0414
from voicebridge.health.trends import BACKLOG_SECONDS, CLIPPING_SECONDS

AT_ONCE = Hold()


class State(StrEnum):
    """How the daemon is, in one word."""

    STARTING = "starting"
    HEARING = "hearing"
    DEGRADED = "degraded"
    """It hears, and something is wrong: the reasons say what."""
    DEAF = "deaf"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Reason:
    """Something to know; ``advice`` says what to do about it."""

    code: str
    sentence: str
    advice: str
    degrades: bool = True
    """False for what is told and is nothing wrong."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an observation."""

    ping: bool
    """The watchdog may be told that all is well."""
    why_not: tuple[str, ...]
    """What the ping is withheld for, in sentences; empty while stopping, which systemd bounds by itself."""
    state: State
    reasons: tuple[Reason, ...] = ()

    @property
    def trouble(self) -> str:
        """The first thing that is wrong, in a sentence; empty when nothing is."""
        return next((reason.sentence for reason in self.reasons if reason.degrades), "")

    def has(self, code: str) -> bool:
        """Say whether a reason applies."""
        return any(reason.code == code for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: ``look`` finds whether the reason applies."""

    code: str
    look: Callable[[Observation], Finding | None]
    advice: str
    when: str
    """When it applies, in words for docs/health.md."""
    degrades: bool = True
    hold: Hold = AT_ONCE
    stays: Callable[[Observation], Finding | None] | None = None
    """Finds whether a reason that is told already still applies, where that asks for less than to be told."""


def judge(seen: Observation, hysteresis: Hysteresis[Finding] | None = None) -> Verdict:
    """Return how the daemon is; with ``hysteresis`` as it is told. The ping never waits for that."""
    found = {rule.code: finding for rule in RULES if (finding := rule.look(seen)) is not None}
    told = found if hysteresis is None else hysteresis.settle(found | _staying(seen, found, hysteresis), seen.now)
    reasons = tuple(
        Reason(rule.code, as_unicode(finding.sentence), rule.advice, rule.degrades and finding.degrades)
        for rule in RULES
        if (finding := told.get(rule.code)) is not None
    )
    why_not = tuple(finding.sentence for finding in found.values() if finding.withholds and not seen.stopping)
    return Verdict(not why_not and not seen.stopping, why_not, _state(seen, reasons), reasons)


def _staying(seen: Observation, found: dict[str, Finding], hysteresis: Hysteresis[Finding]) -> dict[str, Finding]:
    """Return what is told and is not beyond its limit any more, but near it."""
    near = {
        rule.code: rule.stays(seen)
        for rule in RULES
        if rule.stays is not None and rule.code not in found and hysteresis.tells(rule.code)
    }
    return {code: finding for code, finding in near.items() if finding is not None}


def hysteresis_of_rules() -> Hysteresis[Finding]:
    """Return a hysteresis that keeps to what the rules say."""
    holds = {rule.code: rule.hold for rule in RULES}
    return Hysteresis(lambda code: holds[code])


def _state(seen: Observation, reasons: tuple[Reason, ...]) -> State:
    capture = seen.capture.state
    if seen.stopping or capture is CaptureState.ENDED:
        return State.STOPPING
    if capture in looks.DEAF:
        return State.DEAF
    if not seen.paced:
        return State.DEGRADED if seen.pipeline.listening and any(r.degrades for r in reasons) else State.HEARING
    if looks.is_silent(seen) or not seen.heard:
        young = not seen.heard and seen.uptime_seconds < seen.limits.first_block
        return State.STARTING if young else State.DEAF
    return State.DEGRADED if any(reason.degrades for reason in reasons) else State.HEARING


RULES = (
    Rule(
        "capture_stuck",
        looks.capture_stuck,
        "The process leaves by itself (status 86) and is to be started again.",
        "A call into the sound library comes near its deadline (`capture.teardown_seconds`, `capture.open_seconds`): "
        "from ten seconds before it, or from half of a short one.",
    ),
    Rule(
        "device_moved",
        looks.device_moved,
        "Bring the microphone back, or name another in audio.device.",
        "The sound server feeds the stream from another source than the one that was opened.",
    ),
    Rule(
        "device_lost",
        looks.device_lost,
        "Is it plugged in, and does the sound server run? `voicebridge devices` lists all.",
        "The microphone is gone, and is looked for.",
    ),
    Rule(
        "no_frames",
        looks.no_frames,
        "If it lasts, look at the sound server and the cable.",
        "Nothing has arrived for `capture.stall_seconds`, or the signal is frozen (`capture.frozen_seconds`).",
    ),
    Rule(
        "rate_off",
        looks.rate_off,
        "The machine may be overloaded or the device broken; another audio.rate may help.",
        "Audio comes faster or slower than `capture.rate_tolerance` allows.",
        hold=Hold(lingers_seconds=3),
    ),
    Rule(
        "digital_silence",
        looks.digital_silence,
        "The microphone may be muted or unplugged at its socket.",
        "Nothing but zeros for `health.zero_seconds`.",
    ),
    Rule(
        "low_level",
        looks.low_level,
        "The microphone may be muted, unplugged or turned down: speak, and look at the level in `voicebridge devices`.",
        "No frame's peak has reached `health.low_level_dbfs` for `health.low_level_seconds`.",
        hold=Hold(lingers_seconds=2),
    ),
    Rule(
        "clipping",
        looks.clipping,
        "Turn the microphone down (`alsamixer`, `pavucontrol`) or move it away: what is clipped is understood badly.",
        f"At least `health.clipping_share` of the samples of {CLIPPING_SECONDS:.0f} s are at full scale.",
        hold=Hold(after_seconds=1),
    ),
    Rule(
        "listener_late",
        looks.listener_late,
        "Something else takes the processor: look with top, lower whisper.threads.",
        "The listener is `health.listener_lag_seconds` behind the microphone.",
        hold=Hold(lingers_seconds=3),
    ),
    Rule(
        "decode_late",
        looks.decode_late,
        "It leaves by itself (status 86); if that repeats, take a smaller whisper.model.",
        "A decode comes near `engine.decode_deadline_seconds` (ten seconds before, or from half of a short one), "
        "or a model has been loading for nearly ten minutes.",
    ),
    Rule(
        "decode_failures",
        looks.decode_failures,
        "See `voicebridge doctor` and the journal; `voicebridge retry` decodes again what has failed.",
        f"The last {looks.FAILURES} decodes or more have failed; the next one that succeeds ends it, or ten minutes "
        "without another.",
    ),
    Rule(
        "backlog",
        looks.backlog,
        "The engine is too slow for what is said: take a smaller whisper.model, or fewer things beside it.",
        "`health.backlog_seconds` of speech wait, the oldest for as long, and for "
        f"{BACKLOG_SECONDS:.0f} s the most that waited is no less than in the {BACKLOG_SECONDS:.0f} s before.",
        hold=Hold(lingers_seconds=4),
    ),
    Rule(
        "commit_late",
        looks.commit_late,
        "The disk may be failing: look at `dmesg`.",
        "One commit or spool write has been under way for 170 s; at three minutes the process leaves.",
    ),
    Rule(
        "thread_silent",
        looks.thread_silent,
        "systemd starts it again when it does not get over it.",
        "A thread has given no sign of life for `health.sign_of_life_seconds`.",
    ),
    Rule(
        "store_trouble",
        looks.store_trouble,
        "Hearing goes on. Free space on the disk, or end what locks the database.",
        "The store refuses what it is given: the disk is full or read-only, or the database is locked.",
    ),
    Rule(
        "disk_nearly_full",
        looks.disk_nearly_full,
        "Free some space, or lower store.max_bytes and store.retain_audio.",
        "Less than `health.disk_free_mb` is free on the disk of the state directory; taken back from a tenth more.",
        hold=Hold(lingers_seconds=3),
        stays=looks.disk_still_nearly_full,
    ),
    Rule(
        "database_lost",
        looks.alarm("database_lost"),
        "Put it back where it was, or restart: a new one is begun.",
        "The database was moved or deleted while it was in use.",
    ),
    Rule(
        "database_damaged",
        looks.alarm("database_damaged"),
        "Restart soon: the start mends it or begins a new one.",
        "SQLite finds the database damaged.",
    ),
    Rule(
        "database_set_aside",
        looks.database_set_aside,
        "Save what can be saved from it: `sqlite3 FILE .recover`.",
        "A damaged database was set aside at the start of this session. That degrades for an hour, and is told to its "
        "end.",
    ),
    Rule(
        "reserve_given_up",
        looks.alarm("reserve_given_up"),
        "Free space on the disk: there is no reserve any more.",
        "The disk was full, and the reserve (`store.reserve_mb`) was deleted.",
    ),
    Rule(
        "descriptors_exhausted",
        looks.alarm("descriptors_exhausted"),
        "Restart it, and say what it holds: `ls -l /proc/PID/fd`. LimitNOFILE= in the unit is the limit.",
        "The process may open no more files; the descriptors that it held back for this were given up.",
    ),
    Rule(
        "engine_failed",
        looks.engine_failed,
        "What is heard is kept until an engine can be had: `voicebridge doctor`.",
        "No engine could be loaded (`engine.required = false`).",
    ),
    Rule(
        "options_refused",
        looks.options_refused,
        "The engine goes on with its old options; after a restart it could not. Correct the setting, and reload.",
        "The engine could not be loaded anew with changed options (`voicebridge reload`).",
    ),
    Rule(
        "thermal",
        looks.thermal,
        "Give it air, a heat sink or a better power supply; a smaller whisper.model heats less.",
        "The processor is throttled or short of voltage, or a sensor is within five degrees of what it calls critical, "
        "or at `health.temperature_celsius`; taken back three degrees lower.",
        hold=Hold(lingers_seconds=2),
        stays=looks.still_thermal,
    ),
    Rule(
        "checkpoint_late",
        looks.checkpoint_late,
        "If the store has trouble, mend that first; else the machine is overloaded: look with top.",
        "Five seconds after a checkpoint was due (`health.interval_seconds`) it has not been kept.",
    ),
    Rule(
        "muted",
        looks.muted,
        "`voicebridge unmute` ends it.",
        "Somebody has muted it; that is told, and is nothing wrong.",
        degrades=False,
    ),
)
"""Every reason there is, the gravest first."""
