"""Signals only set a flag; a second one ends the process at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from voicebridge.domain.errors import ExitCode

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Asks for a stop at the first SIGINT or SIGTERM, and leaves at the second, whatever hangs.

    Before there is somebody to ask (the daemon is being built), the first one unwinds: SIGINT as KeyboardInterrupt,
    SIGTERM as an orderly end.
    """

    def __init__(self) -> None:
        self.received = 0
        self.name = ""
        """Of the first one."""
        self._request_stop: Callable[[], None] | None = None
        self._before: dict[signal.Signals, object] = {}

    def call_on_stop(self, request_stop: Callable[[], None]) -> None:
        """Say what the first signal calls from now on; it may only set a flag."""
        self._request_stop = request_stop

    def __enter__(self) -> Self:
        for number in NUMBERS:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # None was not set from Python, and cannot be set back from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]  # what signal.signal returned, it takes

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.received += 1
        if self.received > 1:
            os._exit(ExitCode.INTERRUPTED)
        self.name = signal.Signals(number).name
        if self._request_stop is None:
            # systemd takes any other status after its SIGTERM for a failure.
            raise SystemExit(ExitCode.OK) if number == signal.SIGTERM else KeyboardInterrupt
        self._request_stop()
