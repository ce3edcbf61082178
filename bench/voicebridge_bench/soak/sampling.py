"""The process as it is seen from outside: /proc and the sizes of its files. None of it asks the daemon."""

import shutil
import time
from pathlib import Path

import psutil

from voicebridge_bench.soak.record import Sample

SAMPLES = 6000
"""About so many in a soak of any length: eight hours at one in 5 s."""
FEWEST_SECONDS, MOST_SECONDS = 1.0, 10.0


def sampling_seconds(duration_seconds: float) -> float:
    """Return how often to sample: scaled, for a short soak needs many and a long one can do with fewer."""
    return min(max(duration_seconds / SAMPLES, FEWEST_SECONDS), MOST_SECONDS)


class Sampler:
    """Samples one process after the other."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._database = state / "voicebridge.db"
        self._process: psutil.Process | None = None

    def sample(self, pid: int, heap_bytes: int | None, log_bytes: int) -> Sample | None:
        """Return how a process is; None when it is not there (any more)."""
        try:
            if self._process is None or self._process.pid != pid:
                self._process = psutil.Process(pid)
            return self._sample(self._process, heap_bytes, log_bytes)
        except psutil.Error:
            self._process = None
            return None

    def _sample(self, process: psutil.Process, heap_bytes: int | None, log_bytes: int) -> Sample | None:
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times = process.cpu_times()
            rss = process.memory_info().rss
            threads = process.num_threads()
        return Sample(
            at=time.monotonic(),
            pid=process.pid,
            rss_bytes=rss,
            uss_bytes=_uss(process),
            heap_bytes=heap_bytes,
            cpu_seconds=times.user + times.system,
            threads=threads,
            open_files=_open_files(process),
            database_bytes=_size(self._database),
            wal_bytes=_size(self._database.with_name(self._database.name + "-wal")),
            log_bytes=log_bytes,
            disk_free_bytes=_free(self._state),
            own_bytes=_own(process),
        )


def _uss(process: psutil.Process) -> int | None:
    """Return what would be free if it ended; the kernel shows that of another user's process to nobody but root."""
    try:
        return int(process.memory_full_info().uss)
    except psutil.AccessDenied:
        return None


def _own(process: psutil.Process) -> int | None:
    """Return what it has written to and shares with nobody (`Private_Dirty`; in memory or swapped out)."""
    try:
        told = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    sizes = {line.split()[0]: line.split()[1] for line in told.splitlines() if line.endswith(" kB")}
    return 1024 * (int(sizes.get("Private_Dirty:", 0)) + int(sizes.get("SwapPss:", 0))) or None


def _open_files(process: psutil.Process) -> int:
    try:
        return int(process.num_fds())
    except psutil.AccessDenied:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _free(path: Path) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0
