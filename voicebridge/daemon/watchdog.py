"""The one place from which systemd's watchdog is pinged, and only when the verdict says that all is well."""

import logging
from dataclasses import dataclass

from voicebridge.daemon.messages import WATCHDOG_RESUMED, WATCHDOG_WITHHELD, log_event
from voicebridge.daemon.systemd import Notify, notify
from voicebridge.health.probes import Verdict

logger = logging.getLogger(__name__)

PINGS_PER_PERIOD = 4
"""systemd asks for two at least; with four, one that is lost or late harms nothing."""


@dataclass(slots=True)
class Pings:
    """What became of the pings that were due since the start."""

    sent: int = 0
    withheld: int = 0


class Watchdog:
    """Pings when one is due and the verdict allows it. Without a period (nobody watches) it sends and says nothing.

    A ping that was withheld is due until the verdict allows it.
    """

    def __init__(self, period_seconds: float | None, send: Notify = notify) -> None:
        self.period_seconds = period_seconds
        self.pings = Pings()
        self._send = send
        self._next: float | None = None
        self._withheld_since: float | None = None

    def heed(self, verdict: Verdict, now: float) -> None:
        """Ping, if it is due at ``now`` (CLOCK_MONOTONIC) and the verdict says so."""
        if self.period_seconds is None or (self._next is not None and now < self._next):
            return
        if verdict.ping:
            self._ping(now, self.period_seconds)
        elif verdict.why_not:
            self._withhold(verdict, now)

    def _ping(self, now: float, period_seconds: float) -> None:
        if self._withheld_since is not None:
            log_event(logger, WATCHDOG_RESUMED, seconds=now - self._withheld_since)
            self._withheld_since = None
        self._send("WATCHDOG=1")
        self.pings.sent += 1
        self._next = now + period_seconds / PINGS_PER_PERIOD

    def _withhold(self, verdict: Verdict, now: float) -> None:
        self.pings.withheld += 1
        if self._withheld_since is None:
            self._withheld_since = now
            log_event(logger, WATCHDOG_WITHHELD, reason=" ".join(verdict.why_not), period=self.period_seconds)
