"""The signals that tell a daemon something."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from voicebridge.daemon.control_signals import NUMBERS, ControlSignals, has_controlling_terminal


@pytest.fixture
def signals() -> Iterator[ControlSignals]:
    # A suite under nohup has SIGHUP ignored, and it would stay so.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with ControlSignals() as signals:
            yield signals
    finally:
        signal.signal(signal.SIGHUP, before)


def test_each_signal_calls_what_was_said_for_it(signals: ControlSignals) -> None:
    seen: list[int] = []
    signals.call({number: lambda number=number: seen.append(number) for number in NUMBERS})  # type: ignore[misc]  # the default is what binds it
    for number in NUMBERS:
        os.kill(os.getpid(), number)
    assert seen == list(NUMBERS)


def test_one_that_comes_early_is_done_later_and_once(signals: ControlSignals) -> None:
    seen: list[str] = []
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR1)
    signals.call({signal.SIGUSR1: lambda: seen.append("mute")})
    assert seen == ["mute"]


def test_what_was_there_before_comes_back() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with ControlSignals():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_one_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ControlSignals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_session_of_its_own_has_no_terminal() -> None:
    code = "from voicebridge.daemon.control_signals import *; print(has_controlling_terminal())"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, start_new_session=True, check=True
    )
    assert told.stdout == "False\n"


def test_a_pseudo_terminal_counts_as_one() -> None:
    pid, terminal = os.forkpty()
    if pid == 0:  # pragma: no cover - the child, which has the terminal
        os._exit(0 if has_controlling_terminal() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
