"""The threads of the service by their Python names, and a way to freeze one."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.box.machine import Box

PY_SPY = "/srv/py-spy"


def python_threads(box: Box, pid: int) -> dict[str, int]:
    """Return thread ids by name; py-spy reads them from the process."""
    told = json.loads(box.run(PY_SPY, "dump", "--json", "--pid", str(pid)).stdout)
    return {thread["thread_name"]: thread["os_thread_id"] for thread in told if thread["thread_name"]}


def native_threads(box: Box, pid: int) -> list[int]:
    """Return the threads that Python did not start: those of the sound library and of the engine."""
    told = json.loads(box.run(PY_SPY, "dump", "--json", "--pid", str(pid)).stdout)
    known = {thread["os_thread_id"] for thread in told if thread["thread_name"]}
    return sorted({int(word) for word in box.run("ls", f"/proc/{pid}/task").stdout.split()} - known)


@contextmanager
def frozen(box: Box, *thread_ids: int) -> Iterator[None]:
    """Hold threads as if they hung."""
    holders = [
        box.popen("python3", "/srv/tools/freeze_thread.py", str(one), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for one in thread_ids
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "frozen\n", "the thread could not be frozen"
        yield
    finally:
        for holder in holders:
            holder.communicate(timeout=30)
