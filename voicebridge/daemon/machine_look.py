"""Looks at the machine (disk, temperature, memory) in a thread of its own: they may hang with what is behind them.

Neither the keeper nor the store writer waits for it; its silence only degrades.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from voicebridge.health.machine import SYS, Machine, Temperatures, read_machine
from voicebridge.pipeline.worker import Worker
from voicebridge.settings import paths

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
STOP_SECONDS = 1.0
"""How long a stop waits for a look that is under way."""


def sensors() -> Temperatures:
    """Return psutil's reader of temperatures."""
    import psutil

    return psutil.sensors_temperatures


class MachineLook(Worker):
    """Keeps what it saw last in ``machine`` and ``uss_bytes``; any thread may read both."""

    def __init__(
        self,
        state: Path,
        uss_every_seconds: float,
        temperatures: Temperatures | None = None,
        sys: Path = SYS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("machine-look")
        self.machine = Machine()
        self.uss_bytes: int | None = None
        """Memory that only this process uses; None before it was measured, and where that is not allowed."""
        self.failed = 0
        """Looks that met an error; what was seen before stands."""
        self.busy = False
        """It looks, and may hang with a disk or a sensor."""
        self._state = state
        self._uss_every_seconds = uss_every_seconds
        self._temperatures = temperatures
        self._sys = sys
        self._monotonic = monotonic
        self._uss_at: float | None = None

    def look(self) -> None:
        """Look once."""
        if self._temperatures is None:
            self._temperatures = sensors()
        self.machine = read_machine(self._state, paths.database_path(self._state), self._temperatures, self._sys)
        now = self._monotonic()
        # The kernel walks all pages for this: 0.3 ms for a small process, some milliseconds for a large model.
        if self._uss_at is None or now - self._uss_at >= self._uss_every_seconds:
            self._uss_at = now
            self.uss_bytes = _uss()

    def counters(self) -> dict[str, int]:
        """Return what it has counted."""
        return {"machine_looks_failed": self.failed}

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.sign()
            self.busy = True
            try:
                self.look()
            except OSError as error:  # no descriptor for now, or a disk or sensor that fails: both may pass
                self.failed += 1
                logger.warning("the machine could not be looked at, and is again: %s", error)
            finally:
                self.busy = False
            self._pause(LOOK_SECONDS, self._stopping)


def _uss() -> int | None:
    import psutil

    try:
        return int(psutil.Process().memory_full_info().uss)
    except (psutil.Error, OSError):
        return None
