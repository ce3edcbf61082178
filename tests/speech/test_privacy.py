"""A started engine asks nobody for anything."""

import subprocess
import sys

from voicebridge_bench.models import WHISPER_COMMANDS

PROGRAM = """
import sys
seen = []
def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        seen.append((event, arguments[1:]))
sys.addaudithook(watch)
import numpy as np
from pathlib import Path
from voicebridge.settings import Settings
from voicebridge.speech.choose import choose_engine
choice = choose_engine(Settings.model_validate({"engine": {"kind": sys.argv[1]}, "whisper": {"model": sys.argv[2]}}),
    Path("/nowhere"))
choice.engine.load()
choice.engine.decode(np.zeros(16000, np.int16), 0)
choice.engine.close()
sys.exit(f"asked {seen}" if seen else 0)
"""


def _run(kind: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", PROGRAM, kind, str(WHISPER_COMMANDS)]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def test_whisper_makes_no_connection_and_looks_up_no_name() -> None:
    done = _run("whisper")
    assert (done.returncode, done.stderr) == (0, "")


def test_sphinx_makes_no_connection_and_looks_up_no_name() -> None:
    done = _run("sphinx")
    assert (done.returncode, done.stderr) == (0, "")
