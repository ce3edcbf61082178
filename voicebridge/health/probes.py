"""How the daemon is, derived from what can be observed of it. Pure: no thread, clock, I/O or log.

One table, ``RULES``, holds every reason there is; the state and the watchdog's ping follow from the reasons that apply.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from voicebridge.domain.capture import CaptureReport, CaptureState

LATE_SUPERVISOR_SECONDS = 2.0
"""A supervisor that lives sees that nothing comes within this time after ``capture.stall_seconds``."""
_AWAY = frozenset({CaptureState.LOST, CaptureState.RECOVERING})
_DEAF = _AWAY | {CaptureState.STALLED, CaptureState.FAILED}


class State(StrEnum):
    """How the daemon is, in one word."""

    STARTING = "starting"
    HEARING = "hearing"
    DEGRADED = "degraded"
    """It hears, and something is wrong: the reasons say what."""
    DEAF = "deaf"
    STOPPING = "stopping"


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
    pipeline: Pipeline = Pipeline()
    signs: tuple[Sign, ...] = ()
    alarms: Mapping[str, str] = field(default_factory=dict)
    """What stands until something ends it: sentences by the code of their rule."""
    muted: bool = False
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Something to know; ``advice`` says what to do about it."""

    code: str
    sentence: str
    advice: str
    degrades: bool = True
    """False for what is told and is nothing wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """That a rule applies: in a sentence, and whether the watchdog's ping is withheld for it."""

    sentence: str
    withholds: bool = False


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
    degrades: bool = True


def judge(seen: Observation) -> Verdict:
    """Return how the daemon is."""
    found = [(rule, finding) for rule in RULES if (finding := rule.look(seen)) is not None]
    reasons = tuple(Reason(rule.code, finding.sentence, rule.advice, rule.degrades) for rule, finding in found)
    why_not = tuple(finding.sentence for _, finding in found if finding.withholds and not seen.stopping)
    return Verdict(not why_not and not seen.stopping, why_not, _state(seen, reasons), reasons)


def frames_arrive(seen: Observation) -> bool:
    """Say whether audio comes in as it should, as far as the newest block tells."""
    return seen.heard and seen.capture.state not in _DEAF and not _is_silent(seen)


def _state(seen: Observation, reasons: tuple[Reason, ...]) -> State:
    capture = seen.capture.state
    if seen.stopping or capture is CaptureState.ENDED:
        return State.STOPPING
    if capture in _DEAF:
        return State.DEAF
    if not seen.paced:
        return State.DEGRADED if seen.pipeline.listening and any(r.degrades for r in reasons) else State.HEARING
    if _is_silent(seen) or not seen.heard:
        young = not seen.heard and seen.uptime_seconds < seen.limits.first_block
        return State.STARTING if young else State.DEAF
    return State.DEGRADED if any(reason.degrades for reason in reasons) else State.HEARING


def _is_silent(seen: Observation) -> bool:
    return seen.paced and seen.silent_seconds >= seen.limits.stall


# ---- what each rule looks for


def _capture_stuck(seen: Observation) -> Finding | None:
    if seen.capture_stuck:
        return Finding(seen.capture_stuck, withholds=True)
    if seen.capture.state is CaptureState.FAILED:
        return Finding("The sound library is stuck or died.", withholds=True)
    return None


def _device_moved(seen: Observation) -> Finding | None:
    if not seen.capture.moved:
        return None
    return Finding(f"The sound server has led us to another source: {seen.capture.source or 'unknown'}.")


def _device_lost(seen: Observation) -> Finding | None:
    report = seen.capture
    if report.state not in _AWAY:
        return None
    name = report.source or "the microphone"
    tries = f", tried {report.attempts} times" if report.attempts else ""
    return Finding(f"Nothing can be heard from {name} for {seen.now - report.since:.0f} s{tries}.")


def _no_frames(seen: Observation) -> Finding | None:
    report, limits = seen.capture, seen.limits
    if report.state is CaptureState.STALLED:
        return Finding("The stream stands, has a wrong rate or is frozen, and is about to be opened again.")
    starting = not seen.heard and seen.uptime_seconds < limits.first_block
    if not _is_silent(seen) or starting or report.state in _DEAF | {CaptureState.ENDED}:
        return None
    # In any other state the supervisor has said that it hears; if it lives, it says otherwise soon.
    overlooked = seen.silent_seconds > limits.stall + LATE_SUPERVISOR_SECONDS
    return Finding(
        f"No audio has arrived for {seen.silent_seconds:.0f} s.",
        withholds=overlooked and report.state is CaptureState.HEARING,
    )


def _rate_off(seen: Observation) -> Finding | None:
    report, limits = seen.capture, seen.limits
    if report.state is not CaptureState.HEARING or report.rate_ratio is None:
        return None
    if abs(report.rate_ratio - 1) <= limits.rate_tolerance:
        return None
    # The supervisor opens such a stream again; one that has not done so within a second window does not work.
    overlooked = seen.now - report.since > 2 * limits.rate_window + LATE_SUPERVISOR_SECONDS
    return Finding(f"Audio comes at {report.rate_ratio:.0%} of its rate.", withholds=overlooked)


def _digital_silence(seen: Observation) -> Finding | None:
    if seen.capture.zero_seconds <= seen.limits.zero:
        return None
    return Finding(f"Nothing but zeros has come from the microphone for {seen.capture.zero_seconds:.0f} s.")


def _listener_late(seen: Observation) -> Finding | None:
    lag = seen.pipeline.lag_seconds
    if not seen.paced or lag <= seen.limits.listener_lag:
        return None
    return Finding(f"The listener is {lag:.1f} s behind the microphone.", withholds=True)


def _decode_late(seen: Observation) -> Finding | None:
    if seen.pipeline.decode_seconds > seen.limits.decode:
        return Finding(f"A decode has run for {seen.pipeline.decode_seconds:.0f} s.", withholds=True)
    if seen.pipeline.load_seconds > seen.limits.load:
        return Finding(f"The engine has been loading for {seen.pipeline.load_seconds:.0f} s.", withholds=True)
    return None


def _commit_late(seen: Observation) -> Finding | None:
    if seen.pipeline.commit_seconds <= seen.limits.commit:
        return None
    return Finding(f"The disk has not answered the store for {seen.pipeline.commit_seconds:.0f} s.", withholds=True)


def _thread_silent(seen: Observation) -> Finding | None:
    silent = [s for s in _signs(seen) if not s.excused and s.age_seconds > seen.limits.sign_of_life]
    if not silent:
        return None
    told = ", ".join(f"{sign.thread} ({sign.age_seconds:.0f} s)" for sign in silent)
    return Finding(f"No sign of life from: {told}.", withholds=any(sign.vital for sign in silent))


def _signs(seen: Observation) -> tuple[Sign, ...]:
    """Return the signs of all threads, those of capture among them."""
    report = seen.capture
    # A call into the sound library has its own deadline; one that hangs because the sound server does is waited for.
    waits = bool(report.call) or report.state in {CaptureState.ENDED, CaptureState.FAILED}
    supervisor = Sign("capture", seen.now - report.sign, excused=waits)
    if report.watch_sign is None:
        return (supervisor, *seen.signs)
    # What asks the sound server hangs as long as that does. Then nothing is heard, and it is not to blame.
    watch = Sign("sound-watch", seen.now - report.watch_sign, excused=not frames_arrive(seen))
    return (supervisor, watch, *seen.signs)


def _store_trouble(seen: Observation) -> Finding | None:
    return Finding(seen.pipeline.store_trouble) if seen.pipeline.store_trouble else None


def _engine_failed(seen: Observation) -> Finding | None:
    return Finding(seen.pipeline.engine_error) if seen.pipeline.engine_error else None


def _options_refused(seen: Observation) -> Finding | None:
    return Finding(seen.pipeline.options_refused) if seen.pipeline.options_refused else None


def _alarm(code: str) -> Callable[[Observation], Finding | None]:
    def look(seen: Observation) -> Finding | None:
        return Finding(seen.alarms[code]) if code in seen.alarms else None

    return look


def _muted(seen: Observation) -> Finding | None:
    return Finding("Muted: silence is stored in place of what the microphone hears.") if seen.muted else None


RULES = (
    Rule("capture_stuck", _capture_stuck, "The process leaves by itself (status 86) and is to be started again."),
    Rule("device_moved", _device_moved, "Bring the microphone back, or name another in audio.device."),
    Rule(
        "device_lost", _device_lost, "Is it plugged in, and does the sound server run? `voicebridge devices` lists all."
    ),
    Rule("no_frames", _no_frames, "If it lasts, look at the sound server and the cable."),
    Rule("rate_off", _rate_off, "The machine may be overloaded or the device broken; another audio.rate may help."),
    Rule("digital_silence", _digital_silence, "The microphone may be muted or unplugged at its socket."),
    Rule("listener_late", _listener_late, "Something else takes the processor: look with top, lower whisper.threads."),
    Rule(
        "decode_late", _decode_late, "It leaves by itself (status 86); if that repeats, take a smaller whisper.model."
    ),
    Rule("commit_late", _commit_late, "The disk may be failing: look at `dmesg`."),
    Rule("thread_silent", _thread_silent, "systemd starts it again when it does not get over it."),
    Rule("store_trouble", _store_trouble, "Hearing goes on. Free space on the disk, or end what locks the database."),
    Rule("database_lost", _alarm("database_lost"), "Put it back where it was, or restart: a new one is begun."),
    Rule("database_damaged", _alarm("database_damaged"), "Restart soon: the start mends it or begins a new one."),
    Rule(
        "database_set_aside", _alarm("database_set_aside"), "Save what can be saved from it: `sqlite3 FILE .recover`."
    ),
    Rule("reserve_given_up", _alarm("reserve_given_up"), "Free space on the disk: there is no reserve any more."),
    Rule("engine_failed", _engine_failed, "What is heard is kept until an engine can be had: `voicebridge doctor`."),
    Rule(
        "options_refused",
        _options_refused,
        "The engine goes on with its old options; after a restart it could not. Correct the setting, and reload.",
    ),
    Rule("muted", _muted, "`voicebridge unmute` ends it.", degrades=False),
)
"""Every reason there is, the gravest first."""
