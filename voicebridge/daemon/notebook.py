"""The store of one session, opened: lock, database, spool, and everything an earlier process left."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge import __version__
from voicebridge.pipeline.recorder import Shelf
from voicebridge.settings import Settings, paths

if TYPE_CHECKING:
    from sqlite_utils import Database

    from voicebridge.store.recovery import Recovery
    from voicebridge.store.retention import KeptAudio
    from voicebridge.store.spool import DirectorySpool


@dataclass(frozen=True, slots=True)
class Notebook:
    """What one session writes to. Used by the store writer's thread once the daemon runs."""

    db: "Database"
    spool: "DirectorySpool"
    kept: "KeptAudio"
    session_id: int
    shelf: Shelf
    recovery: "Recovery"

    def purge(self) -> int:
        """Delete kept audio whose time is over, and thin out what gathers; return how many files."""
        from voicebridge.store.retention import purge
        from voicebridge.store.thinning import thin_out

        now = time.time()
        purged = purge(self.db, self.kept, now)
        thin_out(self.db, now)
        return purged

    def note_engine(self, engine: str, model: str) -> None:
        """Commit which engine decodes."""
        from voicebridge.store.sessions import note_engine

        note_engine(self.db, self.session_id, engine, model)

    def close(self, ending: str) -> None:
        """Commit how the session ended and close the database."""
        from voicebridge.store.sessions import end_session

        try:
            end_session(self.db, self.session_id, ending, time.time())
        finally:
            self.spool.close()
            self.db.close()


def open_notebook(settings: Settings, state: Path, source_name: str) -> Notebook:
    """Open the store, put in order what was left behind, and begin a session. The caller holds the state lock.

    Raises StoreError or SettingsError.
    """
    from voicebridge.settings.layers import digest
    from voicebridge.store.database import open_database
    from voicebridge.store.lock import boot_id
    from voicebridge.store.recovery import recover
    from voicebridge.store.retention import KeptAudio, parse_retention
    from voicebridge.store.sessions import SessionInfo, SqliteSessionLog, begin_session
    from voicebridge.store.spool import DirectorySpool
    from voicebridge.store.utterances import SqliteStore

    kept = KeptAudio(state, parse_retention(settings.store.retain_audio))
    db = open_database(paths.database_path(state), settings.store.busy_timeout_ms)
    try:
        spool = DirectorySpool(paths.spool_dir(state))
        recovery = recover(db, spool, kept, settings.engine.max_attempts, time.time())
        info = SessionInfo(
            version=__version__,
            host=platform.node(),
            boot_id=boot_id(),
            source=source_name,
            settings_digest=digest(settings),
            pid=os.getpid(),
        )
        session_id = begin_session(db, info, time.time())
        shelf = Shelf(spool, SqliteStore(db, spool, kept), SqliteSessionLog(db, session_id))
    except BaseException:
        db.close()
        raise
    return Notebook(db, spool, kept, session_id, shelf, recovery)
