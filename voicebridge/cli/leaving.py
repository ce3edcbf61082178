"""Leaving the process, also when a thread is stuck inside a library."""

import os
import sys
import threading
from typing import NoReturn

CAPTURE_THREAD = "capture"
"""The microphone's supervisor; only it is ever inside PortAudio."""


def leave(status: int) -> NoReturn:
    """End the process with a status.

    A capture thread that outlived its stop hangs inside PortAudio. The interpreter's orderly end would then hang too:
    sounddevice terminates PortAudio at exit. Everything is stored and closed by now, so nothing is lost by skipping it.
    """
    if any(thread.name == CAPTURE_THREAD and thread.is_alive() for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)
    sys.exit(status)
