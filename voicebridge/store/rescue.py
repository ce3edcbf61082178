"""The three faces of the store, with the way out of what can be helped: a full disk, a database that was moved away.

The pipeline tries again what the store refuses for now; all that is needed is that it can succeed then.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from voicebridge.domain.audio import Gap, Samples
from voicebridge.domain.errors import (
    DatabaseLostError,
    StoreDamagedError,
    StoreFullError,
    StoreUnavailableError,
)
from voicebridge.domain.events import StoreNotice, StoreNoticeKind
from voicebridge.domain.ports import SessionLog, Spool, UtteranceStore, WordStore
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.utterance import EndedUtterance, Outcome, PendingUtterance, UtteranceKey, UtteranceRecord, Word
from voicebridge.settings.paths import database_path
from voicebridge.store.housekeeping import Housekeeping, Tell
from voicebridge.store.reserve import size_and_free_bytes
from voicebridge.store.set_aside import note_damage

T = TypeVar("T")

FULL_BYTES = 256 * 1024
"""With less than this free a disk is full, whatever it says: SQLite calls a -shm file that cannot grow a failing disk,
and a file system keeps back some blocks."""


class Rescue:
    """Runs the calls of the store. ``lost`` and ``damaged`` say why only a new start can help, or nothing."""

    def __init__(self, state_dir: Path, housekeeping: Housekeeping, tell: Tell) -> None:
        self.lost = ""
        """Why nothing can be committed: the database was moved or deleted. Empty again when it was put back."""
        self.damaged = ""
        """What SQLite said of a damage; the next start checks the database, mends it or sets it aside."""
        self.rescued = 0
        """Calls that succeeded after room was made."""
        self._state_dir = state_dir
        self._path = database_path(state_dir)
        self._identity = _identity(self._path)
        self._housekeeping = housekeeping
        self._tell = tell

    def on_database(self, action: Callable[[], T]) -> T:
        """Run a call on the database; see ``on_disk``. Raises DatabaseLostError when it is not where it was."""
        self._require_database()
        try:
            return self.on_disk(action)
        except StoreDamagedError as error:
            self._note_damage(error)
            raise

    def on_disk(self, action: Callable[[], T]) -> T:
        """Run a call, and once more when the disk was full and room could be made. Raises StoreError."""
        try:
            return action()
        except StoreUnavailableError as error:
            if not self._is_full(error) or not self._housekeeping.make_room():
                raise
        result = action()
        self.rescued += 1
        return result

    def _is_full(self, error: StoreUnavailableError) -> bool:
        if isinstance(error, StoreFullError):
            return True
        try:
            return size_and_free_bytes(self._state_dir)[1] < FULL_BYTES
        except OSError:
            return False

    def _require_database(self) -> None:
        if _identity(self._path) in (self._identity, None):
            self.lost = ""
            return
        error = DatabaseLostError(
            f"The database {self._path} was moved, deleted or replaced while it was in use.",
            "Put it back, or start Voicebridge again: a new one is begun, and what is heard meanwhile is recovered "
            "from the spool.",
        )
        if not self.lost:
            self._tell(StoreNotice(StoreNoticeKind.DATABASE_LOST, str(error)))
        self.lost = str(error)
        raise error

    def _note_damage(self, error: StoreDamagedError) -> None:
        if not self.damaged:
            note_damage(self._state_dir)
            self._tell(StoreNotice(StoreNoticeKind.DATABASE_DAMAGED, str(error)))
        self.damaged = str(error)


class RescuedSpool:
    """A spool whose writes are rescued."""

    def __init__(self, spool: Spool, rescue: Rescue) -> None:
        self._spool = spool
        self._rescue = rescue

    def append(self, key: UtteranceKey, started_at: float, samples: Samples) -> None:
        """See Spool."""
        self._rescue.on_disk(lambda: self._spool.append(key, started_at, samples))

    def seal(self, key: UtteranceKey, samples: int) -> None:
        """See Spool."""
        self._rescue.on_disk(lambda: self._spool.seal(key, samples))

    def discard(self, key: UtteranceKey) -> None:
        """See Spool."""
        self._rescue.on_disk(lambda: self._spool.discard(key))

    def read(self, key: UtteranceKey) -> Samples:
        """See Spool; any thread may call it, so that nothing is rescued here, and nothing need be."""
        return self._spool.read(key)


class Utterances(UtteranceStore, WordStore, Protocol):
    """A store of utterances and their words."""


class RescuedUtterances:
    """A store of utterances whose commits are rescued."""

    def __init__(self, store: Utterances, rescue: Rescue) -> None:
        self._store = store
        self._rescue = rescue

    def add_pending(self, ended: EndedUtterance) -> PendingUtterance:
        """See UtteranceStore."""
        return self._rescue.on_database(lambda: self._store.add_pending(ended))

    def begin_attempt(self, utterance_id: int) -> None:
        """See UtteranceStore."""
        self._rescue.on_database(lambda: self._store.begin_attempt(utterance_id))

    def return_attempt(self, utterance_id: int) -> None:
        """See UtteranceStore."""
        self._rescue.on_database(lambda: self._store.return_attempt(utterance_id))

    def settle(self, outcome: Outcome) -> UtteranceRecord:
        """See UtteranceStore."""
        return self._rescue.on_database(lambda: self._store.settle(outcome))

    def add_words(self, utterance_id: int, words: Sequence[Word]) -> bool:
        """See WordStore."""
        return self._rescue.on_database(lambda: self._store.add_words(utterance_id, words))

    def pending(self, after_id: int, limit: int) -> Sequence[PendingUtterance]:
        """See UtteranceStore."""
        return self._rescue.on_database(lambda: self._store.pending(after_id, limit))


class RescuedLog:
    """The log of a session whose commits are rescued."""

    def __init__(self, log: SessionLog, rescue: Rescue) -> None:
        self._log = log
        self._rescue = rescue

    def add_gap(self, gap: Gap) -> None:
        """See SessionLog."""
        self._rescue.on_database(lambda: self._log.add_gap(gap))

    def add_event(self, kind: str, detail: str) -> None:
        """See SessionLog."""
        self._rescue.on_database(lambda: self._log.add_event(kind, detail))

    def add_anchor(self, anchor: Anchor) -> None:
        """See SessionLog."""
        self._rescue.on_database(lambda: self._log.add_anchor(anchor))


def _identity(path: Path) -> tuple[object, ...] | None:
    """Return which files the database and its log are, by device and inode; None when that cannot be asked.

    The log is there as long as somebody has the database open.
    """
    try:
        return _file(path), _file(path.with_name(f"{path.name}-wal"))
    except OSError:
        return None


def _file(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
