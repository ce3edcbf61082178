"""Whisper models on disk: known names, finding, checking, adding from a folder, removing."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.settings.paths import make_private
from voicebridge.speech.structure import JSON_FILES, MODEL_FILE, OPTIONAL_FILES, VOCABULARIES, verify_structure

REPOSITORIES = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
"""Known names and where a hub keeps them: the table of faster-whisper 1.2 (faster_whisper/utils.py)."""
MODEL_FILES = (MODEL_FILE, *JSON_FILES, *VOCABULARIES, *OPTIONAL_FILES)
"""Every file that a model folder may hold; nothing else is copied or pulled."""
CHECKSUMS = "checksums.json"
SPARE_BYTES = 64 * 1024**2
"""Disk space that must stay free beyond a model: the store goes on writing beside it."""
PARTIAL_SUFFIX = ".partial"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model on disk."""

    name: str
    path: Path
    size_bytes: int


def find(name_or_path: str, models_dir: Path) -> Path | None:
    """Return the folder of a model given by name or path, or None when there is none.

    Only what holds a ``/`` or begins with ``~`` is a path, so that the working directory never decides.
    """
    if "/" in name_or_path or name_or_path.startswith("~"):
        path = Path(name_or_path).expanduser()
    elif _is_name(name_or_path):
        path = models_dir / name_or_path
    else:
        return None
    return path if path.is_dir() else None


def installed(models_dir: Path) -> list[InstalledModel]:
    """Return the models in a directory, by name."""
    try:
        folders = sorted(path for path in models_dir.iterdir() if path.is_dir() and _is_name(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SpeechError(f"Cannot read the models in {models_dir}: {error.strerror}.", "Check who owns it.") from error
    return [InstalledModel(path.name, path, _size_bytes(path)) for path in folders]


def verify(path: Path) -> list[str]:
    """Return what is wrong with a model folder, nothing when it is whole: its structure, then its checksums."""
    try:
        verify_structure(path)
        expected = read_checksums(path)
    except SpeechError as error:
        return [error.message]
    actual = checksums(path) if expected else {}
    return [_difference(name, actual) for name, digest in expected.items() if actual.get(name) != digest]


def _difference(name: str, actual: dict[str, str]) -> str:
    return f"{name} differs from what was installed" if name in actual else f"{name} is missing"


def checksums(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each model file in a folder."""
    return {name: sha256(path / name) for name in MODEL_FILES if (path / name).is_file()}


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_checksums(path: Path) -> None:
    """Note the SHA-256 of each model file beside it."""
    text = json.dumps({"sha256": checksums(path)}, indent=2) + "\n"
    (path / CHECKSUMS).write_text(text, encoding="utf-8")


def has_checksums(path: Path) -> bool:
    """Say whether checksums were noted when the model was installed."""
    return (path / CHECKSUMS).is_file()


def read_checksums(path: Path) -> dict[str, str]:
    """Return the SHA-256 noted for each file; empty where none were noted. Raises SpeechError when they are damaged."""
    try:
        noted = json.loads((path / CHECKSUMS).read_text(encoding="utf-8"))["sha256"]
        return {str(name): str(digest) for name, digest in noted.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpeechError(f"{path / CHECKSUMS} cannot be read.", "Delete it, or install the model again.") from error


def add_folder(source: Path, models_dir: Path, name: str | None = None) -> Path:
    """Copy a model folder (from a USB stick, another machine) into the models directory; return its new place.

    Raises SpeechError when it is not a whole model, the name is taken, or the disk is full.
    """
    verify_structure(source)
    if problems := verify(source):
        raise SpeechError(f"The model in {source} is damaged: {'; '.join(problems)}.", "Copy it again.")
    size_bytes = sum((source / file).stat().st_size for file in MODEL_FILES if (source / file).is_file())
    with installing(name or source.resolve().name, models_dir, size_bytes) as partial:
        for file in MODEL_FILES:
            if (source / file).is_file():
                shutil.copyfile(source / file, partial / file)
    return models_dir / (name or source.resolve().name)


def remove(name: str, models_dir: Path) -> None:
    """Delete a model from the models directory. Raises SpeechError when it is not there."""
    path = models_dir / name
    if not _is_name(name) or not path.is_dir():
        raise SpeechError(
            f"There is no model {name} in {models_dir}.", "`voicebridge models list` shows what is there."
        )
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise SpeechError(f"Cannot delete {path}: {error.strerror}.", "Check who owns it.") from error


@contextlib.contextmanager
def installing(name: str, models_dir: Path, size_bytes: int) -> Iterator[Path]:
    """Give a folder to fill; when that went well it is verified and becomes the model, else it is deleted.

    Raises SpeechError when the name cannot be used, the space does not suffice, or the result is not a whole model.
    """
    target, partial = _prepare(name, models_dir, size_bytes)
    try:
        yield partial
        verify_structure(partial)
        write_checksums(partial)
        _sync(partial)
        partial.rename(target)
    except OSError as error:
        if error.errno is None:  # what a hub's library raises is an OSError too, but not one of the disk
            raise
        raise _cannot_write(models_dir, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _prepare(name: str, models_dir: Path, size_bytes: int) -> tuple[Path, Path]:
    if not _is_name(name):
        raise SpeechError(f"{name!r} cannot be the name of a model.", "Use letters, digits, dots, dashes.")
    target, partial = models_dir / name, models_dir / f"{name}{PARTIAL_SUFFIX}"
    if target.exists():
        raise SpeechError(
            f"A model {name} is already in {models_dir}.", f"`voicebridge models remove {name}` frees it."
        )
    try:
        make_private(models_dir)
        shutil.rmtree(partial, ignore_errors=True)  # what an earlier try left behind
        free_bytes = shutil.disk_usage(models_dir).free
        if free_bytes < size_bytes + SPARE_BYTES:
            needed_mb, free_mb = (size_bytes + SPARE_BYTES) // 1_000_000, free_bytes // 1_000_000
            raise SpeechError(
                f"Not enough space for {name} in {models_dir}: {needed_mb} MB needed, {free_mb} MB free.",
                "Delete something, or set whisper.models_dir to a bigger disk.",
            )
        partial.mkdir()
    except OSError as error:
        raise _cannot_write(models_dir, error) from error
    return target, partial


def _cannot_write(models_dir: Path, error: OSError) -> SpeechError:
    return SpeechError(
        f"Cannot install a model in {models_dir}: {error.strerror or error}.",
        "Check who owns the directory and how full the disk is.",
        exit_code=ExitCode.STORE,
    )


def _sync(folder: Path) -> None:
    """Bring the files to the disk before their folder gets its name; a power cut must not leave empty ones."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not name.endswith(PARTIAL_SUFFIX)


def _size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
