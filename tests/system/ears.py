"""A process that hears through a real microphone, and what it tells."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.pulse import PulseServer
from voicebridge.domain.audio import Samples


class Hearing:
    """The process that hears."""

    def __init__(self, process: "subprocess.Popen[str]", path: Path) -> None:
        self.process = process
        self._path = path
        self.told: list[dict[str, Any]] = []

    def wait_for(self, key: str) -> dict[str, Any]:
        """Return the next line that tells this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))
            if key in self.told[-1]:
                return self.told[-1]
        raise AssertionError(f"{key} was not told, but {self.told}")

    def say(self, line: str) -> None:
        """Give it a line of standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def report(self) -> dict[str, Any]:
        """Return its report, with ``stuck``."""
        self.say("")
        told = self.wait_for("report")
        return {**told["report"], "stuck": told["stuck"]}

    def stop(self) -> dict[str, Any]:
        """End it; return its last words."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.wait_for("samples")

    def audio(self) -> Samples:
        """Return what was heard, without gaps."""
        return np.fromfile(self._path, dtype=np.int16)

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """The gaps told so far."""
        return [line for line in self.told if "gap" in line]


@contextmanager
def hearing(pulse: PulseServer, folder: Path, *words: str, **settings: Any) -> Iterator[Hearing]:
    path = folder / "heard.raw"
    command = [sys.executable, str(Path(__file__).with_name("hear.py")), json.dumps(settings), str(path), *words]
    with subprocess.Popen(
        command, env=pulse.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Hearing(process, path)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()  # PortAudio holds it while its server is stuck
