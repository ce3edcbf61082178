"""What the daemon does for those who ask over the control socket."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.daemon.control_peer import Peer
from voicebridge.daemon.control_protocol import (
    HISTORY_RECORDS,
    PAGE_RECORDS,
    CheckpointsRequest,
    FollowRequest,
    HistoryRequest,
    MoreRequest,
    MuteRequest,
    PollRequest,
    ReloadRequest,
    Request,
    StatusRequest,
    UnmuteRequest,
    done,
    record_to_json,
)
from voicebridge.domain.errors import ControlError, ExitCode, SettingsError
from voicebridge.domain.events import SettingsReloaded
from voicebridge.domain.utterance import Status, UtteranceRecord
from voicebridge.settings import paths

if TYPE_CHECKING:
    from voicebridge.daemon.mute import Mute
    from voicebridge.store.database import Database
    from voicebridge.store.search import Follower

BUSY_MS = 500
"""How long a read waits for a database that another process holds: all others wait meanwhile."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What can be asked for."""

    state: Path
    status: Callable[[], Mapping[str, Any] | None]
    mute: "Mute"
    reload: Callable[[], SettingsReloaded]


class Visit:
    """One connection's requests, and where it stands in its history. Used by one thread."""

    def __init__(self, desk: Desk, peer: Peer) -> None:
        self._desk = desk
        self._peer = peer
        self._db: Database | None = None
        self._pages: Iterator[UtteranceRecord] = iter(())
        self._given = 0
        self._follower: Follower | None = None

    def answer(self, request: Request) -> dict[str, Any]:  # noqa: PLR0911 - one for each verb
        """Do what is asked for and return the answer. Raises VoicebridgeError."""
        match request:
            case StatusRequest():
                return self._status()
            case MuteRequest(keep=keep):
                self._desk.mute.mute(self._peer.user, keep=keep)
                return done(muted=True)
            case UnmuteRequest():
                self._desk.mute.unmute(self._peer.user)
                return done(muted=False)
            case ReloadRequest():
                return self._reload()
            case HistoryRequest():
                return self._history(request)
            case MoreRequest():
                return self._page()
            case FollowRequest():
                return self._follow(request)
            case PollRequest():
                return self._poll()
            case CheckpointsRequest(since=since, until=until, limit=limit):
                return self._checkpoints(since, until, limit)

    def close(self) -> None:
        """Let go of the database."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _status(self) -> dict[str, Any]:
        muted = self._desk.mute.muted
        status = self._desk.status()
        # The keeper writes every few seconds; who has just muted wants to see it.
        return done(status=None if status is None else {**status, "muted": muted}, muted=muted)

    def _reload(self) -> dict[str, Any]:
        outcome = self._desk.reload()
        if outcome.refused:
            raise SettingsError(outcome.refused, "The old settings stay in force.")
        return done(applied=outcome.applied, needs_restart=outcome.needs_restart)

    def _history(self, request: HistoryRequest) -> dict[str, Any]:
        from voicebridge.store.search import HistoryQuery, history

        limit = HISTORY_RECORDS if request.limit is None else min(request.limit, HISTORY_RECORDS)
        # One more than is given, to know whether there are more.
        query = HistoryQuery(
            request.since, request.until, request.statuses, request.session, request.newest_first, limit + 1
        )
        self._pages = islice(history(self._database(), query), request.limit)
        self._given = 0
        return self._page()

    def _page(self) -> dict[str, Any]:
        records = list(islice(self._pages, min(PAGE_RECORDS, HISTORY_RECORDS - self._given)))
        self._given += len(records)
        if self._follower is not None:
            for record in records:
                if record.status is not Status.PENDING:
                    self._follower.leave_out(record.utterance_id)
        full = self._given >= HISTORY_RECORDS
        cut = full and next(self._pages, None) is not None
        more = len(records) == PAGE_RECORDS and not full
        return done(records=[record_to_json(record) for record in records], more=more, cut=cut)

    def _follow(self, request: FollowRequest) -> dict[str, Any]:
        from voicebridge.store.search import Follower

        self._follower = Follower(self._database(), request.statuses, words=request.words)
        return done()

    def _poll(self) -> dict[str, Any]:
        if self._follower is None:
            raise ControlError("`poll` comes after `follow`.", exit_code=ExitCode.USAGE)
        return done(records=[record_to_json(record) for record in self._follower.poll()])

    def _checkpoints(self, since: float, until: float | None, limit: int) -> dict[str, Any]:
        from voicebridge.store.checkpoints import newest_checkpoints

        return done(records=newest_checkpoints(self._database(), limit, since, until))

    def _database(self) -> "Database":
        from voicebridge.store.database import open_database

        if self._db is None:
            self._db = open_database(paths.database_path(self._desk.state), BUSY_MS, read_only=True)
        return self._db
