"""Load beside the daemon: processes that compute without end, and end with us."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WORK = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(300_000))\n"
"""About 5 ms of work between two looks whether whoever started it is still there."""


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many processes computing, at normal priority."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            children.append(  # noqa: PERF401 - one after the other, so that each that began is ended
                subprocess.Popen([sys.executable, "-S", "-c", _WORK], stdin=subprocess.DEVNULL, start_new_session=True)
            )
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()
