"""The spool: the audio of utterances that have no transcript yet, one append-only file for each.

A file is named by its session and first sample, and holds a header of 32 bytes (magic ``VBSP``, version, header length,
session id, first sample index, wall time of the first sample), then int16 little-endian samples at 16 kHz.
"""

import os
import re
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import StoreError
from voicebridge.domain.units import SAMPLE_BYTES
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.store.database import FILE_MODE, make_directory, sync_directory, told

HEADER = struct.Struct("<4sHHqqd")
MAGIC = b"VBSP"
VERSION = 1
MAX_OPEN_FILES = 4
"""Files held open at once; one utterance is open at a time, so that this is plenty. The oldest is closed beyond it."""

UNREADABLE_SUFFIX = ".unreadable"
"""Added to the name of a file whose header is not ours; it is not listed any more."""

_NAME = re.compile(r"(\d{8,18})-(\d{12,18})\.pcm")
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """A file in the spool. ``samples`` counts whole samples; ``readable`` is False when its header is not ours.

    ``reachable`` is False when the disk or its permissions refuse it for now; nothing else is known of it then.
    """

    key: UtteranceKey
    started_at: float
    samples: int
    readable: bool
    reachable: bool = True


@dataclass(slots=True)
class _OpenFile:
    descriptor: int
    samples: int
    """Samples that are known to be on disk. A write that failed half-way is written again from here."""


class DirectorySpool:
    """A spool in a directory of its own. Raises StoreError when the disk refuses; every call bears repetition.

    ``read`` may be called from any thread, everything else from one.
    """

    def __init__(self, path: Path) -> None:
        make_directory(path)
        self.path = path
        self._open: OrderedDict[UtteranceKey, _OpenFile] = OrderedDict()

    def append(self, key: UtteranceKey, started_at: float, samples: Samples) -> None:
        """Add audio to an open utterance; the first call opens it. ``started_at`` is its wall time."""
        with told(self.file_of(key)):
            file = self._open.get(key) or self._open_file(key, started_at)
            data = np.ascontiguousarray(samples, dtype="<i2").tobytes()
            _write_at(file.descriptor, data, _offset(file.samples))
            os.fdatasync(file.descriptor)
            file.samples += len(samples)

    def seal(self, key: UtteranceKey, samples: int) -> None:
        """Cut an open utterance to its final length in samples, and close its file.

        Raises StoreError when the spool has no such utterance, ValueError when it holds less audio than that.
        """
        with told(self.file_of(key)):
            descriptor = self._reopen(key, os.O_RDWR)
            try:
                held = _samples_in(os.fstat(descriptor).st_size)
                if held < samples:
                    raise ValueError(f"{self.file_of(key).name} holds {held} samples, not {samples}")
                os.ftruncate(descriptor, _offset(samples))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._close(key)

    def discard(self, key: UtteranceKey) -> None:
        """Delete the audio of an utterance; one that is not there is as good as deleted."""
        with told(self.file_of(key)):
            self._close(key)
            self.file_of(key).unlink(missing_ok=True)
            sync_directory(self.path)

    def set_aside(self, key: UtteranceKey) -> None:
        """Rename a file that is not ours, so that it is in nobody's way."""
        path = self.file_of(key)
        with told(path):
            path.rename(path.with_name(f"{path.name}{UNREADABLE_SUFFIX}"))

    def discard_unreadable(self) -> int:
        """Delete what was set aside; return how many files."""
        with told(self.path):
            paths = list(self.path.glob(f"*.pcm{UNREADABLE_SUFFIX}"))
            for path in paths:
                path.unlink(missing_ok=True)
            sync_directory(self.path)
        return len(paths)

    def read(self, key: UtteranceKey) -> Samples:
        """Return all audio of an utterance, shape (n,). Raises StoreError when it is not there."""
        with told(self.file_of(key)):
            # For reading only: a disk that has become read-only still gives it.
            descriptor = self._reopen(key, os.O_RDONLY)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read()
        if _header(data) != (key.session_id, key.start_sample):
            raise StoreError(f"{self.file_of(key)} is not the audio of that utterance.", "It is damaged.")
        count = _samples_in(len(data))
        return np.frombuffer(data, dtype="<i2", count=count, offset=HEADER.size).astype(np.int16)

    def holds(self, key: UtteranceKey) -> bool:
        """Say whether there is a file for an utterance."""
        return self.file_of(key).is_file()

    def entries(self) -> Iterator[SpoolEntry]:
        """List what is in the spool, by session and start; files with other names are left alone."""
        with told(self.path):
            names = sorted(path.name for path in self.path.iterdir() if _NAME.fullmatch(path.name))
        for name in names:
            yield self._entry(name)

    def close(self) -> None:
        """Close every file; what was appended stays."""
        for key in tuple(self._open):
            self._close(key)

    def file_of(self, key: UtteranceKey) -> Path:
        """Return where the audio of an utterance is, or would be."""
        return self.path / f"{key.session_id:08d}-{key.start_sample:012d}.pcm"

    def _open_file(self, key: UtteranceKey, started_at: float) -> _OpenFile:
        descriptor = os.open(self.file_of(key), os.O_RDWR | os.O_CREAT | _FLAGS, FILE_MODE)
        try:
            size = os.fstat(descriptor).st_size
            if size < HEADER.size:
                header = HEADER.pack(MAGIC, VERSION, HEADER.size, key.session_id, key.start_sample, started_at)
                _write_at(descriptor, header, 0)
            sync_directory(self.path)
        except BaseException:
            os.close(descriptor)
            raise
        if len(self._open) >= MAX_OPEN_FILES:
            self._close(next(iter(self._open)))
        file = _OpenFile(descriptor, _samples_in(size))
        self._open[key] = file
        return file

    def _reopen(self, key: UtteranceKey, mode: int) -> int:
        try:
            return os.open(self.file_of(key), mode | _FLAGS)
        except FileNotFoundError:
            raise StoreError(
                f"The audio of the utterance at {self.file_of(key).name} is not in the spool.", "It cannot be decoded."
            ) from None

    def _close(self, key: UtteranceKey) -> None:
        if file := self._open.pop(key, None):
            os.close(file.descriptor)

    def _entry(self, name: str) -> SpoolEntry:
        path = self.path / name
        found = _NAME.fullmatch(name)
        assert found is not None
        key = UtteranceKey(int(found[1]), int(found[2]))
        try:
            with told(path), os.fdopen(os.open(path, os.O_RDONLY | _FLAGS), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = file.read(HEADER.size)
        except StoreError as error:
            return SpoolEntry(key, 0.0, 0, readable=error.transient, reachable=not error.transient)
        if len(data) < HEADER.size:
            # Torn before the first sample: an empty utterance, which nobody misses.
            return SpoolEntry(key, 0.0, 0, readable=True)
        readable = _header(data) == (key.session_id, key.start_sample)
        return SpoolEntry(key, HEADER.unpack(data)[5] if readable else 0.0, _samples_in(size), readable)


def _header(data: bytes) -> tuple[int, int] | None:
    """Return session id and first sample of a file of ours, else None."""
    if len(data) < HEADER.size:
        return None
    magic, version, size, session_id, start_sample, _ = HEADER.unpack(data[: HEADER.size])
    return (session_id, start_sample) if (magic, version, size) == (MAGIC, VERSION, HEADER.size) else None


def _samples_in(size_bytes: int) -> int:
    # A torn file may end in half a sample.
    return max(size_bytes - HEADER.size, 0) // SAMPLE_BYTES


def _offset(samples: int) -> int:
    return HEADER.size + samples * SAMPLE_BYTES


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of it; a full disk may take a part first."""
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written
