"""A thread with a beginning, an end, and a failure that is noticed."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

logger = logging.getLogger(__name__)

SIGN_SECONDS = 2.0
"""Longest wait of a worker's loop; ``health.sign_of_life_seconds`` is longer."""


class Worker(ABC):
    """One named thread. A fault of ours in it is logged with its traceback and reported, never swallowed."""

    def __init__(self, name: str, on_failure: Callable[[], None] = lambda: None) -> None:
        self.failure: Exception | None = None
        self.sign_seconds = SIGN_SECONDS
        """How long it waits at most before it gives the next sign of life."""
        self.last_sign_monotonic: float | None = None
        """When it last gave a sign of life, on CLOCK_MONOTONIC; None before it runs. A worker gives one in each turn of
        its loop, and a loop that waits wakes up for it every ``SIGN_SECONDS`` (the watchdog asks for that)."""
        self._stopping = threading.Event()
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """True between start and end."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; ``join`` waits for it."""
        self._stopping.set()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for its end; False when it has not ended in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def sign(self) -> None:
        """Give a sign of life."""
        self.last_sign_monotonic = time.monotonic()

    def _wait_for(self, changed: threading.Condition, predicate: Callable[[], object]) -> None:
        """Wait, with the condition held, until the predicate holds; signs of life go on meanwhile."""
        self.sign()
        while not changed.wait_for(predicate, self.sign_seconds):
            self.sign()

    def _pause(self, seconds: float, wake: threading.Event) -> None:
        """Wait for so long, or until ``wake`` is set; signs of life go on meanwhile."""
        self.sign()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not wake.wait(min(left, self.sign_seconds)):
            self.sign()

    @abstractmethod
    def _run(self) -> None:
        """Do the work until ``_stopping`` is set."""

    def _guarded(self) -> None:
        self.sign()
        try:
            self._run()
        except Exception as error:
            logger.exception("the thread %s died", self._thread.name)
            self.failure = error
            self._on_failure()
