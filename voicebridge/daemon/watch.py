"""The watch over the daemon: judges how it is, pings or withholds, tells systemd and the journal what changes."""

import logging
import re
import time
from collections.abc import Callable

from voicebridge.daemon.assembly import Plan
from voicebridge.daemon.gauges import ClockWatch, Gauges
from voicebridge.daemon.lifecycle import Daemon
from voicebridge.daemon.messages import DIGITAL_SILENCE, SOUND_AGAIN, log_event
from voicebridge.daemon.observing import Measured, observe, sample_of
from voicebridge.daemon.systemd import Notify, notify, status
from voicebridge.daemon.watchdog import PINGS_PER_PERIOD, Watchdog
from voicebridge.domain.events import HealthChanged
from voicebridge.health.observation import NO_TREND
from voicebridge.health.probes import State, Verdict, hysteresis_of_rules, judge
from voicebridge.health.trends import Trends

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
WORDS_SECONDS = 2.0
"""systemd is told no more often than this."""
EVENTS_AT_ONCE = 10
EVENT_SECONDS = 60.0
"""Changes that are kept as events in the database: so many at once, then one in this time (half a million in a
year, for which they are kept). Each is a commit, and a value that swings about its limit makes hundreds an hour."""
NUMBERS_SECONDS = 10.0
"""Nor more often than this when only numbers in the line have changed."""


class Watch:
    """Looks at intervals; used by the health keeper's thread. ``verdict`` may be asked by any."""

    def __init__(
        self, daemon: Daemon, plan: Plan, watchdog: Watchdog, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.daemon = daemon
        self.plan = plan
        self.watchdog = watchdog
        self.monotonic = monotonic
        self.began = monotonic()
        self.gauges = Gauges()
        """What is measured over time; to be replaced before it looks."""
        self.kept_at: Callable[[], float] = self.monotonic
        """When the newest checkpoint was taken of those that are kept, on CLOCK_MONOTONIC; to be replaced likewise."""
        self.clock = ClockWatch()
        self._silence = False
        self._may_keep = float(EVENTS_AT_ONCE)
        self._asked_at = self.began
        self._left_out = 0
        self.changes_left_out = 0
        """Changes of which the database got no event of their own; the next one says how many."""
        self._trends = Trends()
        self._trend = NO_TREND
        self._hysteresis = hysteresis_of_rules()
        self._told = Verdict(ping=True, why_not=(), state=State.STARTING)

    @property
    def every_seconds(self) -> float:
        """How often it is to look: often enough for a short watchdog."""
        period = self.watchdog.period_seconds
        return LOOK_SECONDS if period is None else min(LOOK_SECONDS, period / (2 * PINGS_PER_PERIOD))

    def counters(self) -> dict[str, int]:
        """Return how often its bound was reached."""
        return {"health_events_left_out": self.changes_left_out}

    def verdict(self) -> Verdict:
        """Return how the daemon is now; what only time can tell is as it was at the newest look."""
        now = self.monotonic()
        measured = Measured(self._trend, self.gauges.machine, now - self.kept_at())
        return judge(observe(self.daemon, self.plan, self.began, now, measured), self._hysteresis)

    def look(self) -> None:
        """Judge, and act on it."""
        self.clock.look()
        self._trend = self._trends.take(sample_of(self.daemon, self.plan, self.gauges.machine), self.monotonic())
        verdict = self.verdict()
        self.watchdog.heed(verdict, self.monotonic())
        self._tell_change(verdict)
        self._tell_silence(verdict)

    def _tell_change(self, verdict: Verdict) -> None:
        """Announce that the state has changed, or the reasons for it."""
        before, self._told = self._told, verdict
        change = health_change(before, verdict)
        if change is None or verdict.state is State.STOPPING:
            return
        self.plan.ears.events.publish(change)
        if not (change.began or change.ended):
            return  # it hears for the first time: that has an event of its own
        self._keep(change)

    def _keep(self, change: HealthChanged) -> None:
        """Have a change kept as an event, unless that were too many."""
        now = self.monotonic()
        self._may_keep = min(EVENTS_AT_ONCE, self._may_keep + (now - self._asked_at) / EVENT_SECONDS)
        self._asked_at = now
        if self._may_keep < 1:
            self._left_out += 1
            self.changes_left_out += 1
            return
        self._may_keep -= 1
        left_out, self._left_out = self._left_out, 0
        log = self.plan.notebook.shelf.log
        before = f"; {left_out} changes before this one were left out" if left_out else ""
        began = "; began: " + ", ".join(code for code, _ in change.began) if change.began else ""
        ended = "; over: " + ", ".join(change.ended) if change.ended else ""
        self.daemon.crew.writer.offer(
            lambda: log.add_event("health", f"{change.before} to {change.state}{began}{ended}{before}")
        )

    def _tell_silence(self, verdict: Verdict) -> None:
        """Log, and keep as an event, when digital silence has lasted and when it is over."""
        silence = verdict.has(DIGITAL_SILENCE.event)
        if silence is self._silence or self.daemon.stopping:
            return
        self._silence = silence
        message = DIGITAL_SILENCE if silence else SOUND_AGAIN
        source = self.plan.ears.source.info.name
        log_event(logger, message, source=source)
        log = self.plan.notebook.shelf.log
        self.daemon.crew.writer.offer(lambda: log.add_event(message.event, source))


def health_change(before: Verdict, verdict: Verdict) -> HealthChanged | None:
    """Return what has changed between two verdicts, or None; sentences alone, with their numbers, are no change."""
    began = tuple((reason.code, reason.sentence) for reason in verdict.reasons if not before.has(reason.code))
    ended = tuple(reason.code for reason in before.reasons if not verdict.has(reason.code))
    if not began and not ended and verdict.state is before.state:
        return None
    return HealthChanged(verdict.state.value, before.state.value, began, ended)


class StatusLine:
    """Tells systemd the one line, when it has changed; one in which only numbers changed waits longer."""

    def __init__(self, send: Notify = notify, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._monotonic = monotonic
        self._said = ""
        self._at = float("-inf")

    def say(self, line: str) -> None:
        """Tell it, if it is time."""
        only_numbers = _words(line) == _words(self._said)
        pause_seconds = NUMBERS_SECONDS if only_numbers else WORDS_SECONDS
        if line == self._said or self._monotonic() - self._at < pause_seconds:
            return
        self._send(status(line))
        self.note(line)

    def note(self, line: str) -> None:
        """Remember a line that was told together with something else."""
        self._said, self._at = line, self._monotonic()


def _words(line: str) -> str:
    return re.sub(r"[0-9.]+", "#", line)
