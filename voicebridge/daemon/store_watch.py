"""Leaves when the database was moved away or is damaged: the next start makes a new one and recovers the spool into it.

What is heard meanwhile waits in memory, and is spooled by the orderly stop.
"""

import time
from collections.abc import Callable

from voicebridge.daemon.lifecycle import Daemon
from voicebridge.daemon.notebook import Notebook
from voicebridge.domain.errors import StoreError

PATIENCE_SECONDS = 10.0
"""Time for who moved the database to put it back, and for the alarm to be seen in the status."""


class StoreWatch:
    """Asks the notebook for its alarm; used by the health keeper's thread."""

    def __init__(
        self, daemon: Daemon, notebook: Notebook, monotonic_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._daemon = daemon
        self._notebook = notebook
        self._monotonic_seconds = monotonic_seconds
        self._since: float | None = None

    def look(self) -> None:
        """Stop the daemon in order, with an error, when the alarm has stood for ten seconds."""
        alarm, now = self._notebook.alarm, self._monotonic_seconds()
        if not alarm:
            self._since = None
            return
        self._since = now if self._since is None else self._since
        if now - self._since >= PATIENCE_SECONDS and self._daemon.error is None:
            self._daemon.error = StoreError(alarm, "What was heard is in the spool, and recovered by the next start.")
