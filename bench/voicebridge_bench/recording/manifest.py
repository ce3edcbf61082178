"""What a folder of takes holds: written anew after each take, so that a session can be gone on with at any time."""

import re
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.units import SAMPLE_BYTES, SAMPLE_RATE
from voicebridge_bench.components.results import Record

NAME = "recordings.json"
MAX_BYTES = 10_000_000


class Taken(Record):
    """A take that was kept; NAME.wav has its audio, NAME.txt its words."""

    name: str
    text: str
    recorded_at: str
    """ISO 8601, UTC."""
    device: str
    seconds: float
    level_dbfs: float
    peak_dbfs: float
    room_dbfs: float


class Manifest(Record):
    """All of them."""

    schema_version: Literal[1] = 1
    kind: Literal["voicebridge-bench record"] = "voicebridge-bench record"
    room: str
    takes: list[Taken] = Field(max_length=10_000)


class Folder:
    """Where takes are kept. Raises VoicebridgeError when it cannot be used."""

    def __init__(self, path: Path, room: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot(path, error) from error
        self.manifest = self._read() or Manifest(room=room, takes=[])
        if room and self.manifest.room != room:
            raise VoicebridgeError(
                f"{path} holds recordings of the room {self.manifest.room!r}, not {room!r}.",
                "Give each room a folder of its own.",
                exit_code=ExitCode.USAGE,
            )

    def has(self, text: str) -> bool:
        """Say whether a sentence was recorded, and its audio is still there."""
        return any(
            take.text == text
            and (self.path / f"{take.name}.wav").is_file()
            and (self.path / f"{take.name}.txt").is_file()
            for take in self.manifest.takes
        )

    def keep(self, text: str, samples: Samples, about: dict[str, str | float]) -> Taken:
        """Write a take, each file whole or not at all, the manifest last. Raises VoicebridgeError."""
        others = [take for take in self.manifest.takes if take.text != text]
        name = self._name(text, len(self.manifest.takes) + 1)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        taken = Taken.model_validate({"name": name, "text": text, "recorded_at": now, **about})
        manifest = Manifest(room=self.manifest.room, takes=[*others, taken])
        try:
            _replace(self.path / f"{name}.txt", (text + "\n").encode())
            _replace(self.path / f"{name}.wav", samples)
            _replace(self.path / NAME, (manifest.model_dump_json(indent=1) + "\n").encode())
        except OSError as error:
            raise _cannot(self.path, error) from error
        self.manifest = manifest
        return taken

    def _name(self, text: str, number: int) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
        while (self.path / f"{number:04}-{words}.wav").exists():
            number += 1
        return f"{number:04}-{words}"

    def _read(self) -> Manifest | None:
        file = self.path / NAME
        try:
            if file.stat().st_size > MAX_BYTES:
                raise _damaged(file, "it is too long")
            return Manifest.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot(file, error) from error
        except ValidationError as error:
            raise _damaged(file, error.errors(include_url=False)[0]["msg"]) from error


def _replace(path: Path, content: bytes | Samples) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            with wave.open(str(partial), "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(SAMPLE_BYTES)
                out.setframerate(SAMPLE_RATE)
                out.writeframes(content.astype("<i2").tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _cannot(path: Path, error: OSError) -> VoicebridgeError:
    return VoicebridgeError(
        f"{path} cannot be written: {error.strerror}.", "Name a folder on a disk with space.", exit_code=ExitCode.STORE
    )


def _damaged(file: Path, why: str) -> VoicebridgeError:
    return VoicebridgeError(
        f"{file} is no list of recordings: {why}.", "Name another folder, or delete the file.", exit_code=ExitCode.INPUT
    )
