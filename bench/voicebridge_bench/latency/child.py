"""A daemon in a process of its own, whose words are read as they come: that moment is when a text was delivered."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from voicebridge.domain.errors import ExitCode, VoicebridgeError

READY_SECONDS = 300.0
"""A large model on a small box takes its time."""
LEAVE_SECONDS = 60.0
LOOK_SECONDS = 0.1
LAST_LINES = 5
LOG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the daemon, and when it was read (CLOCK_MONOTONIC)."""

    read_at: float
    told: Mapping[str, Any]


def bound_to_us(call: Sequence[str]) -> list[str]:
    """Return a call that ends when this process dies, where util-linux can see to that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *call] if setpriv else list(call)


class Child:
    """Starts the daemon; one thread reads what it prints. Use as a context: leaving it ends the daemon."""

    def __init__(
        self, options: Sequence[str], source: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.said: list[Said] = []
        self._log = log
        call = [sys.executable, "-m", "voicebridge", *options, "run", *source, "--json"]
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                bound_to_us(call),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C is for us, who then end it in order
            )
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, name="daemon-reader", daemon=True)
        self._reader.start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(LEAVE_SECONDS)
        with suppress(OSError):
            self.stdin.close()

    @property
    def stdin(self) -> IO[bytes]:
        """Where it reads audio from, if it was told to."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def texts(self) -> int:
        """Utterances that it has settled."""
        return sum("id" in said.told for said in list(self.said))

    def wait_until_ready(self) -> None:
        """Wait until its engine is loaded and it hears. Raises VoicebridgeError when that does not happen."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready.wait(LOOK_SECONDS):
            self.check_alive()
            if time.monotonic() > deadline:
                raise self._fault(f"was not ready within {READY_SECONDS:g} s")

    def check_alive(self) -> None:
        """Raise VoicebridgeError when it has ended by itself."""
        if (status := self._process.poll()) is not None:
            self._reader.join(LEAVE_SECONDS)
            raise self._fault(f"ended by itself with status {status}")

    def leave(self) -> None:
        """Have it end in order. Raises VoicebridgeError when it does not."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            raise self._fault(f"did not end within {LEAVE_SECONDS:g} s") from None
        self._reader.join(LEAVE_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                read_at = time.monotonic()
                with suppress(ValueError):  # cut short by a kill
                    told = json.loads(line)
                    self.said.append(Said(read_at, told))
                    if told.get("event") == "engine_ready":
                        self._ready.set()

    def _fault(self, what: str) -> VoicebridgeError:
        with self._log.open("rb") as log:
            log.seek(max(os.fstat(log.fileno()).st_size - LOG_BYTES, 0))
            last = log.read().decode(errors="replace").splitlines()[-LAST_LINES:]
        return VoicebridgeError(f"The daemon {what}.", "\n".join(last), exit_code=ExitCode.UNAVAILABLE)
