"""Suite start: a process of its own from its start to the first captured sample, to ready, to the first text."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from voicebridge.domain.errors import SpeechError, VoicebridgeError
from voicebridge.domain.units import samples_to_seconds
from voicebridge.health.status import read_status
from voicebridge.settings import paths
from voicebridge_bench.components import sounds
from voicebridge_bench.components.figure import Context, Figure, LeftOut, Ready, Suite
from voicebridge_bench.latency.child import bound_to_us
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece, write_playlist
from voicebridge_bench.speech_corpus import commands

SHARE = 0.05
QUIET_SECONDS = 60.0
"""Silence after the speech: longer than any start may take, so that the file never ends first."""
LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02
END_SECONDS = 30.0
SEED = 4200
SETTINGS = {
    "engine.kind": "whisper",
    "whisper.model": str(WHISPER_COMMANDS),
    "health.status_seconds": "0.5",
    # Another daemon may hold the address.
    "http.enabled": "false",
}


@dataclass(frozen=True, slots=True)
class _Start:
    """Seconds from the start of the process."""

    first_sample: float
    ready: float
    first_text: float | None


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    speech = np.zeros(0, np.int16)
    left_out = []
    try:
        speech = commands(1, SEED)[0].samples
    except SpeechError as missing:
        left_out.append(LeftOut("first text", str(missing)))
    room = context.scratch / "start.wav"
    write_playlist(room, [Piece("", np.concatenate([speech, sounds.silence(QUIET_SECONDS)]))], pause_seconds=0.0)
    starts = _Starts(context.scratch, room, speaks=len(speech) > 0)
    starts.run()
    yield Ready(_figures(starts, samples_to_seconds(len(speech))), left_out, {"source": "paced file"})


def _figures(starts: "_Starts", speech_seconds: float) -> list[Figure]:
    parameters = {"engine": "whisper", "model": WHISPER_COMMANDS.name, "source": "paced file"}
    titles = {"first_sample": "first captured sample", "ready": "the loaded engine"}
    if speech_seconds:
        titles["first_text"] = f"the first text ({speech_seconds:.1f} s of speech and the hangover are in it)"
    return [
        Figure(
            f"start.{name}",
            f"Start of the process to {title}",
            "s",
            partial(starts.take, name),
            SHARE,
            warm_up=0,
            parameters=parameters | ({"speech_seconds": speech_seconds} if name == "first_text" else {}),
        )
        for name, title in titles.items()
    ]


class _Starts:
    """Starts the daemon again and again; each start gives one sample of every figure."""

    def __init__(self, scratch: Path, room: Path, *, speaks: bool) -> None:
        self._scratch = scratch
        self._room = room
        self._speaks = speaks
        self._runs: list[_Start] = []
        self._taken: dict[str, int] = {}

    def take(self, name: str) -> float:
        """Return the next sample of a figure."""
        number = self._taken.get(name, 0)
        self._taken[name] = number + 1
        if number >= len(self._runs):
            self._runs.append(self.run())
        value = getattr(self._runs[number], name)
        assert isinstance(value, float)
        return value

    def run(self) -> _Start:
        """Start it once, and end it. Raises VoicebridgeError when it does not come so far."""
        state = self._scratch / "start-state"
        config = self._scratch / "start.toml"
        config.touch()
        call = [sys.executable, "-m", "voicebridge", "--config", str(config), "--state-dir", str(state)]
        for key, value in SETTINGS.items():
            call += ["--set", f"{key}={value}"]
        call += ["run", "--json", "--file", str(self._room), "--realtime"]
        environ = _environment(os.environ)
        with (self._scratch / "start.out").open("wb+") as out, (self._scratch / "start.err").open("wb+") as complaints:
            began = time.monotonic()
            child = subprocess.Popen(bound_to_us(call), stdout=out, stderr=complaints, env=environ, cwd=self._scratch)
            try:
                return self._watch(child, state, began, environ)
            finally:
                _end(child)

    def _watch(self, child: subprocess.Popen[bytes], state: Path, began: float, environ: Mapping[str, str]) -> _Start:
        places = paths.status_paths(state, environ)
        first_text: float | None = None
        while (passed := time.monotonic() - began) < LIMIT_SECONDS:
            if child.poll() is not None:
                raise VoicebridgeError(f"The daemon ended by itself: {_tail(self._scratch / 'start.err')}")
            if first_text is None and _has_text(self._scratch / "start.out"):
                first_text = passed
            status = read_status(places)
            if _is_up(status, child.pid) and (first_text is not None or not self._speaks):
                assert status is not None
                return _Start(status["first_sample_after_seconds"], status["engine_ready_after_seconds"], first_text)
            time.sleep(POLL_SECONDS)
        raise VoicebridgeError(f"The daemon did not come to its first text within {LIMIT_SECONDS:g} s.")


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings and without a service's directories."""
    foreign = ("VOICEBRIDGE_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_")
    return {name: value for name, value in environ.items() if not name.startswith(foreign)}


def _is_up(status: Mapping[str, Any] | None, pid: int) -> bool:
    """Say whether a status is that of this process, and has both figures."""
    if status is None or status["pid"] != pid:
        return False
    return None not in (status["first_sample_after_seconds"], status["engine_ready_after_seconds"])


def _has_text(output: Path) -> bool:
    lines: Sequence[bytes] = output.read_bytes().split(b"\n")[:-1]
    for line in lines:
        with suppress(ValueError):
            found = json.loads(line)
            # Utterances have an id; a rejected one was decoded, too.
            if isinstance(found, dict) and "id" in found and found.get("text") is not None:
                return True
    return False


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing."


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGINT)
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


SUITE = Suite(
    "start",
    "Process start to first sample, to ready, to first text",
    ("start.first_sample", "start.ready", "start.first_text"),
    _opened,
)
