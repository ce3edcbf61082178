"""Utterances as the commands on the store find and show them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.live import as_json
from voicebridge.cli.live import json_line as json_line  # noqa: PLC0414 - the commands on the store know it by this module
from voicebridge.cli.service_state import for_reading, for_writing
from voicebridge.cli.when import when
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Status, UtteranceRecord
from voicebridge.settings import paths

if TYPE_CHECKING:
    from voicebridge.store.database import Database

Command: TypeAlias = Callable[..., None]

MAX_ID = 2**63 - 1
"""The highest id that SQLite can hold."""
ID = click.IntRange(1, MAX_ID)


STATUSES = {
    "rejected": "Those whose text was not believed, with the reasons.",
    "failed": "Those that could not be decoded.",
    "pending": "Those that wait for their decode.",
    "done": "Those with a text that was believed.",
}


@dataclass(frozen=True, slots=True)
class Period:
    """From when until when, in seconds since the epoch."""

    since: float | None = None
    until: float | None = None

    def __bool__(self) -> bool:
        return self.since is not None or self.until is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which utterances a command is asked for."""

    period: Period
    session: int | None
    statuses: tuple[Status, ...]


def between(function: Command) -> Command:
    """Add the options --since and --until, given to the command as ``period``."""

    @click.option("--since", type=when, help="From this time on: 10m (ago), 14:30, yesterday, 2026-01-31.")
    @click.option("--until", type=when, help="Before this time.")
    @wraps(function)
    def with_period(*args: Any, since: float | None, until: float | None, **options: Any) -> None:
        function(*args, period=Period(since, until), **options)

    return with_period


def selecting(function: Command) -> Command:
    """Add the options that choose utterances by time, session and status, given to the command as ``wanted``."""

    @between
    @click.option("--session", type=ID, help="Of one session only.")
    @wraps(function)
    def with_wanted(*args: Any, period: Period, session: int | None, **options: Any) -> None:
        statuses = tuple(Status(name) for name in STATUSES if options.pop(name))
        function(*args, wanted=Wanted(period, session, statuses), **options)

    for name, text in STATUSES.items():
        with_wanted = click.option(f"--{name}", is_flag=True, help=text)(with_wanted)
    return with_wanted


@contextmanager
def reading(invocation: Invocation) -> Iterator[tuple["Database", Path]]:
    """Open the database for reading; gives it and its state directory. Raises StoreError, also when there is none."""
    from voicebridge.store.database import open_database

    invocation = for_reading(invocation)
    state = paths.state_dir(invocation.settings)
    timeout_ms = invocation.settings.store.busy_timeout_ms
    db = open_database(paths.database_path(state), timeout_ms, read_only=True)
    try:
        yield db, state
    finally:
        db.close()


@contextmanager
def changing(invocation: Invocation) -> Iterator[tuple["Database", Path]]:
    """Open a database that is there for writing; gives it and its state directory. Raises StoreError.

    What comes after may run as another user than root.
    """
    from voicebridge.store.database import open_database

    invocation = for_writing(invocation)
    with reading(invocation) as (_, state):
        # A command on what was heard makes no empty database where there is none.
        pass
    db = open_database(paths.database_path(state), invocation.settings.store.busy_timeout_ms)
    try:
        yield db, state
    finally:
        db.close()


def line(record: UtteranceRecord) -> str:
    """Return the line of an utterance: local time, id, text or what became of it."""
    text = printable(record.text or "").strip()
    if record.status is not Status.DONE:
        note = record.status.value + (f": {'; '.join(record.reasons)}" if record.reasons else "")
        text = f"{text} ({printable(note)})".strip()
    return f"{local_time(record.started_at)}  #{record.utterance_id}  {text}"


def full_json(record: UtteranceRecord) -> dict[str, object]:
    """Return everything that is known of an utterance, wall times in UTC."""
    more = {
        "session": record.session_id,
        "speech_ratio": record.speech_ratio,
        "attempts": record.attempts,
        "avg_logprob": record.avg_logprob,
        "no_speech_prob": record.no_speech_prob,
        "compression_ratio": record.compression_ratio,
        "audio": record.audio_path,
    }
    return as_json(record) | more


def local_time(seconds: float) -> str:
    """Return seconds since the epoch as local date and time."""
    return datetime.fromtimestamp(seconds, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def utterances(number: int) -> str:
    """Return a count of utterances in words."""
    return f"{number} utterance{'' if number == 1 else 's'}"
