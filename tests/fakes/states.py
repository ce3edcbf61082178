"""A real state directory for tests: database, spool and kept audio, with one session begun."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sqlite_utils import Database

from tests.fakes.utterances import NOON, ended, noise, transcript
from voicebridge.domain.utterance import Outcome, Status, UtteranceRecord
from voicebridge.settings.paths import database_path, spool_dir
from voicebridge.store.database import open_database
from voicebridge.store.recovery import Recovery, recover
from voicebridge.store.retention import KeptAudio, Retention
from voicebridge.store.sessions import SessionInfo, begin_session
from voicebridge.store.spool import DirectorySpool
from voicebridge.store.utterances import SqliteStore

UNTIL_TRANSCRIBED = Retention(keeps=False)
FOR_EVER = Retention(keeps=True)
INFO = SessionInfo("1.0", "box", "boot", "microphone", "digest", 42, "whisper", "small")


@dataclass
class State:
    """What lies in a state directory, and the store on it."""

    path: Path
    db: Database
    spool: DirectorySpool
    kept: KeptAudio
    session_id: int
    now: list[float] = field(default_factory=lambda: [NOON])

    @property
    def store(self) -> SqliteStore:
        """The utterances."""
        return SqliteStore(self.db, self.spool, self.kept, lambda: 1000.0, lambda: self.now[0])

    def add(self, start: float = 1.0, length: float = 2.0, seed: int = 1) -> int:
        """Spool an utterance and commit it as pending; return its id."""
        utterance = ended(start, start + length, self.session_id)
        self.spool.append(utterance.key, utterance.started_at, noise(length, seed))
        self.spool.seal(utterance.key, utterance.span.samples)
        return self.store.add_pending(utterance).utterance_id

    def hear(
        self, text: str = "turn on the light", start: float = 1.0, status: Status = Status.DONE, seed: int = 1
    ) -> UtteranceRecord:
        """Commit an utterance and settle it."""
        reasons = () if status is Status.DONE else ("too quiet",)
        made = None if status is Status.FAILED else transcript(text, start)
        return self.store.settle(Outcome(self.add(start, seed=seed), status, made, reasons))

    def recover(self, max_attempts: int = 3) -> Recovery:
        """Do what the next start does first."""
        return recover(self.db, self.spool, self.kept, max_attempts, NOON + 100)

    def files(self) -> list[str]:
        """List audio files, relative to the state directory."""
        return sorted(
            str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.suffix in {".pcm", ".wav"}
        )


@contextmanager
def state_in(path: Path, retention: Retention = UNTIL_TRANSCRIBED) -> Iterator[State]:
    """Open a state directory, and close it at the end."""
    db = open_database(database_path(path))
    state = State(path, db, DirectorySpool(spool_dir(path)), KeptAudio(path, retention), begin_session(db, INFO, NOON))
    yield state
    state.spool.close()
    db.close()


def bytes_in(path: Path) -> bytes:
    """Return everything in all files below a directory."""
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def pcm(seconds: float = 2.0, seed: int = 1) -> bytes:
    """Return a stretch of the bytes of ``noise``, as they stand in a file."""
    return noise(seconds, seed).astype("<i2").tobytes()[1000:1064]


def equal(left: object, right: object) -> bool:
    """Compare two stretches of audio."""
    return np.array_equal(np.asarray(left), np.asarray(right))
