"""How a process ends that has to: in children, because they do."""

import signal
import subprocess
import sys
import time

from voicebridge.domain.errors import ExitCode

IMPORTS = "import os, sys, threading, time\nfrom voicebridge.daemon import last_words\n"


def child(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", IMPORTS + program], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_signal_of_the_watchdog_shows_where_each_thread_stands() -> None:
    done = child(
        "last_words.on_fatal_signals()\n"
        "def stand_here(): threading.Event().wait(30)\n"
        "threading.Thread(target=stand_here, daemon=True).start()\n"
        "os.abort()\n"
    )
    assert done.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in done.stderr
    assert "in stand_here" in done.stderr


def test_a_process_that_does_not_end_by_itself_is_ended() -> None:
    began = time.monotonic()
    done = child("last_words.end_within(0.2)\nthreading.Event().wait(30)\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert time.monotonic() - began < 25


def test_one_that_ends_in_time_has_its_own_status() -> None:
    assert child(f"last_words.end_within(30)\nos._exit({int(ExitCode.STUCK)})\n").returncode == ExitCode.STUCK
