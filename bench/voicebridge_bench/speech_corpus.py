"""Speech with known text for tests, benches and the demonstration: synthesised commands and human recordings."""

import re
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.recipe.synthesis import Clip, commands, say

__all__ = ["Clip", "Recording", "commands", "human_recordings", "say"]

T = TypeVar("T")
TEST_DATA = Path("/usr/share/pocketsphinx/test/data")
"""Where Debian's package pocketsphinx-testdata puts its recordings."""

_SINGLE = {"goforward.raw": "go forward ten meters", "something.raw": None, "numbers.raw": None}
"""Recordings without a transcription file. The first one's text stands in goforward.gram; the package gives none for
the others, and what an engine makes of them is no reference."""
_SPOKEN_DIGITS: dict[str, str | None] = {"dhd.2934z.raw": "two nine three four zero"}
"""The one recording of the tidigits set that is audio (the rest are features); its name holds its digits (z: zero)."""
_LINE = re.compile(r"^<s>\s*(?P<text>.*?)\s*</s>\s*\((?P<name>[^()\s]+)\)\s*$")


@dataclass(frozen=True, slots=True)
class Recording:
    """A person's speech; ``samples`` as in Clip, ``collection`` the set it comes from.

    ``text`` is None where the package does not say what is spoken.
    """

    collection: str
    name: str
    text: str | None
    samples: Samples


def human_recordings(folder: Path = TEST_DATA) -> list[Recording]:
    """Return all recordings of people that Debian's pocketsphinx-testdata has.

    Raises SpeechError when the package is not installed.
    """
    if not folder.is_dir():
        raise SpeechError(
            f"There are no recordings in {folder}.",
            "On Debian and Ubuntu: sudo apt install pocketsphinx-testdata",
            exit_code=ExitCode.NO_INPUT,
        )
    return [
        *_transcribed("librivox", folder / "librivox", "transcription"),
        *_transcribed("cards", folder / "cards", "cards.transcription"),
        *_raw("single", folder, _SINGLE),
        *_raw("tidigits", folder / "tidigits", _SPOKEN_DIGITS),
    ]


def _transcribed(collection: str, folder: Path, texts: str) -> Iterator[Recording]:
    """Yield recordings listed in a Sphinx transcription file: ``<s> text </s> (name)`` on each line."""
    for line in _read(folder / texts, lambda path: path.read_text(encoding="utf-8")).splitlines():
        if found := _LINE.match(line):
            name = f"{found['name']}.wav"
            yield Recording(collection, name, found["text"], _read(folder / name, _wave))


def _raw(collection: str, folder: Path, texts: dict[str, str | None]) -> Iterator[Recording]:
    for name, text in texts.items():
        yield Recording(collection, name, text, _read(folder / name, lambda path: np.fromfile(path, np.int16)))


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    try:
        return reader(path)
    except (OSError, ValueError, EOFError, wave.Error) as error:
        raise SpeechError(f"Cannot read {path}: {error}.", "Install pocketsphinx-testdata again.") from error


def _wave(path: Path) -> Samples:
    with wave.open(str(path)) as reader:
        if (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) != (SAMPLE_RATE, 1, 2):
            raise ValueError("it is not mono at 16 kHz with 16 bits")
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
