"""How a log record is written: as lines for a terminal, as plain lines, as fields of the journal."""

import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from voicebridge.daemon.journal import field_name
from voicebridge.daemon.messages import Message
from voicebridge.daemon.rate_limit import text_of
from voicebridge.domain.text import printable

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Lowest level of each syslog priority."""
_RED, _YELLOW, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_COLOURS = ((logging.ERROR, _RED), (logging.WARNING, _YELLOW), (logging.INFO, _PLAIN))


@dataclass(slots=True)
class LogContext:
    """What every entry of this process depends on."""

    transcripts: bool
    """Write the text of what was heard."""
    session: int | None = None
    """Written as VB_SESSION."""

    def fields_of(self, record: logging.LogRecord) -> dict[str, str]:
        """Return the fields that came with a record (``extra={"vb": {...}}``), printable, the text only if wanted."""
        given = {name: value for name, value in getattr(record, "vb", {}).items() if name != "text" or self.transcripts}
        if self.session is not None:
            given.setdefault("session", self.session)
        return {name: printable(_shown(value)) for name, value in given.items()}


def journal_fields(context: LogContext, record: logging.LogRecord) -> dict[str, str]:
    """Return the fields of a journal entry; a traceback is part of MESSAGE, whose lines journalctl keeps."""
    fields = context.fields_of(record)
    entry = {
        "MESSAGE": "\n".join(_lines_of(record, fields)),
        "PRIORITY": str(_priority(record.levelno)),
        "SYSLOG_IDENTIFIER": "voicebridge",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        "VB_LOGGER": record.name,
        "VB_THREAD": printable(record.threadName or ""),
    }
    message = getattr(record, "vb_message", None)
    if isinstance(message, Message):
        entry["MESSAGE_ID"] = message.message_id
    return entry | {field_name(name): value for name, value in fields.items()}


def terminal_lines(context: LogContext, record: logging.LogRecord, *, colours: bool) -> bytes:
    """Return ``12:34:56 level   message``, with a traceback under it."""
    moment = time.strftime("%H:%M:%S", time.localtime(record.created))
    level = f"{record.levelname.lower():<7}"
    if colours:
        colour = next((code for least, code in _COLOURS if record.levelno >= least), _DIM)
        moment, level = f"{_DIM}{moment}{_PLAIN}", f"{colour}{level}{_PLAIN}"
    first, *rest = _lines_of(record, context.fields_of(record))
    return _joined([f"{moment} {level} {first}", *rest])


def plain_lines(context: LogContext, record: logging.LogRecord, *, priority: bool) -> bytes:
    """Return lines for a file or pipe: with time and level, or, where journald reads them, with ``<6>`` before each."""
    first, *rest = _lines_of(record, context.fields_of(record))
    if priority:
        return _joined([f"<{_priority(record.levelno)}>{line}" for line in (first, *rest)])
    moment = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.created))
    return _joined([f"{moment} {record.levelname.lower()} {record.name}: {first}", *rest])


def _lines_of(record: logging.LogRecord, fields: Mapping[str, str]) -> list[str]:
    """Return the message, with the transcript if it is wanted, and the lines of the traceback."""
    message = printable(text_of(record))
    if text := fields.get("text"):
        message = f"{message}: {text}"
    if not record.exc_info or record.exc_info[0] is None:
        return [message]
    trace = "".join(traceback.format_exception(*record.exc_info)).split("\n")
    return [message, *(printable(line) for line in trace if line)]


def _shown(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)
