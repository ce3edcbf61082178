"""A real state directory for the suites: database, spool and store, with one session begun."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.settings import paths
from voicebridge.store.database import open_database
from voicebridge.store.retention import KeptAudio, Retention
from voicebridge.store.sessions import SessionInfo, begin_session
from voicebridge.store.spool import DirectorySpool
from voicebridge.store.utterances import SqliteStore

if TYPE_CHECKING:
    from sqlite_utils import Database

NOON = 1_700_000_000.0
"""A wall time to begin at, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ScratchState:
    """What lies in it."""

    path: Path
    db: "Database"
    spool: DirectorySpool
    store: SqliteStore
    session_id: int


@contextmanager
def scratch_state(path: Path) -> Iterator[ScratchState]:
    """Make a state directory as the daemon makes it, with audio kept until it is transcribed."""
    with (
        closing(open_database(paths.database_path(path))) as db,
        closing(DirectorySpool(paths.spool_dir(path))) as spool,
    ):
        store = SqliteStore(db, spool, KeptAudio(path, Retention(keeps=False)))
        info = SessionInfo("bench", "bench", "bench", "bench", "bench", 0, "whisper", "bench")
        yield ScratchState(path, db, spool, store, begin_session(db, info, NOON))
