"""Reasons provoked for real in a daemon of its own, and where each is seen: within ten seconds, both ways."""

import http.client
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicebridge.health.status import read_status
from voicebridge.settings.paths import database_path

WITHIN_SECONDS = 10.0
BLOCK_SECONDS = 0.04
SAMPLES = 640
SETTINGS = {
    "http.enabled": "true",
    "health.interval_seconds": "1",
    "health.status_seconds": "0.5",
    "health.low_level_seconds": "2",
    "capture.stall_seconds": "1",
    "capture.first_block_seconds": "60",
    "store.busy_timeout_ms": "200",
    "engine.kind": "sphinx",
}
MURMUR = (200 * np.sin(np.arange(SAMPLES) * 2 * np.pi * 100 / 16_000)).astype("<i2").tobytes()
FAINT = (np.arange(SAMPLES) % 2).astype("<i2").tobytes()
CLIPPED = (np.where(np.arange(SAMPLES) % 160 < 80, 32767, -32768)).astype("<i2").tobytes()


class OverUnix(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


class Fed:
    """A daemon that hears what ``block`` is, at the pace of time; nothing while it is None."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.socket = folder / "http"
        self.block: bytes | None = MURMUR
        self._log = (folder / "log").open("wb")
        self._over = threading.Event()
        config = folder / "voicebridge.toml"
        config.write_text("")
        call = [sys.executable, "-m", "voicebridge", "-c", str(config), "--state-dir", str(self.state)]
        for key, value in {**SETTINGS, "http.bind": f"unix:{self.socket}"}.items():
            call += ["--set", f"{key}={value}"]
        self.process = subprocess.Popen(
            [*call, "run", "--stdin", "--realtime", "--quiet"], stdin=subprocess.PIPE, stderr=self._log
        )
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def stop(self) -> int:
        """End its input; return its exit status."""
        self._over.set()
        self._feeder.join()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._log.close()

    @property
    def log(self) -> str:
        """What it has logged."""
        return Path(self._log.name).read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Ask over HTTP."""
        with closing(OverUnix(self.socket)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def seen(self, code: str) -> dict[str, bool]:
        """Return where a reason is seen now."""
        status: dict[str, Any] = read_status([self.state / "status.json"]) or {"reasons": []}
        ready, told = self.get("/readyz")
        _, metrics = self.get("/metrics")
        lines = (self.state / "checkpoints.jsonl").read_text().splitlines()
        return {
            "status": code in {reason["code"] for reason in status["reasons"]},
            "readyz": ready == 503 and code in {reason["code"] for reason in json.loads(told)["reasons"]},
            "metrics": any(
                f'"{code}"' in line and line.endswith(" 1.0")
                for line in metrics.splitlines()
                if line.startswith("voicebridge_reason")
            ),
            "checkpoint": code in {reason["code"] for reason in json.loads(lines[-1])["reasons"]},
        }

    def await_(self, good: Callable[[], bool], seconds: float = WITHIN_SECONDS) -> float:
        """Wait until something is so, and return how long it took."""
        began = time.monotonic()
        pause = threading.Event()
        while not good():
            assert self.process.poll() is None, self.log
            assert time.monotonic() - began < seconds, self.log
            pause.wait(0.1)
        return time.monotonic() - began

    def _feed(self) -> None:
        assert self.process.stdin is not None
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1.0) + BLOCK_SECONDS
            if self.block is not None:
                self.process.stdin.write(self.block)
                self.process.stdin.flush()


@pytest.fixture(scope="module")
def fed() -> Iterator[Fed]:
    folder = Path(tempfile.mkdtemp(prefix="vb-"))  # short: a UNIX socket's path has 108 characters
    fed = Fed(folder)
    try:
        fed.await_(lambda: fed.socket.exists() and (fed.state / "checkpoints.jsonl").exists(), 60)
        fed.await_(lambda: fed.get("/readyz")[0] == 200, 60)
        yield fed
        assert fed.stop() == 0, fed.log
    finally:
        fed.process.kill()
        shutil.rmtree(folder)


def comes_and_goes(fed: Fed, code: str, provoke: Callable[[], object], mend: Callable[[], object]) -> None:
    told = fed.log.count("Now ")
    provoke()
    fed.await_(lambda: all(fed.seen(code).values()) and fed.log.count("Now ") > told)
    mend()
    fed.await_(lambda: not any(fed.seen(code).values()))
    fed.await_(lambda: f"over: {code}" in fed.log or f", {code}" in fed.log)


def hear(fed: Fed, block: bytes | None) -> Callable[[], None]:
    def change() -> None:
        fed.block = block

    return change


@pytest.mark.slow
@pytest.mark.parametrize(("code", "block"), [("low_level", FAINT), ("clipping", CLIPPED), ("no_frames", None)])
def test_what_the_input_does_is_seen_everywhere_and_gone_afterwards(fed: Fed, code: str, block: bytes | None) -> None:
    comes_and_goes(fed, code, hear(fed, block), hear(fed, MURMUR))


@pytest.mark.slow
def test_a_database_that_others_hold_makes_checkpoints_late_and_they_are_kept_afterwards(fed: Fed) -> None:
    with closing(sqlite3.connect(database_path(fed.state), isolation_level=None)) as other:
        before = len((fed.state / "checkpoints.jsonl").read_text().splitlines())
        other.execute("BEGIN EXCLUSIVE")
        fed.await_(lambda: "checkpoint_late" in fed.get("/readyz")[1])
        other.execute("ROLLBACK")
    fed.await_(lambda: not any(fed.seen("checkpoint_late").values()))
    lines = [json.loads(line) for line in (fed.state / "checkpoints.jsonl").read_text().splitlines()]
    assert len(lines) >= before + 5
    gaps = np.diff([line["monotonic_seconds"] for line in lines])
    assert max(abs(gaps - 1.0)) < 0.5
    assert sum(line["missed"] for line in lines) == 0
