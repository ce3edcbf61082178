"""What a process that ends against its will still says and does. All of it in C (faulthandler): no lock can hold it."""

import faulthandler
import os

STANDARD_ERROR = 2
"""Which the journal reads; the number, because what stands for it in Python may be closed or replaced."""


def on_fatal_signals() -> None:
    """Have a fatal signal show where each thread stands: SIGABRT is what systemd's watchdog sends."""
    faulthandler.enable(file=STANDARD_ERROR, all_threads=True)


def tell_where_threads_stand() -> None:
    """Show where each thread stands."""
    faulthandler.dump_traceback(file=STANDARD_ERROR, all_threads=True)


def end_within(seconds: float) -> None:
    """End this process, with status 1, when it has not ended by itself in so many seconds.

    Silently: what is said could wait for ever for a journal that hangs.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
