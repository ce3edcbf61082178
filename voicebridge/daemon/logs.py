"""Logging: readable lines on a terminal, structured fields under systemd; it never makes a thread wait.

The text of what was heard is written only where ``log.transcripts`` says so. Libraries are logged from warnings up:
some log at lower levels what they decode.
"""

import logging
import os
import socket
import stat
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from voicebridge.daemon.journal import JOURNAL_SOCKET, JournalSocket, encode
from voicebridge.daemon.log_forms import LogContext, journal_fields, plain_lines, terminal_lines
from voicebridge.daemon.log_handler import NeverBlockingHandler, StreamSink
from voicebridge.daemon.rate_limit import RateLimit
from voicebridge.settings.schema import LogSettings

JOURNAL_STDOUT = "/run/systemd/journal*/stdout"
"""The sockets on which journald, and that of a namespace, read the output of services and of systemd-cat."""
OWN_LOGGERS = ("voicebridge", "voicebridge_bench")


class Logging:
    """The logging of this process, from ``configure_logging`` to ``close``."""

    def __init__(self, form: str, handler: NeverBlockingHandler, context: LogContext, settings: LogSettings) -> None:
        self.form = form
        """terminal, plain or journald."""
        self._context = context
        self._handler = handler
        self._limit = RateLimit(settings.burst, settings.burst_seconds, handler.put)
        self._root_level = logging.getLogger().level
        handler.addFilter(self._limit)
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
        for name in OWN_LOGGERS:
            logging.getLogger(name).setLevel(settings.level.upper())
        logging.captureWarnings(True)

    @property
    def session(self) -> int | None:
        """The session written with every entry; set it when the store has given one."""
        return self._context.session

    @session.setter
    def session(self, session: int) -> None:
        self._context.session = session

    @property
    def dropped(self) -> int:
        """Entries that the terminal or journald did not take."""
        return self._handler.dropped

    @property
    def suppressed(self) -> int:
        """Repeats that were counted instead of logged."""
        return self._limit.suppressed

    def counters(self) -> dict[str, int]:
        """Return how often each of its bounds was reached, for the status."""
        return {"log_dropped": self.dropped, "log_suppressed": self.suppressed}

    def apply(self, settings: LogSettings) -> None:
        """Take over another level, burst and word on transcripts; from any thread. The form needs a new start."""
        self._context.transcripts = settings.transcripts
        self._limit.burst = settings.burst
        for name in OWN_LOGGERS:
            logging.getLogger(name).setLevel(settings.level.upper())

    def flush(self) -> None:
        """Report repeats whose window is over, and what was lost, also when nothing else is logged."""
        self._limit.flush()
        self._handler.tell_lost()

    def close(self) -> None:
        """Report all counts and let go of the loggers. Calling it twice is harmless."""
        if self._handler not in logging.getLogger().handlers:
            return
        self._limit.flush(everything=True)
        self._handler.tell_lost()
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._handler)
        logging.getLogger().setLevel(self._root_level)
        for name in OWN_LOGGERS:
            logging.getLogger(name).setLevel(logging.NOTSET)
        self._handler.close()


def configure_logging(
    settings: LogSettings,
    session: int | None = None,
    *,
    descriptor: int = 2,
    environ: Mapping[str, str] = os.environ,
    journal: Path = JOURNAL_SOCKET,
) -> Logging:
    """Send all logging to a descriptor (standard error) or to journald, as the settings and the place say."""
    read_by_journald = is_journal_stream(descriptor, environ)
    form = settings.format if settings.format != "auto" else _form_here(descriptor, read_by_journald)
    # Where journald's socket is not to be had, plain lines lose the fields, but not the messages.
    missing = form == "journald" and not journal.exists()
    form = "plain" if missing else form
    context = LogContext(settings.transcripts, session)
    if form == "journald":
        handler = NeverBlockingHandler(lambda record: encode(journal_fields(context, record)), JournalSocket(journal))
    else:
        handler = _lines_handler(form, context, descriptor, environ, priority=read_by_journald)
    log = Logging(form, handler, context, settings)
    if missing:
        logging.getLogger(__name__).warning("journald's socket %s is not there: logging plain lines", journal)
    return log


def is_journal_stream(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Say whether a descriptor is journald's: systemd gives ``device:inode`` of it (systemd.exec, JOURNAL_STREAM)."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def leads_to_journal(descriptor: int, journal: str = JOURNAL_STDOUT) -> bool:
    """Say whether what is written to a descriptor ends in journald, also without systemd's word (systemd-cat).

    ``journal`` is where journald listens, as a pattern of a shell.
    """
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as stream:
            return stream.family == socket.AF_UNIX and fnmatchcase(os.fsdecode(stream.getpeername()), journal)
    except OSError:
        return False  # closed, or without a peer


def _lines_handler(
    form: str, context: LogContext, descriptor: int, environ: Mapping[str, str], *, priority: bool
) -> NeverBlockingHandler:
    sink = StreamSink(descriptor)
    if form == "terminal":
        colours = os.isatty(descriptor) and not environ.get("NO_COLOR")
        return NeverBlockingHandler(lambda record: terminal_lines(context, record, colours=colours), sink)
    return NeverBlockingHandler(lambda record: plain_lines(context, record, priority=priority), sink)


def _form_here(descriptor: int, read_by_journald: bool) -> str:
    if read_by_journald:
        return "journald"
    return "terminal" if os.isatty(descriptor) else "plain"
