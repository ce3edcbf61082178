"""A private PulseAudio server whose null sink serves as a microphone: what is played into it is heard."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

SINK = "room"
TOOLS = {
    "pulseaudio": "pulseaudio",
    "pactl": "pulseaudio-utils",
    "paplay": "pulseaudio-utils",
    "parec": "pulseaudio-utils",
}
"""Program and the Debian package that brings it."""
START_SECONDS = 10.0
ASOUNDRC = f"""
pcm.default {{ type pulse }}
ctl.default {{ type pulse }}
pcm.kitchen {{ type pulse device "{SINK}.monitor" }}
pcm.kitchen_window {{ type pulse device "{SINK}.monitor" }}
"""
"""All that ALSA, and through it PortAudio, gets to see: three names of the null sink's monitor."""


class PulseServer:
    """Runs the server; ``environment`` leads a process to it, through PulseAudio and through ALSA."""

    def __init__(self, rate: int = 48_000, pipe: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vb-pulse-"))  # short: a socket's path has at most 107 characters
        self.pipe = self.folder / (pipe or "no-pipe")
        """What is written into it is heard from the source of its name, if one was asked for: 16 kHz, mono."""
        self._rate = rate
        self._piped = bool(pipe)
        self._server: subprocess.Popen[bytes] | None = None
        self._awake: subprocess.Popen[bytes] | None = None
        (self.folder / "asound.conf").write_text(ASOUNDRC)

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, led to the server."""
        own = {
            "ALSA_CONFIG_PATH": str(self.folder / "asound.conf"),
            "HOME": str(self.folder),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PULSE_SERVER": f"unix:{self.folder / 'native'}",
            "XDG_RUNTIME_DIR": str(self.folder),
        }
        return {**os.environ, **own}

    @property
    def running(self) -> bool:
        """True while the server and what keeps its sink awake run."""
        return all(process is not None and process.poll() is None for process in (self._server, self._awake))

    def start(self) -> None:
        """Start the server and keep its sink awake: one that idles gives its first data after seconds."""
        for tool, package in TOOLS.items():
            if shutil.which(tool) is None:
                pytest.fail(f"{tool} is not installed: apt install {package}")
        modules = [
            f"module-null-sink sink_name={SINK} rate={self._rate} channels=2",
            f"module-native-protocol-unix auth-anonymous=1 socket={self.folder / 'native'}",
        ]
        if self._piped:
            self.pipe.unlink(missing_ok=True)
            source = f"source_name={self.pipe.name} file={self.pipe} format=s16le rate=16000 channels=1"
            modules.insert(0, f"module-pipe-source {source}")
        server = [
            "pulseaudio",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "-n",
            "--disable-shm=true",
            "--log-level=error",
        ]
        self._server = self._quietly([*server, *(f"--load={module}" for module in modules)])
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            if self._server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the private PulseAudio server did not start")
        listen = ["parec", "--latency-msec=20", f"--device={SINK}.monitor"]
        self._awake = self._quietly(listen)
        with subprocess.Popen(listen, env=self.environment, stdout=subprocess.PIPE) as first:
            assert first.stdout is not None
            first.stdout.read(1)  # it is awake once the first audio has come
            first.kill()

    def play(self, path: Path) -> None:
        """Play a file into the sink; returns when it was played."""
        subprocess.run(["paplay", f"--device={SINK}", str(path)], env=self.environment, check=True, timeout=120)

    def load(self, sink: str) -> None:
        """Add a null sink, and with its monitor a source."""
        self._pactl("load-module", "module-null-sink", f"sink_name={sink}", f"rate={self._rate}", "channels=2")

    def unload(self, sink: str) -> None:
        """Take a null sink and its monitor away; who hears it is led to another source, if there is one."""
        for line in self._pactl("list", "modules", "short").splitlines():
            index, _, arguments = line.partition("\t")
            if f"sink_name={sink} " in f"{arguments} ":
                self._pactl("unload-module", index)

    def move_streams(self, source: str) -> None:
        """Lead all streams that record to another source, as a person does with a mixer."""
        for line in self._pactl("list", "source-outputs", "short").splitlines():
            self._pactl("move-source-output", line.split("\t")[0], source)

    def make_default(self, source: str) -> None:
        """Make a source the one that those hear who name none."""
        self._pactl("set-default-source", source)

    def _pactl(self, *arguments: str) -> str:
        return subprocess.run(
            ["pactl", *arguments], env=self.environment, capture_output=True, text=True, check=True, timeout=20
        ).stdout

    def kill(self) -> None:
        """Take the server, and with it the microphone, away at once."""
        for process in (self._server, self._awake):
            if process is not None:
                process.kill()
                process.wait()
        (self.folder / "native").unlink(missing_ok=True)
        (self.folder / "pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let the server hang, as a stuck one does."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and clean up."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _quietly(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
