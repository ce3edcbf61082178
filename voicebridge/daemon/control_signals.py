"""The signals that tell a daemon something: SIGHUP reads the settings again, SIGUSR1 mutes, SIGUSR2 unmutes."""

import os
import signal
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Self

NUMBERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class ControlSignals:
    """Keeps the signals from ending the process, and calls what was said for each.

    One that comes before anything was said for it is done as soon as it is. One that is ignored stays so (nohup).
    """

    def __init__(self) -> None:
        self._actions: Mapping[int, Callable[[], None]] = {}
        self._early: list[int] = []
        self._before: dict[signal.Signals, object] = {}

    def call(self, actions: Mapping[int, Callable[[], None]]) -> None:
        """Say what each signal calls from now on. It is called in a signal handler: it may only set a flag."""
        self._actions = actions
        while self._early:
            self._handle(self._early.pop(0), None)

    def __enter__(self) -> Self:
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # None was not set from Python, and cannot be set back from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]  # what signal.signal returned, it takes

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if action := self._actions.get(number):
            action()
        elif number not in self._early:
            self._early.append(number)


def has_controlling_terminal() -> bool:
    """Say whether this process belongs to a terminal, whatever its standard streams are."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True
