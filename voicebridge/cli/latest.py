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
BYTES_PER_GB = 1_000_000_000
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
    reasons = " ".join(printable(reason["sentence"]) for reason in found["reasons"]).rstrip(".")
    told = [f"{found['state']}{': ' + reasons if reasons else ''}"]
    if found["backlog_seconds"] >= 1:
        told.append(f"{span_of(found['backlog_seconds'])} of audio waited")
    told.append(f"{size_of(found['memory']['rss_bytes'])} of memory")
    return [f"last checkpoint, {_ago(found['at'])}: {'; '.join(told)}"]


def last_session(state: Path) -> dict[str, Any] | None:
    """Return the newest session of a state directory in which no daemon runs; None without one that can be read."""
    from voicebridge.store.database import open_database
    from voicebridge.store.sessions import CRASHED, newest_session

    try:
        with open_database(paths.database_path(state), BUSY_MS, read_only=True) as db:
            found = newest_session(db)
    except StoreError:
        return None
    if found is None:
        return None
    session_id, ending, ended_at = found
    return {"id": session_id, "ending": ending or CRASHED, "ended_at": ended_at}


def session_line(state: Path) -> list[str]:
    """Return how the last session ended; nothing without one."""
    found = last_session(state)
    if found is None:
        return []
    ending, when = str(found["ending"]), found["ended_at"]
    if ending == "crashed":
        how = "did not end in order: it was killed, crashed, or lost its power"
    elif ending == "clean":
        how = "ended in order"
    else:
        how = f"ended with an {printable(ending)}".rstrip(".")
    return [f"last session, {found['id']}, {how}{'' if when is None else ', ' + _ago(when)}"]


def _ago(at: float) -> str:
    return f"{span_of(max(0.0, time.time() - at))} ago"


def size_of(size_bytes: float) -> str:
    """Return a size in words, in decimal units as the settings have them."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= BYTES_PER_GB else f"{size_bytes / 1e6:.0f} MB"


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
