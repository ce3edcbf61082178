"""The way of log entries out of the process: nothing here makes a thread wait, or raises."""

import logging
import os
import select
from collections.abc import Callable
from typing import Protocol

from voicebridge.daemon.messages import LOG_LOST

STREAM_WAIT_MS = 200
"""A line waits this long for a terminal or pipe that is full; once one was lost, the next ones do not wait at all.

A pipe may hold as little as a page (pipe(7), pipe-user-pages-soft) and its reader may wait for a processor, which is no
reason to lose a line. What a thread loses by it, once, is far below what the ring holds.
"""
STREAM_PIECE_BYTES = 4096
"""PIPE_BUF: what poll() calls writable takes this much without blocking. Longer entries go in several pieces."""
MAX_STREAM_ENTRY_BYTES = 16 * STREAM_PIECE_BYTES

Render = Callable[[logging.LogRecord], bytes]


class Sink(Protocol):
    """Where log entries go."""

    def send(self, entry: bytes) -> bool:
        """Take an entry whole, or say that it was lost. Never waits long, never raises."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class StreamSink:
    """A file descriptor (a terminal, a pipe, a file) that may be stopped by whoever reads it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._wait_ms = STREAM_WAIT_MS
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def send(self, entry: bytes) -> bool:
        """Write lines in pieces that a writable descriptor takes at once."""
        entry = entry[:MAX_STREAM_ENTRY_BYTES]
        pieces = (entry[at : at + STREAM_PIECE_BYTES] for at in range(0, len(entry), STREAM_PIECE_BYTES))
        sent = all(self._write(piece) for piece in pieces)
        self._wait_ms = STREAM_WAIT_MS if sent else 0
        return sent

    def close(self) -> None:
        """Leave the descriptor open: it is not ours."""

    def _write(self, piece: bytes) -> bool:
        try:
            ready = self._poll.poll(self._wait_ms)
            return bool(ready and ready[0][1] & select.POLLOUT) and os.write(self._descriptor, piece) == len(piece)
        except OSError:
            return False


class NeverBlockingHandler(logging.Handler):
    """Renders records and sends them; what is lost is counted and told by one line as soon as sending works again."""

    def __init__(self, render: Render, sink: Sink) -> None:
        super().__init__()
        self.dropped = 0
        """Entries lost since the start."""
        self._untold = 0
        self._render = render
        self._sink = sink

    def put(self, record: logging.LogRecord) -> None:
        """Send a record past the filters."""
        self.acquire()
        try:
            self.emit(record)
        finally:
            self.release()

    def tell_lost(self) -> None:
        """Tell of entries that were lost, if sending works again: nobody may log anything for hours."""
        self.acquire()
        try:
            self._tell_lost()
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, after the count of those that were lost before it."""
        self._tell_lost()
        if self._untold or not self._sink.send(self._render(record)):
            self._untold += 1
            self.dropped += 1

    def _tell_lost(self) -> None:
        if self._untold and self._sink.send(self._render(_lost(self._untold))):
            self._untold = 0

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()
        super().close()


def _lost(count: int) -> logging.LogRecord:
    told = LOG_LOST.template.format(count=count)
    record = logging.LogRecord(__name__, LOG_LOST.level, __file__, 0, "%s", (told,), None)
    record.vb_message, record.vb = LOG_LOST, {"event": LOG_LOST.event, "count": count}
    return record
