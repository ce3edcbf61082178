"""The metrics of a session: what is announced is counted at once, the rest is read when somebody asks for it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from voicebridge.domain.events import Event
from voicebridge.health.metrics_tallies import Tallies

if TYPE_CHECKING:
    from voicebridge.health.metrics import Metrics
    from voicebridge.health.status import Status


class Metering:
    """Counts events and renders the metrics; implements MetricsSource. Any thread may ask.

    prometheus_client (50 ms, and 1 MB beside uvicorn) is imported when somebody asks first, by the thread that asks.
    """

    def __init__(self, read_status: "Callable[[], Status]") -> None:
        self.newest_checkpoint: Callable[[], Mapping[str, Any]] = dict
        """Returns the newest checkpoint as a mapping; to be set before anybody asks."""
        self._read_status = read_status
        self._tallies = Tallies()
        self._lock = threading.Lock()
        self._metrics: Metrics | None = None

    def heed(self, event: Event) -> None:
        """Count an event."""
        self._tallies.heed(event)

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return self._renderer().metrics()

    def status(self) -> Mapping[str, Any]:
        """Return the status of now as a mapping."""
        return asdict(self._read_status())

    def checkpoint(self) -> Mapping[str, Any]:
        """Return the newest checkpoint as a mapping; empty before the first."""
        return self.newest_checkpoint()

    def _renderer(self) -> "Metrics":
        with self._lock:
            if self._metrics is None:
                from voicebridge.health.metrics import Metrics

                self._metrics = Metrics(self, self._tallies)
            return self._metrics
