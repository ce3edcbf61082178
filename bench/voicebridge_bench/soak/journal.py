"""The record on the disk: one JSON object in a line, appended and synced, so that a crash costs one line at most.

{"kind": "Sample", "at": 12.5, "pid": 4711, ...}
"""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.soak.record import (
    JOURNAL,
    KINDS,
    SCHEMA,
    Announced,
    Checkpoint,
    End,
    Entry,
    Fault,
    Happened,
    Header,
    Heard,
    Lost,
    Played,
    Record,
    Sample,
)

FILE_NAME = "record.jsonl"
MAX_BYTES = 512_000_000
"""Bound of the file: 8 h make 4 MB. What finds no place in it is left out, and counted in how it ended."""
RESERVE_BYTES = 64_000_000
"""Of that, kept for what the database holds at the end, a week of speech without a rest, and for how it ended."""
MAX_TEXT = 2000
"""Longest text of one field; more is cut."""
RESUMED = "resumed"
"""What has happened when a soak that was cut off goes on. The time before it, back to the last line, was not soaked."""
MOST = 2.0**63
"""A number that is not below it was damaged; nor is one that is no number."""
LAST_WALL = 253_402_300_800
"""The first second of the year 10000, which no calendar here can show."""
LAST_KINDS = ("integrity", "stopped", "fed", JOURNAL)
"""What happens at the end."""
MAX_END_BYTES = 10_000
"""The last line has room always."""
_BY_NAME: Mapping[str, type] = {kind.__name__: kind for kind in KINDS}


class Recorder:
    """Appends entries to the record in a folder. Any thread may write; a line is on the disk when ``write`` returns.

    Raises VoicebridgeError when another soak writes there.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.path = folder / FILE_NAME
        self.left_out = 0
        """Entries that found no place in the file, or no disk."""
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            message = f"No record can be written into {folder}: {error.strerror or error}."
            raise VoicebridgeError(message, "Name another folder.", exit_code=ExitCode.STORE) from None
        try:
            # It goes with the process, whatever ends that.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            advice = "Wait for its end, or name another folder."
            raise VoicebridgeError(f"A soak is running in {folder}.", advice, exit_code=ExitCode.BUSY) from None
        self._drop_torn_line()

    def write(self, entry: Entry) -> None:
        """Append an entry. One that the disk does not take is counted: the soak goes on."""
        with self._lock:
            if isinstance(entry, End) and self.left_out:
                detail = f"{entry.detail}; {self.left_out} entries found no place in the record".removeprefix("; ")
                entry = replace(entry, detail=detail, left_out=self.left_out)
            line = line_of(entry)
            if self._file.tell() + len(line) > self._room_of(entry):
                self.left_out += 1
                return
            try:
                self._append(line)
            except OSError:
                self.left_out += 1

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes that the record has."""
        with self._lock:
            return self._file.seek(0, os.SEEK_END)

    def _room_of(self, entry: Entry) -> int:
        """Return how far an entry may reach: what tells of the end is worth more than one sample more."""
        if isinstance(entry, End):
            return self._max_bytes + MAX_END_BYTES
        last = isinstance(entry, Heard | Lost) or (isinstance(entry, Happened) and entry.kind in LAST_KINDS)
        return self._max_bytes - (0 if last else self._reserve_bytes)

    def _append(self, line: bytes) -> None:
        before = self._file.seek(0, os.SEEK_END)
        try:
            _write_whole(self._file.fileno(), line)
        except OSError:
            # Half a line would spoil the next one, too.
            self._file.truncate(before)
            raise

    def _drop_torn_line(self) -> None:
        """Cut off what a crash left of its last line, so that the next one begins a line of its own."""
        size = self._file.seek(0, os.SEEK_END)
        with self.path.open("rb") as file:
            kept = size
            while kept:
                begin = max(0, kept - 65_536)
                file.seek(begin)
                newline = file.read(kept - begin).rfind(b"\n")
                if newline >= 0:
                    kept = begin + newline + 1
                    break
                kept = begin
        if kept < size:
            self._file.truncate(kept)


def _write_whole(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def line_of(entry: Entry) -> bytes:
    """Return the line of an entry."""
    content = {"kind": type(entry).__name__, **asdict(entry)}
    # A fault, and what happened, have a `kind` of their own.
    if (own := getattr(entry, "kind", None)) is not None:
        content |= {"kind": type(entry).__name__, "what": own}
    bounded = {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in content.items()}
    return (
        json.dumps(bounded, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace") + b"\n"
    )


def read_record(path: Path) -> Record:
    """Return the record in a file, or in a folder. Raises VoicebridgeError when there is none that can be read.

    The last line may be torn. What is unknown is passed over. Of a soak that was resumed only the last end counts, and
    only when nothing came after it; what the database held at several ends counts once, as it was at the last.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        # What stands behind the last line break is torn.
        lines = file.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error), ExitCode.NO_INPUT) from None
    header = _header_of(lines[0] if lines else b"", file)
    record = Record(header)
    gather = _Gatherer(record)
    for line in lines[1:]:
        entry = entry_of(line)
        if entry is not None:
            gather.take(entry)
    return gather.done()


def entry_of(line: bytes) -> Entry | None:
    """Return the entry in a line; None for one that is torn, or of a kind that is not known."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    name = content.pop("kind", "") if isinstance(content, dict) else None
    kind = _BY_NAME.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    if "what" in content:
        content["kind"] = content.pop("what")
    hints = _hints_of(kind)
    known = {name: value for name, value in content.items() if name in hints}
    if not all(_fits(value, hints[name]) for name, value in known.items()):
        return None
    try:
        entry: Entry = kind(**known)
    except TypeError:
        return None
    return entry


@cache
def _hints_of(kind: type) -> Mapping[str, Any]:
    """Return the types of the fields of an entry."""
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of a field's type, and a number one that can be reckoned with."""
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if get_origin(hint) is Mapping:
        return isinstance(value, dict)
    if hint is float:
        return type(value) in (int, float) and abs(value) < MOST
    if hint is int:
        return type(value) is int and abs(value) < MOST
    return type(value) is hint


class _Gatherer:
    """Puts entries where they belong in a record."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._heard: dict[int, Heard] = {}
        self._lost: dict[tuple[int, int], Lost] = {}
        self._checkpoints: dict[tuple[Any, Any], Checkpoint] = {}
        self._lists: Mapping[type, Callable[[Any], None]] = {
            Sample: record.samples.append,
            Played: record.played.append,
            Announced: record.announced.append,
            Happened: record.happened.append,
            Fault: record.faults.append,
        }

    def take(self, entry: Entry) -> None:
        self._record.end = entry if isinstance(entry, End) else None
        match entry:
            case Heard():
                self._heard[entry.utterance] = entry
            case Lost():
                self._lost[entry.session, entry.start_sample] = entry
            case Checkpoint():
                key = entry.content.get("session_id"), entry.content.get("monotonic_seconds", entry.at)
                self._checkpoints.setdefault(key, entry)
            case Header() | End():
                pass
            case _:
                self._lists[type(entry)](entry)

    def done(self) -> Record:
        record = self._record
        record.heard.extend(self._heard.values())
        record.lost.extend(self._lost.values())
        record.checkpoints.extend(self._checkpoints.values())
        return record


def stretches(record: Record) -> list[tuple[float, float]]:
    """Return when it was soaked, as (from, until) on CLOCK_MONOTONIC: one, and one more for each resumption."""
    resumed = sorted(happened.at for happened in record.happened if happened.kind == RESUMED)
    moments = sorted(_moments(record))
    begins = [record.header.began, *resumed]
    ends = [max([at for at in moments if at < begin], default=begins[0]) for begin in resumed]
    ends.append(max([*moments, begins[-1]]))
    return [(begin, max(begin, end)) for begin, end in zip(begins, ends, strict=True)]


def soaked_seconds(record: Record) -> float:
    """Return how long it was soaked, times between being cut off and resumed left out."""
    return sum(end - begin for begin, end in stretches(record))


def _moments(record: Record) -> list[float]:
    """Return the moments at which the harness was there."""
    moments = [record.header.began, *(sample.at for sample in record.samples)]
    moments += [happened.at for happened in record.happened]
    moments += [record.end.at] if record.end is not None else []
    return moments


def _header_of(line: bytes, file: Path) -> Header:
    header = entry_of(line)
    if not isinstance(header, Header):
        raise _unreadable(file, "it does not begin with what was asked for", ExitCode.INPUT)
    if header.schema > SCHEMA:
        raise _unreadable(file, f"it was written by a newer version ({header.version})", ExitCode.INPUT)
    if min(header.asked_seconds, header.speed, header.checkpoint_seconds) <= 0:
        raise _unreadable(file, "what was asked for takes no time", ExitCode.INPUT)
    if not 0 <= header.began_wall < LAST_WALL:
        raise _unreadable(file, "it began at no moment of a calendar", ExitCode.INPUT)
    return header


def _unreadable(file: Path, why: str, code: ExitCode) -> VoicebridgeError:
    return VoicebridgeError(f"The record {file} cannot be read: {why}.", "Name the folder of a soak.", exit_code=code)
