"""One life of the daemon: a child process, what it prints, what it logs, and what it answers."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ControlError
from voicebridge_bench.soak.home import Way
from voicebridge_bench.soak.record import Announced, Happened

LOG_BYTES = 64_000_000
"""Most of the log that is kept on the disk; all of it is counted."""
LINE_BYTES = 1_000_000
"""A longer line is read in parts; no utterance is near that."""
ERRORS_TOLD = 200
"""So many error lines of one life are put into the record as they come."""
LATER_ERRORS_SECONDS = 10.0
"""After those, one in so many seconds, with the number of those before it: a flood that a fault explains must not hide
what comes when it is over."""
ASK_SECONDS = 1.0
READERS_SECONDS = 1.0
"""For what a dead process has written; a child of its own may outlive it and hold its outputs open."""
_ERROR = re.compile(r"^\S+ (?:error|critical) (?P<said>.*)", re.DOTALL)
"""A line of the log, as voicebridge.daemon.log_forms.plain_lines writes it."""


class Child:
    """A running daemon. Two threads read what it writes; everything else is for the conductor's thread."""

    def __init__(self, way: Way, life: int, tell: Callable[[Announced | Happened], None]) -> None:
        self.life = life
        self.session: int | None = None
        """Once it has said so: from then on it hears."""
        self.announced = 0
        self.log_bytes = 0
        self.began = time.monotonic()
        self._way = way
        self._tell = tell
        self._errors = Errors(lambda at, said: tell(Happened(at, "error", life, said)))
        self._client: Client | None = None
        self._process = subprocess.Popen(
            way.call(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(way.environment),
            # Ctrl-C is for the harness, which then ends the daemon in order.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read_told, args=(self._process.stdout,), name="soak-told", daemon=True),
            threading.Thread(target=self._read_log, args=(self._process.stderr,), name="soak-log", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended (minus the signal that killed it), or None while it runs."""
        return self._process.poll()

    @property
    def input_descriptor(self) -> int:
        """The write end of the pipe that it hears."""
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def end_input(self) -> None:
        """Tell it that nothing more comes: it decodes what it has, and ends."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; say whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def status(self) -> Mapping[str, Any] | None:
        """Ask it how it is; None when it does not answer in time."""
        try:
            if self._client is None:
                self._client = Client(self._way.home.control, ASK_SECONDS)
            found: Mapping[str, Any] | None = self._client.ask("status").get("status")
        except ControlError:
            self.hang_up()
            return None
        return found

    def hang_up(self) -> None:
        """Close the connection over which it is asked."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def bury(self) -> None:
        """Read the rest of what it wrote, and let go of everything."""
        self.hang_up()
        self.end_input()
        for reader in self._readers:
            reader.join(READERS_SECONDS)

    def _read_told(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(LINE_BYTES):
                self._take(line, time.monotonic())

    def _take(self, line: bytes, now: float) -> None:
        """Take what it has told; a line that a kill has cut was not told."""
        try:
            told = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            return
        if not isinstance(told, dict):
            return
        if told.get("event") == "started":
            self.session = told["session"]
        elif told.get("status") == "done" and "id" in told:
            self.announced += 1
            self._tell(Announced(now, self.life, told["id"]))

    def _read_log(self, stream: IO[bytes]) -> None:
        with stream, _opened(self._way.home.log) as log:
            while line := stream.readline(LINE_BYTES):
                self.log_bytes += len(line)
                if log.tell() + len(line) <= LOG_BYTES:
                    with suppress(OSError):
                        log.write(line)
                if found := _ERROR.match(line.decode("utf-8", "replace")):
                    self._errors.take(found["said"].strip(), time.monotonic())
        self._errors.end()


class Errors:
    """Lines of error: all of the first, then few of many, and their number."""

    def __init__(self, tell: Callable[[float, str], None]) -> None:
        self._tell = tell
        self._told = 0
        self._untold = 0
        self._newest = (0.0, "")
        self._next = 0.0

    def take(self, said: str, now: float) -> None:
        """Tell a line, or count it."""
        self._newest = now, said
        self._untold += 1
        if self._told < ERRORS_TOLD or now >= self._next:
            self.end()

    def end(self) -> None:
        """Tell what was only counted."""
        if not self._untold:
            return
        at, said = self._newest
        others = f" (and {self._untold - 1} others since the line before)" if self._untold > 1 else ""
        self._tell(at, said + others)
        self._told += 1
        self._untold, self._next = 0, at + LATER_ERRORS_SECONDS


def _opened(path: Path) -> IO[bytes]:
    return open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))
