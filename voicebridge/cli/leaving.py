"""Leaving the process, also when a thread is stuck inside a library."""

import os
import sys
import threading
from typing import NoReturn

from voicebridge.domain.errors import ExitCode

WORKERS = frozenset({"capture", "sound-watch", "transcriber", "store-writer"})
"""Threads that may be inside a library or a disk that does not let them go. An orderly stop has waited for them
(not for the sound watch, which has nothing to finish)."""


def leave(status: int) -> NoReturn:
    """End the process with a status.

    A worker that outlived its stop hangs inside a library. The interpreter's orderly end would then hang too
    (sounddevice terminates PortAudio at exit) or pull a running decode's memory away. What the store has taken is
    durable by now, so nothing is lost by skipping it.
    """
    status = _flushed(status)
    if any(thread.name in WORKERS and thread.is_alive() for thread in threading.enumerate()):
        os._exit(status)
    sys.exit(status)


def _flushed(status: int) -> int:
    """Write what is still in the buffers; return the status, which is a failure when that cannot be done."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError as error:
        # Its buffer would be tried once more, and the failure told by the interpreter, at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
        if status == ExitCode.OK:
            print(f"voicebridge: the output cannot be written: {error.strerror}.", file=sys.stderr)
        return status or ExitCode.FAILURE
    return status
