"""Freezes one thread of a process, as if it hung, until standard input ends.

    python3 freeze_thread.py THREAD_ID

PTRACE_SEIZE does not stop the thread or change its signals; PTRACE_INTERRUPT then holds just this one. Prints
``frozen`` when it stands. A fatal signal to its process ends it all the same. Needs root, and nothing but Python.
"""

import ctypes
import os
import select
import sys

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WAIT_FOR_ALL = 0x40000000
"""__WALL of waitpid(2): threads, too."""

POLL_SECONDS = 0.05


def ptrace(request: int, thread_id: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread_id, None, None) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace of thread {thread_id}: {os.strerror(error)}")


def main() -> None:
    thread_id = int(sys.argv[1])
    ptrace(PTRACE_SEIZE, thread_id)
    ptrace(PTRACE_INTERRUPT, thread_id)
    os.waitpid(thread_id, WAIT_FOR_ALL)
    print("frozen", flush=True)
    # A process that dies stays until we have taken note of its traced thread; our own end lets a living one go on.
    while not select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
        gone, status = os.waitpid(thread_id, WAIT_FOR_ALL | os.WNOHANG)
        if gone and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            break


if __name__ == "__main__":
    main()
