"""The lives of the daemon: started, found to hear, found dead, started again; as systemd would, with a bound."""

import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.soak.daemon import Child
from voicebridge_bench.soak.feed import Feed, Line
from voicebridge_bench.soak.home import Way
from voicebridge_bench.soak.record import Entry, Happened

RESTART_SECONDS = 0.1
"""Before a daemon that died is started again: RestartSec of the unit."""
LONGEST_RESTART_SECONDS = 30.0
"""The pause doubles with each life that was short, up to this: what the unit does with a daemon that keeps dying."""
SHORT_LIFE_SECONDS = 60.0
LOOK_SECONDS = 0.2
"""How often a daemon that does not hear yet is asked; so exact are the times until it hears."""
STATUS_SECONDS = 2.0
HANG_SECONDS = 10.0
"""A daemon that lives and does not answer for this long, or takes no audio, hangs."""
HELD_SECONDS = 5.0
"""A live feed of which so much waits in the pipe is not being taken."""
START_SECONDS = 60.0
"""A start that takes longer is a hang: it is killed."""
END_SECONDS = 120.0
"""What is still to be decoded after the end of the feed has this long; then it is asked to stop."""
TERM_SECONDS = 30.0
BY_ITSELF, KILLED = "by itself", "when it was killed"


class Lives:
    """Looks after the daemon; the conductor calls ``look`` several times a second."""

    def __init__(self, way: Way, feed: Feed, tell: Callable[[Entry], None], first_life: int = 1) -> None:
        self.child: Child | None = None
        self.life = first_life - 1
        self.status: Mapping[str, Any] = {}
        """What it last answered; empty while it does not."""
        self.sessions: dict[int, int] = {}
        """Of which life each session is."""
        self._expected: tuple[str, int] | None = None
        self._excused = False
        self.announced = 0
        self.log_bytes = 0
        """Of the lives that have ended."""
        self._way = way
        self._feed = feed
        self._tell = tell
        self._start_at = 0.0
        self._short_lives = 0
        self._hears = False
        self._next_look = 0.0
        self._answered = 0.0
        self._hanging_since: float | None = None
        self._state = ""

    @property
    def hears(self) -> bool:
        """True once the present life has heard its first frame."""
        return self.child is not None and self._hears

    def look(self, now: float) -> None:
        """Do what is due."""
        child = self.child
        if child is None:
            if now >= self._start_at:
                self._start(now)
        elif child.exit_status is not None:
            self._ended(child, child.exit_status, now)
        elif now >= self._next_look and not self._excused:
            self._next_look = now + (STATUS_SECONDS if self._hears else LOOK_SECONDS)
            self._ask(child, now)

    def expect(self, why: str, status: int) -> None:
        """Take the end of the present life for no crash, if it leaves with this status (minus a signal's number)."""
        self._expected = why, status

    def expect_nothing(self) -> None:
        """Take any end for a crash again."""
        self._expected = None

    def excuse(self, excused: bool) -> None:
        """Ask it nothing while it is stopped on purpose: it cannot answer."""
        self._excused = excused
        self._answered = time.monotonic()

    def ask_again(self) -> None:
        """Have the next look ask it: something was done to it."""
        self._next_look = 0.0

    def heard(self) -> tuple[int, float] | None:
        """Ask how much this life has heard: (life, seconds of frames); None when it does not answer."""
        child = self.child
        if child is None or child.session is None:
            return None
        status = child.status()
        return None if status is None else (child.life, float(status["heard_seconds"]))

    def finish(self) -> None:
        """End it in order: it decodes what it has, and leaves. What does not end by itself is ended."""
        child = self.child
        if child is None:
            return
        child.send(signal.SIGCONT)
        line = self._feed.cut()
        left_before = child.exit_status is not None
        how = _ended_in_order(child)
        status = child.exit_status
        if line is not None and status == ExitCode.OK and how == BY_ITSELF:
            self._feed.all_kept(line)
        self._tell_fed(line)
        self._bury(child)
        # One that was ended before it heard anything says that it was given nothing.
        given_nothing = not (self._hears or left_before) and status is not None and status > 0
        orderly = status == ExitCode.OK or given_nothing or self._why_expected(status)
        kind = "hang" if how == KILLED else "stopped" if orderly else "crashed"
        self._happened(time.monotonic(), kind, f"it ended {how}, {_told(status)}")

    def _start(self, now: float) -> None:
        self.life += 1
        self.expect_nothing()
        self._hears, self._state, self._hanging_since = False, "", None
        self.status = {}
        self.child = Child(self._way, self.life, self._tell)
        self._answered = self.child.began
        self._happened(now, "started", f"process {self.child.pid}")

    def _ended(self, child: Child, status: int, now: float) -> None:
        self._tell_fed(self._feed.cut())
        self._bury(child)
        lived = now - child.began
        why = self._why_expected(status)
        self._short_lives = 0 if lived >= SHORT_LIFE_SECONDS or why else self._short_lives + 1
        pause = min(RESTART_SECONDS * 2 ** min(max(self._short_lives - 1, 0), 16), LONGEST_RESTART_SECONDS)
        self._start_at = now + pause
        self._excused = False
        kind = "killed" if why else "crashed"
        self._happened(now, kind, f"{why or 'by itself'}, {_told(status)}, after {lived:.1f} s")

    def _why_expected(self, status: int | None) -> str:
        """Return why the present life was to end like this; nothing when it was not."""
        return self._expected[0] if self._expected is not None and self._expected[1] == status else ""

    def _bury(self, child: Child) -> None:
        child.bury()
        self.announced += child.announced
        self.log_bytes += child.log_bytes
        self.child, self.status = None, {}

    def _ask(self, child: Child, now: float) -> None:
        if child.session is None:
            if now - child.began > START_SECONDS:
                self._happened(now, "hang", f"it did not begin within {START_SECONDS:g} s")
                child.send(signal.SIGKILL)
            return
        if child.session not in self.sessions:
            self.sessions[child.session] = child.life
            self._happened(now, "session", str(child.session))
            self._feed.begin(child.input_descriptor, child.life)
        status = child.status()
        # The child may have ended meanwhile; the next look sees that.
        now = time.monotonic()
        if status is not None:
            self.status = status
            self._heed(status, now)
        takes = self._feed.held_seconds() < HELD_SECONDS or self._way.paced is False
        if status is not None and takes:
            self._answers(now)
        elif now - self._answered >= HANG_SECONDS and self._hanging_since is None:
            self._hanging_since = self._answered
            what = "it does not answer" if status is None else "it takes no audio"
            self._happened(now, "hang", f"{what} for {now - self._answered:.0f} s")

    def _answers(self, now: float) -> None:
        self._answered = now
        if self._hanging_since is not None:
            self._happened(now, "went_on", f"after {now - self._hanging_since:.1f} s")
            self._hanging_since = None

    def _heed(self, status: Mapping[str, Any], now: float) -> None:
        if not self._hears and status["heard_seconds"] > 0:
            self._hears = True
            self._happened(now, "ready", "it hears")
        if status["state"] != self._state:
            self._state = status["state"]
            codes = [reason["code"] for reason in status["reasons"] if reason.get("degrades", True)]
            self._happened(now, "state", " ".join([f"{self._state}:", *codes]).rstrip(": "))

    def _tell_fed(self, line: Line | None) -> None:
        self._happened(time.monotonic(), "fed", f"{0 if line is None else line.fed} samples")

    def _happened(self, at: float, kind: str, detail: str) -> None:
        self._tell(Happened(at, kind, self.life, detail))


def _ended_in_order(child: Child) -> str:
    """End a daemon as gently as it lets itself be ended; return how that was."""
    child.hang_up()
    child.end_input()
    if child.wait(END_SECONDS):
        return BY_ITSELF
    child.send(signal.SIGTERM)
    if child.wait(TERM_SECONDS):
        return "when it was asked to"
    child.send(signal.SIGKILL)
    child.wait(TERM_SECONDS)
    return KILLED


def _told(status: int | None) -> str:
    if status is None:
        return "and has not ended"
    if status < 0:
        return f"signal {signal.Signals(-status).name}"
    return f"status {status}"
