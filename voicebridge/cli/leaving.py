"""Leaving the process, also when a thread is stuck inside a library."""

import os
import sys
import threading
from typing import NoReturn

WORKERS = frozenset({"capture", "transcriber", "store-writer"})
"""Threads that may be inside a library or a disk that does not let them go. An orderly stop has waited for them."""


def leave(status: int) -> NoReturn:
    """End the process with a status.

    A worker that outlived its stop hangs inside a library. The interpreter's orderly end would then hang too
    (sounddevice terminates PortAudio at exit) or pull a running decode's memory away. What the store has taken is
    durable by now, so nothing is lost by skipping it.
    """
    if any(thread.name in WORKERS and thread.is_alive() for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)
    sys.exit(status)
