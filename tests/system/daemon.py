"""The daemon as a child process, as a person or systemd runs it."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voicebridge.health.status import read_status
from voicebridge.settings import Settings, paths
from voicebridge.settings.schema import StoreSettings

WAIT_SECONDS = 180.0


class DaemonProcess:
    """`voicebridge run --json` on a state directory of its own."""

    def __init__(
        self,
        state: Path,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        environment: Mapping[str, str] = os.environ,
        prefix: Sequence[str] = (),
    ) -> None:
        self.state = state
        self.environment = dict(environment)
        call = [*prefix, sys.executable, "-m", "voicebridge", "--state-dir", str(state)]
        for key, value in {"health.status_seconds": "0.5", "http.enabled": "false", **settings}.items():
            call += ["--set", f"{key}={value}"]
        self.process = subprocess.Popen(
            [*call, "run", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )  # its standard error is small: errors only, and read at its end
        self.announced: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        self._errors: str | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until(self, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until its status is good, and return that."""
        settings = Settings(store=StoreSettings(state_dir=self.state))
        places = paths.status_paths(paths.state_dir(settings), self.environment)
        deadline = time.monotonic() + WAIT_SECONDS
        pause = threading.Event()
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the daemon ended by itself: {self.errors()}"
            status = read_status(places)
            if status is not None and good(status):
                return status
            pause.wait(0.05)
        raise AssertionError(f"the daemon did not get there in {WAIT_SECONDS:g} s; it says {read_status(places)}")

    def wait_until_hearing(self) -> dict[str, Any]:
        """Wait until audio arrives and the engine is ready."""
        return self.wait_until(lambda status: status["state"] == "hearing" and status["engine_state"] == "ready")

    def wait_until_settled(self, utterances: int) -> None:
        """Wait until so many utterances were announced."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(self.announced) < utterances:
            line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            assert line is not None, f"the daemon ended by itself: {self.errors()}"
            self._take(line)

    def stop(self, within_seconds: float = WAIT_SECONDS) -> int:
        """End it with Ctrl-C and return its exit status; everything announced is in ``announced`` then."""
        self.process.send_signal(signal.SIGINT)
        return self.ended(within_seconds)

    def ended(self, within_seconds: float = WAIT_SECONDS) -> int:
        """Wait for its end and return its exit status."""
        status = self.process.wait(within_seconds)
        while (line := self._lines.get(timeout=WAIT_SECONDS)) is not None:
            self._take(line)
        self._reader.join(WAIT_SECONDS)
        self.errors()
        return status

    def errors(self) -> str:
        """Return what it wrote to standard error; waits for its end."""
        if self._errors is None:
            assert self.process.stderr is not None
            with self.process.stderr:
                self._errors = self.process.stderr.read()
        return self._errors

    @property
    def text(self) -> str:
        """All announced text."""
        return " ".join(announced["text"] for announced in self.announced if announced.get("status") == "done")

    def _take(self, line: str) -> None:
        announced = json.loads(line)
        if "id" in announced:
            self.announced.append(announced)
        elif "gap" in announced:
            self.gaps.append(announced)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put(None)


def transcribed(path: Path, settings: Mapping[str, str]) -> str:
    """Return what `voicebridge transcribe` makes of a file."""
    call = [sys.executable, "-m", "voicebridge"]
    for key, value in settings.items():
        call += ["--set", f"{key}={value}"]
    done = subprocess.run([*call, "transcribe", str(path)], capture_output=True, text=True, check=True)
    return done.stdout
