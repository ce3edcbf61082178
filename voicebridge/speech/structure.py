"""Whether a folder holds a whole CTranslate2 Whisper model; found out without loading it."""

import json
import os
import struct
from pathlib import Path
from typing import BinaryIO

from voicebridge.domain.errors import SpeechError

MODEL_FILE = "model.bin"
JSON_FILES = ("config.json", "tokenizer.json")
"""Without tokenizer.json faster-whisper would ask a hub for one."""
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
OPTIONAL_FILES = ("preprocessor_config.json",)

_SPEC = "WhisperSpec"
_BINARY_VERSIONS = range(5, 7)
"""Versions of CTranslate2's file format that this module can walk through (ctranslate2/specs/model_spec.py)."""
_MAX_VARIABLES = 100_000
_MAX_RANK = 8


class _DamagedError(Exception):
    """A model.bin that ends too early or says what no model says."""


def verify_structure(path: Path) -> None:
    """Raise SpeechError unless the folder holds every file of a CTranslate2 Whisper model, complete and readable."""
    if not path.is_dir():
        raise SpeechError(f"There is no model folder {path}.", "`voicebridge models list` shows the models on disk.")
    missing = [name for name in (MODEL_FILE, *JSON_FILES) if not (path / name).is_file()]
    if not any((path / name).is_file() for name in VOCABULARIES):
        missing.append(VOCABULARIES[0])
    if missing:
        raise _bad(path, f"is missing {', '.join(missing)}")
    for name in (*JSON_FILES, *VOCABULARIES, *OPTIONAL_FILES):
        _verify_text(path, name)
    try:
        with (path / MODEL_FILE).open("rb") as file:
            _walk(file)
    except _DamagedError as error:
        raise _bad(path, f"has a {MODEL_FILE} that {error}") from None
    except OSError as error:
        raise _bad(path, f"has a {MODEL_FILE} that cannot be read: {error.strerror}") from error


def _bad(path: Path, what: str) -> SpeechError:
    return SpeechError(
        f"The model folder {path} {what}.",
        "It must be a complete CTranslate2 Whisper model: copy it again, or get one with `voicebridge models pull`.",
    )


def _verify_text(path: Path, name: str) -> None:
    file = path / name
    if not file.is_file():
        return
    try:
        text = file.read_text(encoding="utf-8")
        if name.endswith(".json"):
            json.loads(text)
    except OSError as error:
        raise _bad(path, f"has a {name} that cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _bad(path, f"has a {name} that is damaged: {error}") from error
    if not text.strip():
        raise _bad(path, f"has an empty {name}")


def _walk(file: BinaryIO) -> None:
    """Go over every variable of a model.bin without reading its data."""
    size_bytes = os.fstat(file.fileno()).st_size
    (version,) = _unpack(file, "<I")
    if version not in _BINARY_VERSIONS:
        raise _DamagedError("is no CTranslate2 model, or one of an unknown version")
    name = _string(file)
    if name != _SPEC:
        raise _DamagedError(f"holds a model of another kind ({name or 'unnamed'}), not Whisper")
    _revision, variables = _unpack(file, "<II")
    if not 0 < variables <= _MAX_VARIABLES:
        raise _DamagedError("is damaged")
    for _ in range(variables):
        _skip_variable(file, size_bytes)
    (aliases,) = _unpack(file, "<I")
    for _ in range(min(aliases, _MAX_VARIABLES)):
        _string(file)
        _string(file)


def _skip_variable(file: BinaryIO, size_bytes: int) -> None:
    _string(file)
    (rank,) = _unpack(file, "<B")
    if rank > _MAX_RANK:
        raise _DamagedError("is damaged")
    _unpack(file, f"<{rank}I")
    _type, data_bytes = _unpack(file, "<BI")
    if file.tell() + data_bytes > size_bytes:
        raise _DamagedError("is cut off")
    file.seek(data_bytes, os.SEEK_CUR)


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<H")
    return _read(file, length).rstrip(b"\0").decode("utf-8", errors="replace")


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _read(file, struct.calcsize(layout)))


def _read(file: BinaryIO, count_bytes: int) -> bytes:
    data = file.read(count_bytes)
    if len(data) < count_bytes:
        raise _DamagedError("is cut off")
    return data
