import signal
import subprocess
import sys

import pytest

from voicebridge.daemon.signals import NUMBERS, StopSignals
from voicebridge.domain.errors import ExitCode


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_asks_for_a_stop(number: signal.Signals) -> None:
    asked: list[bool] = []
    with StopSignals() as signals:
        signals.call_on_stop(lambda: asked.append(True))
        signal.raise_signal(number)
        assert (signals.received, signals.name) == (1, number.name)
    assert asked == [True]


def test_before_there_is_somebody_to_ask_it_interrupts() -> None:
    with StopSignals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_before_there_is_somebody_to_ask_systemd_gets_an_orderly_end() -> None:
    with StopSignals(), pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == ExitCode.OK


def test_the_handlers_from_before_are_set_back() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with StopSignals():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_a_second_signal_ends_the_process_at_once_whatever_hangs() -> None:
    program = """
import os, signal, threading
from voicebridge.daemon.signals import StopSignals
with StopSignals() as signals:
    signals.call_on_stop(lambda: os.write(1, b"asked\\n"))  # not print: the signal may come in the middle of one
    os.write(1, b"ready\\n")
    threading.Event().wait(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == ExitCode.INTERRUPTED
