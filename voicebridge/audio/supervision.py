"""When a microphone counts as lost, and when it is opened again: pure, without thread, clock or I/O.

The supervisor's thread says what it sees (``look``) and what it did (``opening``, ``opened``, ``refused``,
``torn_down``, ``changed``); the answer is what to do: nothing, tear the stream down, or open at ``next_attempt``.
"""

from dataclasses import dataclass
from enum import StrEnum

from voicebridge.domain.audio import GapReason
from voicebridge.domain.capture import CaptureReport, CaptureState, SoundServer
from voicebridge.settings.schema import AudioSettings, CaptureSettings

FIRST_RETRY_SECONDS = 0.25
"""First pause before a lost device is tried again; it doubles up to ``audio.retry_max_seconds``."""
RATE_CONFIRM_SECONDS = 1.0
"""The rate must stay off for so long: blocks that a busy machine held back arrive all at once."""


class Fault(StrEnum):
    """Why a stream is torn down."""

    ENDED = "ended"
    """The sound library ended it."""
    SILENT = "silent"
    """It delivers nothing."""
    RATE = "rate"
    FROZEN = "frozen"
    MOVED = "moved"
    """The sound server feeds it from a source that is not the one we insist on."""
    RETURNED = "returned"
    """It was moved and followed, and the source that it was opened on is there again."""


_AWAY = frozenset({CaptureState.LOST, CaptureState.RECOVERING})
"""States that alternate while a device is away: how long that is counts, not how long ago the latest attempt was."""
REASONS = {
    Fault.ENDED: GapReason.DEVICE_LOST,
    Fault.SILENT: GapReason.STALLED,
    Fault.RATE: GapReason.STALLED,
    Fault.FROZEN: GapReason.STALLED,
    Fault.MOVED: GapReason.DEVICE_MOVED,
    Fault.RETURNED: GapReason.DEVICE_MOVED,
}
"""Reason of the gap that each fault begins."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of an open stream at one moment."""

    now: float
    """CLOCK_MONOTONIC, seconds."""
    blocks: int = 0
    """Blocks that this stream brought into the pipeline."""
    silent_seconds: float = 0.0
    """Since its newest block, or since it was opened."""
    active: bool = True
    rate_ratio: float | None = None
    """Samples that came over samples that should have, once a window is full."""
    frozen_seconds: float = 0.0
    moved: bool = False
    """Fed from a source that is not the one we insist on."""
    returned: bool = False
    """Fed from another source than it was opened on, which is there again after an absence."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where supervision stands, replaced as one value; times on CLOCK_MONOTONIC."""

    state: CaptureState
    since: float
    attempts: int = 0
    """Openings begun since it was last heard."""
    next_attempt: float | None = None
    """When the next one is due; None while a stream is open or being opened."""
    recoveries: int = 0


class Supervision:
    """The state machine of one microphone. It never gives up: whatever happens, an attempt is due sooner or later."""

    def __init__(self, audio: AudioSettings, capture: CaptureSettings, now: float) -> None:
        self._retry_max_seconds = audio.retry_max_seconds
        self._settings = capture
        self._pause_seconds = self._first_pause_seconds
        self._heard_at: float | None = None
        self._rate_off_at: float | None = None
        self._heard_streams = 0
        self.standing = Standing(CaptureState.STARTING, now, next_attempt=now)
        self.reason = GapReason.DEVICE_LOST
        """Why audio is missing, while it is."""

    def apply(self, capture: CaptureSettings) -> None:
        """Go by other numbers from the next look on."""
        self._settings = capture

    @property
    def heard_before_now(self) -> bool:
        """True once a stream before the current one was heard."""
        return self._heard_streams > 1

    @property
    def _first_pause_seconds(self) -> float:
        return min(FIRST_RETRY_SECONDS, self._retry_max_seconds)

    def due(self, now: float) -> bool:
        """Say whether it is time to open the device."""
        at = self.standing.next_attempt
        return at is not None and now >= at

    def opening(self, now: float) -> None:
        """Take note that an attempt begins."""
        first = self.standing.state is CaptureState.STARTING
        state = CaptureState.STARTING if first else CaptureState.RECOVERING
        self._stand(state, now, attempts=self.standing.attempts + 1, next_attempt=None)

    def opened(self, now: float) -> None:
        """Take note that a stream is open; nothing has come from it yet."""
        self._heard_at = self._rate_off_at = None
        self._stand(self.standing.state, now, next_attempt=None)

    def refused(self, now: float) -> None:
        """Take note that an attempt failed; the next one is due after a pause that doubles."""
        self._wait(now)

    def look(self, seen: Look) -> Fault | None:
        """Take what is seen of the open stream; return why it must be torn down, or None to go on."""
        if seen.blocks and self._heard_at is None:
            self._begin_hearing(seen.now)
        fault = self._fault(seen)
        if fault is None:
            if self._heard_at is not None and self._healthy(seen, self._heard_at):
                self._pause_seconds = self._first_pause_seconds
            return None
        if self._heard_at is not None:
            self.reason = REASONS[fault]
        stalled = REASONS[fault] is GapReason.STALLED
        self._stand(CaptureState.STALLED if stalled else CaptureState.LOST, seen.now)
        return fault

    def torn_down(self, now: float) -> None:
        """Take note that the stream is closed; an attempt is due after the pause."""
        self._heard_at = self._rate_off_at = None
        self._wait(now)

    def changed(self, now: float) -> None:
        """Take note that what can be seen of the sound system changed: a waiting attempt is due at once.

        The pauses begin anew: a device is often listed a moment before it can be opened.
        """
        if self.standing.next_attempt is not None:
            self._pause_seconds = self._first_pause_seconds
            self._stand(self.standing.state, now, next_attempt=now)

    def _begin_hearing(self, now: float) -> None:
        self._heard_streams += 1
        self._heard_at = now
        recoveries = self._heard_streams - 1
        self._stand(CaptureState.HEARING, now, attempts=0, next_attempt=None, recoveries=recoveries)

    def _fault(self, seen: Look) -> Fault | None:
        settings = self._settings
        patience = settings.first_block_seconds if self._heard_at is None else settings.stall_seconds
        faults = (
            (Fault.ENDED, not seen.active),
            (Fault.MOVED, seen.moved),
            (Fault.SILENT, seen.silent_seconds > patience),
            (Fault.FROZEN, seen.frozen_seconds >= settings.frozen_seconds),
            (Fault.RATE, self._rate_stays_off(seen)),
            (Fault.RETURNED, seen.returned),
        )
        return next((fault for fault, true in faults if true), None)

    def _rate_stays_off(self, seen: Look) -> bool:
        if seen.rate_ratio is None or abs(seen.rate_ratio - 1.0) <= self._settings.rate_tolerance:
            self._rate_off_at = None
            return False
        if self._rate_off_at is None:
            self._rate_off_at = seen.now
        return seen.now - self._rate_off_at >= RATE_CONFIRM_SECONDS

    def _healthy(self, seen: Look, heard_at: float) -> bool:
        # What is frozen, or off its rate, is not healthy before it is told: its pauses must go on growing.
        if self._rate_off_at is not None:
            return False
        return seen.now - heard_at - seen.frozen_seconds >= self._settings.healthy_seconds

    def _wait(self, now: float) -> None:
        self._stand(CaptureState.LOST, now, next_attempt=now + self._pause_seconds)
        self._pause_seconds = min(self._pause_seconds * 2, self._retry_max_seconds)

    def _stand(
        self,
        state: CaptureState,
        now: float,
        *,
        next_attempt: float | None = None,
        attempts: int | None = None,
        recoveries: int | None = None,
    ) -> None:
        before = self.standing
        self.standing = Standing(
            state,
            before.since if state is before.state or {state, before.state} <= _AWAY else now,
            before.attempts if attempts is None else attempts,
            next_attempt,
            before.recoveries if recoveries is None else recoveries,
        )


def sentence(fault: Fault, name: str, seen: Look, source: str = "") -> str:
    """Return a fault as a sentence for people; ``source`` is what is really heard."""
    microphone = f"The microphone {name!r}"
    match fault:
        case Fault.ENDED:
            return f"{microphone} is gone: its stream ended."
        case Fault.SILENT:
            return f"{microphone} is gone: nothing came from it for {seen.silent_seconds:.1f} s."
        case Fault.FROZEN:
            return f"{microphone} is frozen: the same value or block came from it for {seen.frozen_seconds:.1f} s."
        case Fault.RATE:
            percent = 100 * (seen.rate_ratio or 0.0)
            return f"{microphone} delivers {percent:.0f} % of the samples that it should."
        case Fault.MOVED:
            return f"{microphone} is gone: the sound server feeds us from {source!r} in its place."
        case Fault.RETURNED:
            return f"{microphone} is back: it is opened again in place of {source!r}."


def stuck(report: CaptureReport, settings: CaptureSettings, now: float) -> str:
    """Return why only a new process can hear again, as a sentence, or nothing.

    A teardown that takes too long is stuck whatever the sound server does. An opening waits with a server that hangs
    or cannot be asked, and counts from when it was last known to answer or to be gone.
    """
    if report.state is CaptureState.ENDED or not report.call or report.call_began is None:
        return ""
    if report.call == "teardown":
        seconds = now - report.call_began
        if seconds <= settings.teardown_seconds:
            return ""
        return f"The sound library has not closed the microphone for {seconds:.1f} s."
    if report.server not in {SoundServer.ANSWERS, SoundServer.ABSENT}:
        return ""
    seconds = now - max(report.call_began, report.server_since or report.call_began)
    if seconds <= settings.open_seconds:
        return ""
    does = "answers others" if report.server is SoundServer.ANSWERS else "is gone"
    return f"The sound library has not opened the microphone for {seconds:.1f} s, although the sound server {does}."
