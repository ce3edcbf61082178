"""Repeats are limited: a fault that comes back a thousand times a second must not fill the disk."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from voicebridge.daemon.messages import SUPPRESSED, Message

Kind = tuple[str, str]
"""A logger's name, and the message id or the template of what it logs."""

MAX_KINDS = 256
"""Kinds that are counted apart in one window. What is beyond them shares one count for errors and one for the rest."""
_MANY_KINDS = "many kinds of messages"


@dataclass(slots=True)
class _Window:
    ends_at: float
    passed: int
    suppressed: int
    sample: logging.LogRecord


class RateLimit(logging.Filter):
    """Lets ``burst`` messages of a kind through in each window of ``burst_seconds`` and counts the rest.

    The first of a kind always passes, whatever its level, up to MAX_KINDS kinds. When a window is over, the next
    message of any kind, or ``flush``, hands one record with the count to ``report``.
    """

    def __init__(
        self,
        burst: int,
        burst_seconds: float,
        report: Callable[[logging.LogRecord], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.suppressed = 0
        """Messages held back since the start."""
        self.burst = burst
        """Messages of a kind that pass in one window; may be changed at any time."""
        self._burst_seconds = burst_seconds
        self._report = report
        self._clock = clock
        self._windows: dict[Kind, _Window] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is to be logged."""
        message = getattr(record, "vb_message", None)
        if isinstance(message, Message) and not message.limited:
            return True
        with self._lock:
            over = self._take_over(self._clock())
            passes = self._counted(record, _kind_of(record, message))
        self._tell(over)
        return passes

    def flush(self, *, everything: bool = False) -> None:
        """Report what was held back in windows that are over; in all of them at the end of the log."""
        with self._lock:
            over = self._take_over(float("inf") if everything else self._clock())
        self._tell(over)

    def _counted(self, record: logging.LogRecord, kind: Kind) -> bool:
        if kind not in self._windows and len(self._windows) >= MAX_KINDS:
            kind = ("", "errors" if record.levelno >= logging.ERROR else "others")
        window = self._windows.get(kind)
        if window is None:
            window = _Window(self._clock() + self._burst_seconds, 0, 0, record)
            self._windows[kind] = window
        if window.passed < self.burst:
            window.passed += 1
            return True
        window.suppressed += 1
        self.suppressed += 1
        return False

    def _take_over(self, now: float) -> list[tuple[Kind, _Window]]:
        # Windows are all of one length, so the dictionary is in the order of their ends.
        over = []
        for kind, window in self._windows.items():
            if window.ends_at > now:
                break
            over.append((kind, window))
        for kind, _ in over:
            del self._windows[kind]
        return [(kind, window) for kind, window in over if window.suppressed]

    def _tell(self, over: list[tuple[Kind, _Window]]) -> None:
        for (name, _), window in over:
            self._report(self._summary(window, "" if name else _MANY_KINDS))

    def _summary(self, window: _Window, about: str) -> logging.LogRecord:
        sample, count = window.sample, window.suppressed
        told = SUPPRESSED.template.format(count=count, period=self._burst_seconds, like=about or text_of(sample))
        record = logging.LogRecord(
            sample.name, sample.levelno, sample.pathname, sample.lineno, "%s", (told,), None, sample.funcName
        )
        record.vb_message, record.vb = SUPPRESSED, {"event": SUPPRESSED.event, "count": count}
        return record


def text_of(record: logging.LogRecord) -> str:
    """Return a record's message; a template that does not fit its arguments must not end the thread that logs."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - any error of a foreign __str__ or template; the log line is then as good as it gets
        return f"{record.msg!r} % {record.args!r}"


def _kind_of(record: logging.LogRecord, message: object) -> Kind:
    if isinstance(message, Message):
        return record.name, message.message_id
    return record.name, record.msg if isinstance(record.msg, str) else type(record.msg).__name__
