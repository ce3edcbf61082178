"""Whether a model's files are still what was installed, found out before they are loaded.

CTranslate2 loads a model with a flipped bit without a word, and decodes to nonsense or dies. Reading all of it costs
once what the disk takes (and the load then finds it in the page cache) plus the SHA-256; see docs/architecture.md.
"""

from functools import lru_cache
from pathlib import Path

from voicebridge.domain.errors import SpeechError
from voicebridge.speech.models import REPOSITORIES, read_checksums, sha256

REMEMBERED_FILES = 64
"""Files whose checksum this process remembers; the one that was longest not asked for goes first."""


def verify_unchanged(path: Path) -> None:
    """Raise SpeechError when a file of the model folder differs from the checksum that was noted for it.

    A folder without checksums is taken as it is. A file is read once per process, and again when its size or its
    time of modification has changed.
    """
    wrong = [problem for name, digest in read_checksums(path).items() if (problem := _problem(path / name, digest))]
    if wrong:
        raise SpeechError(f"The model in {path} is damaged: {'; '.join(wrong)}.", _way_on(path.name))


def _problem(file: Path, expected: str) -> str:
    try:
        found = file.stat()
        actual = _digest(file, found.st_size, found.st_mtime_ns)
    except FileNotFoundError:
        return f"{file.name} is missing"
    except OSError as error:
        return f"{file.name} cannot be read ({error.strerror})"
    return "" if actual == expected else f"{file.name} differs from what was installed"


@lru_cache(maxsize=REMEMBERED_FILES)
def _digest(file: Path, _size_bytes: int, _mtime_ns: int) -> str:
    """Return the checksum of a file that has this size and time; those are there to be remembered by."""
    return sha256(file)


def _way_on(name: str) -> str:
    again = f"`voicebridge models pull {name}`" if name in REPOSITORIES else "`voicebridge models add FOLDER`"
    return f"Install it again: `voicebridge models remove {name}`, then {again}; `voicebridge models verify` checks it."
