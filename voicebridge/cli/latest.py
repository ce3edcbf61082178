"""The newest of what is stored, for the status: what was heard last, and the last checkpoint."""

import time
from pathlib import Path
from typing import Any

from voicebridge.cli.shown import line
from voicebridge.daemon.control_client import Client
from voicebridge.daemon.control_protocol import record_from_json
from voicebridge.domain.errors import ControlError, StoreError
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Status
from voicebridge.settings import paths

BUSY_MS = 500
MINUTE, HOUR, DAY = 60, 3600, 86_400


def last_words_told(client: Client) -> str:
    """Return the line of the last utterance that a daemon tells of; nothing when it cannot."""
    try:
        records = client.ask("history", statuses=[Status.DONE.value], newest_first=True, limit=1)["records"]
    except ControlError:
        return ""
    return line(record_from_json(records[0])) if records else ""


def last_words_in(state: Path) -> str:
    """Return the line of the last utterance in a state directory; nothing when it cannot be read."""
    from voicebridge.store.database import open_database
    from voicebridge.store.search import HistoryQuery, history

    try:
        with open_database(paths.database_path(state), BUSY_MS, read_only=True) as db:
            query = HistoryQuery(statuses=(Status.DONE,), newest_first=True, limit=1)
            return next((line(record) for record in history(db, query)), "")
    except StoreError:
        return ""


def last_checkpoint(state: Path) -> dict[str, Any] | None:
    """Return the newest checkpoint of a state directory, from the database or else from the file; None without one."""
    from voicebridge.store.checkpoints import last_line, newest_checkpoints
    from voicebridge.store.database import open_database

    try:
        with open_database(paths.database_path(state), BUSY_MS, read_only=True) as db:
            records = newest_checkpoints(db, 1)
    except StoreError:
        return last_line(state)
    return records[0] if records else None


def checkpoint_line(state: Path) -> list[str]:
    """Return what the last checkpoint said, and how long ago; nothing without one."""
    found = last_checkpoint(state)
    if found is None:
        return []
    age = span_of(max(0.0, time.time() - found["at"]))
    reasons = " ".join(printable(reason["sentence"]) for reason in found["reasons"])
    told = f"{found['state']}{': ' + reasons if reasons else ''}"
    waiting = f"{found['backlog_seconds']:.0f} s of audio waited"
    return [f"last checkpoint, {age} ago: {told}; {waiting}, {found['memory']['rss_bytes'] / 1e6:.0f} MB"]


def span_of(seconds: float) -> str:
    """Return a length of time in words, to two units."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"
