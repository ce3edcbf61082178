"""A daemon that is a process of its own, all around it that makes it degraded, and the clock that measures that."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.system.places import Journal, Places
from voicebridge.domain.audio import Samples
from voicebridge.store.checkpoints import FILE_NAME
from voicebridge_bench.models import WHISPER_COMMANDS

TOOLS = Path(__file__).parents[1] / "box" / "tools"
WITHIN_SECONDS = 10.0
START_SECONDS = 60.0
BLOCK_SECONDS = 0.04
BLOCK_SAMPLES = 640
POLL_SECONDS = 0.1
TRIES = 5
MURMUR = (200 * np.sin(np.arange(BLOCK_SAMPLES) * 2 * np.pi * 100 / 16_000)).astype("<i2").tobytes()
"""What is heard when nothing is wrong."""
SETTINGS: Mapping[str, str | float | bool] = {
    "engine.kind": "whisper",
    "whisper.model": str(WHISPER_COMMANDS),
    "health.interval_seconds": 1,
    "health.status_seconds": 0.5,
    "log.format": "journald",
    "log.burst": 200,
}
"""What all of them have: a checkpoint each second, and logs that go to journald's socket."""
OWN = 'mount --bind "$1/run" /run; mount --bind "$1/class" /sys/class; shift; exec "$@"'
"""The daemon's own view of journald's socket and of the sensors of the machine."""


class Voice:
    """Feeds the descriptor that it is given, at the pace of time; nothing while ``block`` is None."""

    def __init__(self, descriptor: int) -> None:
        self.block: bytes | None = MURMUR
        self.pace = 1.0
        self._descriptor = descriptor
        self._speech: list[bytes] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)
        os.set_blocking(descriptor, False)
        self._thread.start()

    def say(self, *recordings: Samples) -> None:
        """Speak each of them, with a pause after it."""
        for recording in recordings:
            whole = recording[: len(recording) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
            self._speech += [block.astype("<i2").tobytes() for block in whole] + [MURMUR] * 30

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _feed(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1.0) + BLOCK_SECONDS / self.pace
            block = self._speech.pop(0) if self._speech else self.block
            if block is not None:
                # Nobody may read just now, which is what a full buffer loses, or any more.
                with suppress(BlockingIOError, BrokenPipeError):
                    os.write(self._descriptor, block)


class Provoked:
    """`voicebridge run` in a folder: its settings can be changed, its engine and its machine be made to fail."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str | float | bool],
        source: tuple[str, ...] = ("--stdin", "--realtime"),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = {**SETTINGS, "http.bind": f"127.0.0.1:{self.port}", **settings}
        self.sensor = folder / "class" / "hwmon" / "hwmon0"
        self.fault = folder / "engine-fault"
        self._source = source
        self._environment = {
            **environment,
            "PYTHONPATH": str(TOOLS / "engine_faults"),
            "ENGINE_FAULT": str(self.fault),
        }
        self.sensor.mkdir(parents=True)
        (self.sensor / "name").write_text("cpu\n")
        self.heat(40)
        self.state = folder / "state"
        self.journal = Journal(folder / "run" / "systemd" / "journal" / "socket")
        self.places = Places(self.state, self.port, self.journal, self._environment)
        self._write_settings()
        self.start()

    def start(self) -> None:
        """Start it; a second time after it has ended, too."""
        # What the process before this one told is no news of this one.
        self.journal.standing.clear()
        with suppress(FileNotFoundError):
            (self.state / FILE_NAME).rename(self.state / "checkpoints.before")
        own = ["unshare", "--mount", "sh", "-ec", OWN, "sh", str(self.folder)]
        call = [sys.executable, "-m", "voicebridge", "-c", str(self._config), "--state-dir", str(self.state)]
        with (self.folder / "errors").open("ab") as errors:
            self.process = subprocess.Popen(
                [*own, *call, "run", *self._source, "--quiet"],
                stdin=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                bufsize=0,
            )
        assert self.process.stdin is not None
        self.voice = Voice(os.dup(self.process.stdin.fileno())) if self._source else None

    def wait_until_ready(self, ready: Callable[[bool, set[str]], bool] = lambda ready, _: ready) -> None:
        """Wait until it is served and ready, or what else is asked of readiness and reasons."""

        def so() -> bool:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)):
                    return False
            return ready(*self.places.readiness())

        self.await_(so, START_SECONDS)

    def answers(self) -> bool:
        """Say whether it is up, as /healthz does, within two seconds."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)) as connection:
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
            except TimeoutError:
                return False

    def stop(self) -> int:
        """End it as systemd does; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self._end()

    def close(self) -> None:
        """Clean up, whatever has happened."""
        self._end()
        self.journal.close()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.voice is not None:
            self.voice.stop()
            self.voice = None
        assert self.process.stdin is not None
        self.process.stdin.close()

    def change(self, **settings: str | float | bool) -> None:
        """Change settings (``section__name``) in its file, and have it read them again."""
        self.settings |= {name.replace("__", "."): value for name, value in settings.items()}
        self._write_settings()
        self.process.send_signal(signal.SIGHUP)

    def heat(self, celsius: int) -> None:
        """Let its sensor of temperature show this; it calls 90 degrees too hot."""
        for name, value in (("input", celsius), ("max", 90), ("crit", 90)):
            (self.sensor / f"temp1_{name}").write_text(f"{value * 1000}\n")

    def await_(self, good: Callable[[], bool], seconds: float) -> float:
        """Wait until something is so, and return how long it took."""
        began, pause = time.monotonic(), threading.Event()
        while not good():
            assert self.process.poll() is None, self.told
            assert time.monotonic() - began < seconds, self.told
            pause.wait(POLL_SECONDS)
        return time.monotonic() - began

    @property
    def told(self) -> str:
        """What it has logged, for a test that fails."""
        return f"{self.journal.text}\n{(self.folder / 'errors').read_text(errors='replace')}"

    def comes(self, since: float, **after_seconds: float) -> None:
        """Wait until reasons are seen in all places at once, each within ten seconds of its being true.

        ``after_seconds`` says by code how long after ``since`` that is.
        """
        self._follow(since, after_seconds, "told", lambda seen, code: all(code in codes for codes in seen.values()))

    def goes(self, since: float, **after_seconds: float) -> None:
        """Wait until reasons are seen in no place any more, likewise."""
        self._follow(since, after_seconds, "gone", lambda seen, code: not any(code in at for at in seen.values()))

    def _follow(
        self,
        since: float,
        after_seconds: Mapping[str, float],
        word: str,
        good: Callable[[dict[str, set[str]], str], bool],
    ) -> None:
        left, pause = dict(after_seconds), threading.Event()
        while left:
            assert self.process.poll() is None, self.told
            seen = self.places.seen()
            took = time.monotonic() - since
            for code in [code for code in left if good(seen, code)]:
                print(f"{code}: {word} everywhere after {took - left.pop(code):.1f} s")
            late = [code for code, after in left.items() if took - after > WITHIN_SECONDS]
            assert not late, f"{late} not {word} in time, but {seen}\n{self.told}"
            pause.wait(POLL_SECONDS)

    def comes_and_goes(self, provoke: Callable[[], object], mend: Callable[[], object], **after_seconds: float) -> None:
        """Provoke reasons, see each everywhere, mend what was done, and see them gone."""
        since = time.monotonic()
        provoke()
        self.comes(since, **after_seconds)
        since = time.monotonic()
        mend()
        self.goes(since, **dict.fromkeys(after_seconds, 0.0))

    @property
    def _config(self) -> Path:
        return self.folder / "voicebridge.toml"

    def _write_settings(self) -> None:
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in self.settings.items()]
        self._config.write_text("".join(lines))


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_root() -> None:
    """Skip where a process cannot have a machine of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a process its own mounts")


def thread_ids(pid: int) -> dict[str, int]:
    """Return the threads of a process by their Python names."""
    spy = Path(sys.executable).with_name("py-spy")
    told = subprocess.run([spy, "dump", "--json", "--pid", str(pid)], capture_output=True, check=True).stdout
    return {thread["thread_name"]: thread["os_thread_id"] for thread in json.loads(told) if thread["thread_name"]}


@contextmanager
def frozen(daemon: Provoked, thread: str) -> Iterator[None]:
    """Hold a thread as if it hung; one that has Python's lock, without which no other runs, is caught anew."""
    thread_id = thread_ids(daemon.process.pid)[thread]
    for _ in range(TRIES):
        with held(thread_id):
            if daemon.answers():
                yield
                return
    raise AssertionError(f"{thread} was never caught without the lock")


@contextmanager
def held(thread_id: int) -> Iterator[None]:
    """Hold a thread in the middle of whatever it does."""
    call = [sys.executable, str(TOOLS / "freeze_thread.py"), str(thread_id)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "frozen\n"
        try:
            yield
        finally:
            holder.communicate(timeout=30)


def first_free_descriptor(pid: int) -> int:
    """Return the lowest number under which a process has no file open."""
    taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return next(number for number in range(len(taken) + 1) if number not in taken)
