"""How long the audio of settled utterances is kept, and where: WAV files named by utterance id."""

import os
import re
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SettingsError, StoreError
from voicebridge.domain.units import SAMPLE_BYTES, SAMPLE_RATE
from voicebridge.settings.paths import audio_dir
from voicebridge.store.database import FILE_MODE, make_directory, sync_directory, told, transaction

if TYPE_CHECKING:
    from sqlite_utils import Database

SECONDS_PER_DAY = 86_400
MAX_DAYS = 36_500
PAGE_ROWS = 100

_DAYS = re.compile(r"(\d{1,5})\s*(?:d|days?)?")
_NAME = re.compile(r"(\d{8,18})\.wav")


@dataclass(frozen=True, slots=True)
class Retention:
    """Whether the audio of a settled utterance is kept; ``days`` is None for ever."""

    keeps: bool
    days: int | None = None

    def kept_until(self, now: float) -> float | None:
        """Return when audio that is settled now expires (seconds since the epoch), or None for never."""
        return None if self.days is None else now + self.days * SECONDS_PER_DAY


def parse_retention(text: str) -> Retention:
    """Read `store.retain_audio`: `until_transcribed`, `forever` or `30 days`. Raises SettingsError."""
    wanted = text.strip().lower()
    if wanted == "until_transcribed":
        return Retention(keeps=False)
    if wanted == "forever":
        return Retention(keeps=True)
    found = _DAYS.fullmatch(wanted)
    if found and int(found[1]) <= MAX_DAYS:
        # Nought days is what `until_transcribed` says, too.
        return Retention(keeps=int(found[1]) > 0, days=int(found[1]))
    raise SettingsError(
        f"store.retain_audio is {text!r}.",
        f"It may be `until_transcribed`, `forever`, or a number of days such as `30 days` (at most {MAX_DAYS}).",
    )


class KeptAudio:
    """The folder of kept audio. The retention applies when an utterance is settled; later changes leave it alone."""

    def __init__(self, state_dir: Path, retention: Retention) -> None:
        self.retention = retention
        self._state_dir = state_dir
        self._folder = audio_dir(state_dir)

    def write(self, utterance_id: int, samples: Samples) -> str:
        """Write audio durably and return its path relative to the state directory. Raises StoreError."""
        make_directory(self._folder)
        path = self._state_dir / self.name_of(utterance_id)
        with told(path):
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, FILE_MODE), "w+b") as file:
                with wave.open(file, "wb") as out:
                    out.setnchannels(1)
                    out.setsampwidth(SAMPLE_BYTES)
                    out.setframerate(SAMPLE_RATE)
                    out.writeframes(samples.astype("<i2", copy=False).tobytes())
                file.flush()
                os.fsync(file.fileno())
            sync_directory(self._folder)
        return self.name_of(utterance_id)

    def name_of(self, utterance_id: int) -> str:
        """Return where the audio of an utterance is kept, or would be, relative to the state directory."""
        return str((self._folder / f"{utterance_id:08d}.wav").relative_to(self._state_dir))

    def read(self, relative_path: str) -> Samples:
        """Return kept audio, shape (n,). Raises StoreError."""
        path = self.path_of(relative_path)
        with told(path):
            try:
                with wave.open(str(path), "rb") as source:
                    return np.frombuffer(source.readframes(source.getnframes()), dtype="<i2").astype(np.int16)
            except (wave.Error, EOFError) as error:
                raise StoreError(f"The kept audio {path} is damaged ({error}).", "It cannot be used.") from error

    def delete(self, relative_path: str) -> bool:
        """Delete kept audio, durably; False when it was gone already. Raises StoreError."""
        path = self.path_of(relative_path)
        with told(path):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync_directory(self._folder)
            return True

    def path_of(self, relative_path: str) -> Path:
        """Return where kept audio is. Raises StoreError for a path that leads elsewhere."""
        path = self._state_dir / relative_path
        if path.parent != self._folder or not _NAME.fullmatch(path.name):
            raise StoreError(f"The database names {relative_path!r} as kept audio.", "It was changed by somebody else.")
        return path

    def files(self) -> Iterator[tuple[int, str]]:
        """List utterance ids and relative paths of the files that are there."""
        with told(self._folder):
            names = sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []
        for name in names:
            if found := _NAME.fullmatch(name):
                yield int(found[1]), str((self._folder / name).relative_to(self._state_dir))


def purge(db: "Database", kept: KeptAudio, now: float) -> int:
    """Delete kept audio that has expired, files first; return how much of it. Raises StoreError."""
    purged = 0
    while True:
        with told(db):
            rows = db.conn.execute(
                "SELECT utterance_id, path FROM audio WHERE kept_until <= ? ORDER BY kept_until LIMIT ?",
                (now, PAGE_ROWS),
            ).fetchall()
        if not rows:
            return purged
        for _, path in rows:
            kept.delete(path)
        with transaction(db):
            db.conn.executemany("DELETE FROM audio WHERE utterance_id = ?", [(row[0],) for row in rows])
        purged += len(rows)
