"""What was heard, wherever it is had from: a database that this user may read, or a daemon that tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import click

from voicebridge.cli.asking import service_instead
from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import reading
from voicebridge.daemon.control_client import Client
from voicebridge.daemon.control_protocol import record_from_json
from voicebridge.domain.errors import ControlError, ExitCode
from voicebridge.domain.utterance import Status, UtteranceRecord
from voicebridge.settings import paths

if TYPE_CHECKING:
    from voicebridge.store.database import Database
    from voicebridge.store.search import HistoryQuery


class Following(Protocol):
    """Finds utterances as they are settled."""

    def poll(self) -> list[UtteranceRecord]:
        """Return what was settled since the last poll."""
        ...

    def leave_out(self, utterance_id: int) -> None:
        """Do not return an utterance that was shown already."""
        ...


class Heard(Protocol):
    """What was heard: in a database, or as a daemon tells it."""

    def oldest_first(self, query: "HistoryQuery") -> Iterator[UtteranceRecord]:
        """Yield the newest ``limit`` in order of time."""
        ...

    def follower(self, statuses: tuple[Status, ...], *, words: bool = False) -> Following:
        """Watch for what is settled from now on; ``words`` gives a text its words' time to come first."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What is in a database that this user may read."""

    db: "Database"

    def oldest_first(self, query: "HistoryQuery") -> Iterator[UtteranceRecord]:
        """Yield the newest ``limit`` in order of time; only these are held in memory."""
        from voicebridge.store.search import history

        if query.limit is None:
            return history(self.db, query)
        return reversed(list(history(self.db, replace(query, newest_first=True))))

    def follower(self, statuses: tuple[Status, ...], *, words: bool = False) -> Following:
        """Watch the database."""
        from voicebridge.store.search import Follower

        return Follower(self.db, statuses, words=words)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a daemon tells."""

    client: Client

    def oldest_first(self, query: "HistoryQuery") -> Iterator[UtteranceRecord]:
        """Yield the newest ``limit`` in order of time; all are held in memory."""
        found = _asked(
            self.client,
            since=query.since,
            until=query.until,
            statuses=[status.value for status in query.statuses],
            session=query.session_id,
            newest_first=query.limit is not None,
            limit=query.limit,
        )
        return found if query.limit is None else reversed(list(found))

    def follower(self, statuses: tuple[Status, ...], *, words: bool = False) -> Following:
        """Let the daemon watch."""
        return AskedFollower(self.client, statuses, words=words)


class AskedFollower:
    """What a daemon settles from now on; as voicebridge.store.search.Follower."""

    def __init__(self, client: Client, statuses: tuple[Status, ...], *, words: bool = False) -> None:
        self._client = client
        client.ask("follow", statuses=[status.value for status in statuses], words=words)

    def poll(self) -> list[UtteranceRecord]:
        """Return what was settled since the last poll. Raises ControlError."""
        try:
            answer = self._client.ask("poll")
        except ControlError as error:
            if error.code == ExitCode.BUSY:
                return []  # another process holds the database for now
            raise
        return [record_from_json(record) for record in answer["records"]]

    def leave_out(self, utterance_id: int) -> None:
        """Do nothing: the daemon knows what it has given."""


@contextmanager
def heard_by(invocation: Invocation) -> Iterator[Heard]:
    """Find what a command shows: this user's own store, or what the system's service heard. Raises VoicebridgeError."""
    client = _service(invocation)
    if client is None:
        with reading(invocation) as (db, _):
            yield Stored(db)
        return
    with client:
        click.echo(f"As heard by the system's service ({client.greeting.state_dir}):", err=True)
        yield Asked(client)


def _service(invocation: Invocation) -> "Client | None":
    try:
        return service_instead(invocation)
    except ControlError as error:
        # What this user heard earlier can be read without anybody's permission.
        meant = invocation.meant
        own = paths.database_path(meant.state)
        if error.code == ExitCode.NO_PERMISSION and not meant.named and own.exists():
            return None
        raise


def _asked(client: Client, **filters: Any) -> Iterator[UtteranceRecord]:
    """Yield utterances that a daemon gives, in the order asked for. Raises ControlError.

    All are taken before the first is given: who reads slowly (a pager) must not keep a connection waiting.
    """
    answer = client.ask("history", **filters)
    records = [record_from_json(record) for record in answer["records"]]
    while answer["more"]:
        answer = client.ask("more")
        records += [record_from_json(record) for record in answer["records"]]
    yield from records
    if answer["cut"]:
        raise ControlError(f"There are more than {len(records)}.", "Narrow it down: --since, --until, --limit.")
