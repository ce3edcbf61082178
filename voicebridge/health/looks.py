"""What each rule looks for in an observation. Pure; the table of rules is in voicebridge.health.probes."""

# ruff: noqa: D103 - the table in probes says of each look when it finds something

from collections.abc import Callable

from voicebridge.domain.capture import CaptureState
from voicebridge.health.observation import Finding, Observation, Sign

FRAMES_PER_SECOND = 50
BYTES_PER_GB = 1_000_000_000
FAILURES = 2
"""Decodes that must fail one after the other: a single one may be the audio's fault."""
LATE_SUPERVISOR_SECONDS = 2.0
"""A supervisor that lives sees that nothing comes within this time after ``capture.stall_seconds``."""
TOLD_BEFORE_SECONDS = 10.0
"""What the process leaves for at its deadline is told so long before, or at half of a short one: once it has left,
nobody can ask it any more."""
FAILURES_SECONDS = 600.0
"""After so long without another failure (nothing was said) nobody knows whether decodes still fail."""
SET_ASIDE_SECONDS = 3600.0
"""A database that was set aside degrades for so long that whoever watches sees it; then it is only told: the daemon
hears, and stores what it hears."""
COOLER_CELSIUS = 3.0
ROOMIER = 1.1
"""What was told of heat or of the disk is taken back only this far beyond its limit: a value at its limit would make it
come and go every few seconds."""
AWAY = frozenset({CaptureState.LOST, CaptureState.RECOVERING})
DEAF = AWAY | {CaptureState.STALLED, CaptureState.FAILED}


def frames_arrive(seen: Observation) -> bool:
    """Say whether audio comes in as it should, as far as the newest block tells."""
    return seen.heard and seen.capture.state not in DEAF and not is_silent(seen)


def is_silent(seen: Observation) -> bool:
    return seen.paced and seen.silent_seconds >= seen.limits.stall


def told_from(deadline_seconds: float) -> float:
    """Return the age in seconds from which a call with this deadline is told to be late."""
    return max(deadline_seconds / 2, deadline_seconds - TOLD_BEFORE_SECONDS)


def capture_stuck(seen: Observation) -> Finding | None:
    if seen.capture_stuck:
        return Finding(seen.capture_stuck, withholds=True)
    if seen.capture.state is CaptureState.FAILED:
        return Finding("The sound library is stuck or died.", withholds=True)
    return Finding(seen.capture_slow) if seen.capture_slow else None


def device_moved(seen: Observation) -> Finding | None:
    if not seen.capture.moved:
        return None
    return Finding(f"The sound server has led us to another source: {seen.capture.source or 'unknown'}.")


def device_lost(seen: Observation) -> Finding | None:
    report = seen.capture
    if report.state not in AWAY:
        return None
    name = report.source or "the microphone"
    tries = f", tried {report.attempts} times" if report.attempts else ""
    return Finding(f"Nothing can be heard from {name} for {seen.now - report.since:.0f} s{tries}.")


def no_frames(seen: Observation) -> Finding | None:
    report, limits = seen.capture, seen.limits
    if report.state is CaptureState.STALLED:
        return Finding("The stream stands, has a wrong rate or is frozen, and is about to be opened again.")
    starting = not seen.heard and seen.uptime_seconds < limits.first_block
    if not is_silent(seen) or starting or report.state in DEAF | {CaptureState.ENDED}:
        return None
    # In any other state the supervisor has said that it hears; if it lives, it says otherwise soon.
    overlooked = seen.silent_seconds > limits.stall + LATE_SUPERVISOR_SECONDS
    return Finding(
        f"No audio has arrived for {seen.silent_seconds:.0f} s.",
        withholds=overlooked and report.state is CaptureState.HEARING,
    )


def rate_off(seen: Observation) -> Finding | None:
    report, limits = seen.capture, seen.limits
    if report.state is not CaptureState.HEARING or report.rate_ratio is None:
        return None
    if abs(report.rate_ratio - 1) <= limits.rate_tolerance:
        return None
    # The supervisor opens such a stream again; one that has not done so within a second window does not work.
    overlooked = seen.now - report.since > 2 * limits.rate_window + LATE_SUPERVISOR_SECONDS
    return Finding(f"Audio comes at {report.rate_ratio:.0%} of its rate.", withholds=overlooked)


def digital_silence(seen: Observation) -> Finding | None:
    if seen.capture.zero_seconds <= seen.limits.zero:
        return None
    return Finding(f"Nothing but zeros has come from the microphone for {seen.capture.zero_seconds:.0f} s.")


def listener_late(seen: Observation) -> Finding | None:
    lag = seen.pipeline.lag_seconds
    if not seen.paced or lag <= seen.limits.listener_lag:
        return None
    return Finding(f"The listener is {lag:.1f} s behind the microphone.", withholds=True)


def decode_late(seen: Observation) -> Finding | None:
    decode, load = seen.pipeline.decode_seconds, seen.pipeline.load_seconds
    if decode > told_from(seen.limits.decode):
        return Finding(f"A decode has run for {decode:.0f} s.", withholds=decode > seen.limits.decode)
    if load > told_from(seen.limits.load):
        return Finding(f"The engine has been loading for {load:.0f} s.", withholds=load > seen.limits.load)
    return None


def commit_late(seen: Observation) -> Finding | None:
    commit = seen.pipeline.commit_seconds
    if commit <= told_from(seen.limits.commit):
        return None
    return Finding(
        f"The disk has not answered the store for {commit:.0f} s.",
        withholds=commit > seen.limits.commit,
    )


def thread_silent(seen: Observation) -> Finding | None:
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


def store_trouble(seen: Observation) -> Finding | None:
    return Finding(seen.pipeline.store_trouble) if seen.pipeline.store_trouble else None


def engine_failed(seen: Observation) -> Finding | None:
    return Finding(seen.pipeline.engine_error) if seen.pipeline.engine_error else None


def options_refused(seen: Observation) -> Finding | None:
    return Finding(seen.pipeline.options_refused) if seen.pipeline.options_refused else None


def low_level(seen: Observation) -> Finding | None:
    low_seconds = seen.trend.low_frames / FRAMES_PER_SECOND
    # Nothing but zeros has a reason of its own, which says more.
    if seen.muted or not seen.paced or low_seconds < seen.limits.low_level or digital_silence(seen) is not None:
        return None
    return Finding(f"Nothing louder than {seen.limits.low_level_dbfs:.0f} dBFS was heard for {low_seconds:.0f} s.")


def clipping(seen: Observation) -> Finding | None:
    share = seen.trend.clipped_share
    return Finding(f"The input is clipped: {share:.1%} of it.") if share >= seen.limits.clipping_share else None


def backlog(seen: Observation) -> Finding | None:
    waiting, oldest, limit = seen.pipeline.backlog_seconds, seen.pipeline.oldest_seconds, seen.limits.backlog
    if waiting < limit or oldest < limit or seen.trend.backlog_shrinks or not seen.paced:
        return None
    return Finding(
        f"{waiting:.0f} s of speech wait for their decode, for up to {oldest:.0f} s, and it is not shrinking."
    )


def decode_failures(seen: Observation) -> Finding | None:
    failed = seen.pipeline.decodes_failed
    if failed < FAILURES or seen.trend.decode_error_seconds >= FAILURES_SECONDS:
        return None
    return Finding(f"The last {failed} decodes have failed: {seen.pipeline.decode_error}")


def disk_nearly_full(seen: Observation) -> Finding | None:
    return _little_free(seen, seen.limits.disk_free_bytes)


def disk_still_nearly_full(seen: Observation) -> Finding | None:
    return _little_free(seen, seen.limits.disk_free_bytes * ROOMIER)


def _little_free(seen: Observation, limit_bytes: float) -> Finding | None:
    free = seen.machine.disk_free
    if free is None or free >= limit_bytes:
        return None
    told = f"{free / 1e9:.1f} GB" if free >= BYTES_PER_GB else f"{free / 1e6:.0f} MB"
    return Finding(f"The disk of the state directory has {told} left.")


def checkpoint_late(seen: Observation) -> Finding | None:
    if seen.checkpoint_seconds <= seen.limits.checkpoint:
        return None
    return Finding(f"No checkpoint has been kept for {seen.checkpoint_seconds:.0f} s.")


def thermal(seen: Observation) -> Finding | None:
    return _hot(seen, 0.0)


def still_thermal(seen: Observation) -> Finding | None:
    return _hot(seen, COOLER_CELSIUS)


def _hot(seen: Observation, below_celsius: float) -> Finding | None:
    machine = seen.machine
    limit = seen.limits.celsius if machine.limit_celsius is None else machine.limit_celsius
    told = [machine.detail] if machine.throttled else []
    if seen.trend.throttled:
        told.append("the processor has throttled itself")
    if machine.celsius is not None and machine.celsius >= limit - below_celsius:
        told.append(f"{machine.celsius:.0f} °C, the limit is {limit:.0f}")
    return Finding(f"The machine is slowed down or too hot: {', '.join(told)}.") if told else None


def database_set_aside(seen: Observation) -> Finding | None:
    sentence = seen.alarms.get("database_set_aside")
    return None if sentence is None else Finding(sentence, degrades=seen.uptime_seconds < SET_ASIDE_SECONDS)


def alarm(code: str) -> Callable[[Observation], Finding | None]:
    def look(seen: Observation) -> Finding | None:
        return Finding(seen.alarms[code]) if code in seen.alarms else None

    return look


def muted(seen: Observation) -> Finding | None:
    return Finding("Muted: silence is stored in place of what the microphone hears.") if seen.muted else None
