"""The commands as processes of their own, as a person or a script runs them; and audio for them."""

import os
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import say

WAIT_SECONDS = 60.0
WHISPER = ("-s", f"whisper.model={WHISPER_COMMANDS}", "-s", "engine.kind=whisper")
SPHINX = ("-s", "engine.kind=sphinx")
FIRST, SECOND = "Turn on the kitchen lights.", "Set a timer for twenty minutes."


@cache
def speech() -> Samples:
    """Return two commands with silence around them, 9 s in all."""
    silence = np.zeros(SAMPLE_RATE, np.int16)
    return np.concatenate([silence, say(FIRST), silence, silence, say(SECOND), silence, silence])


def silence(seconds: float) -> Samples:
    """Return digital silence."""
    return np.zeros(seconds_to_samples(seconds), np.int16)


def write_wav(path: Path, samples: Samples | None = None) -> Path:
    """Write mono audio at 16 kHz, by default the speech; return the path."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((speech() if samples is None else samples).tobytes())
    return path


def no_sound(folder: Path) -> Path:
    """Write an ALSA configuration without any device that can be opened; return its path, for ALSA_CONFIG_PATH."""
    path = folder / "no-sound.conf"
    path.write_text("pcm.none { type hw card 99 }\n")
    return path


class Home:
    """A home directory without any configuration, and what is run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("VOICEBRIDGE", "XDG_"))},
            "HOME": str(path),
            "XDG_CONFIG_HOME": str(path / "config"),
        }

    def call(self, *arguments: str | Path) -> list[str]:
        """Return the words of a call on the state directory in this home."""
        # All daemons would want the same port.
        quiet = ("--set", "http.enabled=false") if "run" in arguments else ()
        return [sys.executable, "-m", "voicebridge", "--state-dir", str(self.state), *quiet, *map(str, arguments)]

    def run(
        self,
        *arguments: str | Path,
        stdin: bytes | IO[bytes] | int = b"",
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end. ``stdin`` is what is piped into it, or a file."""
        given: dict[str, Any] = {"stdin": stdin} if not isinstance(stdin, bytes) else {"input": stdin}
        done = subprocess.run(
            [*prefix, *self.call(*arguments)],
            **{"capture_output": True, **given, **options},
            env={**self.environment, **(environment or {})},
            timeout=WAIT_SECONDS,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, _text(done.stdout), _text(done.stderr))

    def start(self, *arguments: str | Path, **options: Any) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.call(*arguments), **{**pipes, **options}, env=self.environment, text=True)

    def spooled(self) -> bool:
        """Say whether an utterance is open or waits for its text."""
        return any((self.state / "spool").glob("*.pcm"))


def wait_until(good: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something is so while a process runs."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while not good():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, f"it was not so within {WAIT_SECONDS:g} s"
        pause.wait(0.02)


def complaint(error: str) -> str:
    """Return the one message in what a command wrote to standard error; there must be no traceback and no other."""
    assert "Traceback" not in error
    told = [line for line in error.splitlines() if line.startswith("voicebridge: ")]
    assert len(told) == 1, error
    return error[error.index("voicebridge: ") :].strip()


def _text(output: bytes | None) -> str:
    return output.decode() if output is not None else ""
