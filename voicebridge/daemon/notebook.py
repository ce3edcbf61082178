"""The store of one session, opened: lock, database, spool, and everything an earlier process left."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge import __version__
from voicebridge.domain.errors import StoreDamagedError, StoreUnavailableError
from voicebridge.domain.events import StoreNotice
from voicebridge.domain.units import MEGABYTE
from voicebridge.pipeline.recorder import Shelf
from voicebridge.settings import Settings, StoreSettings, paths

if TYPE_CHECKING:
    from sqlite_utils import Database

    from voicebridge.store.housekeeping import Housekeeping
    from voicebridge.store.recovery import Recovery
    from voicebridge.store.rescue import Rescue
    from voicebridge.store.reserve import Reserve
    from voicebridge.store.retention import KeptAudio
    from voicebridge.store.sessions import SessionInfo
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
    housekeeping: "Housekeeping"
    rescue: "Rescue"

    def purge(self) -> int:
        """Delete what has expired, thin out what gathers, keep the bounds; return how many files of kept audio went."""
        return self.rescue.on_database(self.housekeeping.purge)

    def tidy(self) -> None:
        """Look after the reserve and the bound on size: cheap, once a minute."""
        self.rescue.on_database(self.housekeeping.tidy)

    def apply(self, settings: StoreSettings) -> None:
        """Take over new retention and bounds, from any thread. Raises SettingsError."""
        from voicebridge.store.retention import parse_retention

        self.kept.retention = parse_retention(settings.retain_audio)
        self.housekeeping.apply(settings.max_bytes, settings.reserve_mb * MEGABYTE)

    @property
    def alarm(self) -> str:
        """Why only a new start can help: the database was moved away, or is damaged. Nothing when all is well."""
        return self.rescue.lost or self.rescue.damaged

    @property
    def counters(self) -> dict[str, int]:
        """What was done at the bounds, and what the state directory held when it was last measured, in bytes."""
        keeping, usage = self.housekeeping, self.housekeeping.usage
        return {
            "audio_purged": keeping.purged,
            "audio_dropped_kept": keeping.shrunk.kept,
            "audio_dropped_failed": keeping.shrunk.failed,
            "audio_dropped_pending": keeping.shrunk.pending,
            "commits_rescued": self.rescue.rescued,
            "reserve_given_up": keeping.reserve.given_up,
            "strays_recovered": keeping.strays,
            "bytes_database": usage.database,
            "bytes_kept": usage.kept,
            "bytes_reserve": keeping.reserve.held_bytes,
            "bytes_spool": usage.spool,
        }

    def note_engine(self, engine: str, model: str) -> None:
        """Commit which engine decodes."""
        from voicebridge.store.sessions import note_engine

        self.rescue.on_database(lambda: note_engine(self.db, self.session_id, engine, model))

    def close(self, ending: str) -> None:
        """Commit how the session ended and close the database."""
        from voicebridge.store.sessions import end_session

        try:
            self.rescue.on_database(lambda: end_session(self.db, self.session_id, ending, time.time()))
        finally:
            self.housekeeping.close()
            self.spool.close()
            self.db.close()


def open_notebook(
    settings: Settings, state: Path, source_name: str, tell: Callable[[StoreNotice], None] = lambda _: None
) -> Notebook:
    """Open the store, put in order what was left behind, and begin a session. The caller holds the state lock.

    A damaged database is set aside and a new one begun; ``recovery`` says so. A full disk is given the reserve.
    ``tell`` is given what the store does of itself, from the thread that uses it. Raises StoreError or SettingsError.
    """
    from voicebridge.store.reserve import Reserve

    reserve = Reserve(state, settings.store.reserve_mb * MEGABYTE)
    opener = _Opener(settings, state, source_name, tell, reserve)
    try:
        return opener.open_sound()
    except StoreUnavailableError:
        # Full, or something that looks like it: there is nothing to lose by trying.
        if not reserve.give_up():
            raise
        return opener.open_sound()


@dataclass(frozen=True, slots=True)
class _Opener:
    settings: Settings
    state: Path
    source_name: str
    tell: Callable[[StoreNotice], None]
    reserve: "Reserve"

    def open_sound(self) -> Notebook:
        """Open the database; one that is damaged is replaced."""
        from voicebridge.store.set_aside import set_aside

        try:
            return self._open()
        except StoreDamagedError as error:
            target = set_aside(self.state, datetime.now(UTC))
            notebook = self._open()
            notebook.recovery.set_aside = f"{error.message} It is set aside as {target}, and a new one was begun"
            return notebook

    def _open(self) -> Notebook:
        from voicebridge.store.retention import KeptAudio, parse_retention
        from voicebridge.store.set_aside import open_checked

        settings = self.settings.store
        kept = KeptAudio(self.state, parse_retention(settings.retain_audio))
        db, unchecked = open_checked(self.state, settings.busy_timeout_ms)
        try:
            notebook = self._fill(db, kept)
        except BaseException:
            db.close()
            raise
        notebook.recovery.unchecked = unchecked
        return notebook

    def _fill(self, db: "Database", kept: "KeptAudio") -> Notebook:
        from voicebridge.store.housekeeping import Housekeeping, Things
        from voicebridge.store.recovery import recover
        from voicebridge.store.rescue import Rescue, RescuedLog, RescuedSpool, RescuedUtterances
        from voicebridge.store.sessions import SqliteSessionLog, begin_session
        from voicebridge.store.spool import DirectorySpool
        from voicebridge.store.utterances import SqliteStore

        spool = DirectorySpool(paths.spool_dir(self.state))
        recovery = recover(db, spool, kept, self.settings.engine.max_attempts, time.time())
        session_id = begin_session(db, self._session_info(), time.time())
        self.reserve.keep(calm_seconds=0)
        things = Things(db, spool, kept, self.state)
        housekeeping = Housekeeping(things, self.reserve, self.settings.store.max_bytes, self.tell)
        housekeeping.checkpoints_kept_days = self.settings.health.checkpoints_kept_days
        rescue = Rescue(self.state, housekeeping, self.tell)
        shelf = Shelf(
            RescuedSpool(spool, rescue),
            RescuedUtterances(SqliteStore(db, spool, kept), rescue),
            RescuedLog(SqliteSessionLog(db, session_id), rescue),
        )
        return Notebook(db, spool, kept, session_id, shelf, recovery, housekeeping, rescue)

    def _session_info(self) -> "SessionInfo":
        from voicebridge.settings.layers import digest
        from voicebridge.store.lock import boot_id
        from voicebridge.store.sessions import SessionInfo

        return SessionInfo(
            version=__version__,
            host=platform.node(),
            boot_id=boot_id(),
            source=self.source_name,
            settings_digest=digest(self.settings),
            pid=os.getpid(),
        )
