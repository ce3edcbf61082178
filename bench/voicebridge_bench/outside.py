"""A daemon seen from outside: by psutil, stat and the lines of its file of checkpoints, each with the moment."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from voicebridge.settings import paths
from voicebridge.store.checkpoints import FILE_NAME

LOOK_SECONDS = 0.05
CLOSE_LOOK_SECONDS = 0.003
"""Around the moment at which a checkpoint is due: memory rises and falls by tens of MB within a decode."""
BEFORE_DUE_SECONDS = 0.3
"""The moment follows from when the line before was seen: a commit and up to one look after it was due."""
AFTER_DUE_SECONDS = 0.1
USS_SECONDS = 0.25
"""The kernel walks all pages of the other process for it, and holds up its mappings meanwhile."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: CLOCK_MONOTONIC in seconds, and figures by name; bytes, processor seconds, or counts."""

    monotonic: float
    figures: Mapping[str, float]


@dataclass(slots=True)
class Outside:
    """All that was seen."""

    looks: list[Look] = field(default_factory=list)
    lines_seen: list[float] = field(default_factory=list)
    """When each line of the file of checkpoints was first seen, on CLOCK_MONOTONIC."""
    began: float | None = None
    """When the database was first seen there."""


class Onlooker:
    """Looks at a daemon and its state directory until it has ended, closely when a checkpoint is due."""

    def __init__(self, pid: int, state: Path, interval_seconds: float) -> None:
        self.seen = Outside()
        self._interval_seconds = interval_seconds
        self._uss_at = 0.0
        self._process = psutil.Process(pid)
        self._state = state
        self._database = paths.database_path(state)
        self._wal = self._database.with_name(self._database.name + "-wal")
        self._file = state / FILE_NAME
        self._read_bytes = 0

    def look_until(self, over: Callable[[], bool], deadline: float) -> bool:
        """Look again and again; False when ``deadline`` (CLOCK_MONOTONIC) passed before it was over."""
        while not over():
            if time.monotonic() > deadline:
                return False
            self.look()
            time.sleep(CLOSE_LOOK_SECONDS if self._is_due(time.monotonic()) else LOOK_SECONDS)
        self._count_lines(time.monotonic())
        return True

    def look(self) -> None:
        """Look once; a process that has ended is left out."""
        now = time.monotonic()
        figures = {"wall_offset": time.time() - time.monotonic()}
        try:
            figures |= self._of_process(now)
        except psutil.Error:
            return
        if not figures["rss"]:
            return  # it is no more than an entry in the table of processes
        figures |= self._of_files()
        if self.seen.began is None and self._database.exists():
            self.seen.began = now
        self._count_lines(now)
        self.seen.looks.append(Look(now, figures))

    def _is_due(self, now: float) -> bool:
        lines = self.seen.lines_seen
        since_due = now - lines[-1] - self._interval_seconds if lines else 0.0
        return bool(lines) and -BEFORE_DUE_SECONDS <= since_due <= AFTER_DUE_SECONDS

    def _of_process(self, now: float) -> dict[str, float]:
        with self._process.oneshot():
            times = self._process.cpu_times()
            figures = {
                "rss": float(self._process.memory_info().rss),
                "cpu": times.user + times.system,
                "threads": float(self._process.num_threads()),
                "files": float(self._process.num_fds()),
            }
        if now - self._uss_at >= USS_SECONDS:
            self._uss_at = now
            figures["uss"] = float(self._process.memory_full_info().uss)
        return figures

    def _of_files(self) -> dict[str, float]:
        about = os.statvfs(self._state if self._state.exists() else self._state.parent)
        return {
            "disk_free": float(about.f_bavail * about.f_frsize),
            "database": _size(self._database),
            "wal": _size(self._wal),
        }

    def _count_lines(self, now: float) -> None:
        try:
            with self._file.open("rb") as file:
                file.seek(self._read_bytes)
                read = file.read()
        except FileNotFoundError:
            return
        whole = read[: read.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        self.seen.lines_seen += [now] * whole.count(b"\n")


def _size(path: Path) -> float:
    try:
        return float(path.stat().st_size)
    except FileNotFoundError:
        return 0.0
