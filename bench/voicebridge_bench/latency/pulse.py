"""A PulseAudio server of our own, whose null sink serves as a microphone: what is played into it is heard."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from voicebridge.domain.errors import DeviceError
from voicebridge_bench.latency.child import bound_to_us

SINK = "room"
TOOLS = {
    "pulseaudio": "pulseaudio",
    "pactl": "pulseaudio-utils",
    "paplay": "pulseaudio-utils",
    "parec": "pulseaudio-utils",
}
"""Program and the Debian package that brings it."""
RATE = 48_000
"""As sound cards run."""
START_SECONDS = 20.0
STOP_SECONDS = 5.0
_ASOUNDRC = "pcm.default { type pulse }\nctl.default { type pulse }\n"


class SoundServer:
    """Runs the server. Raises DeviceError where there is none, or it does not start."""

    def __init__(self) -> None:
        if missing := [f"{tool} (package {package})" for tool, package in TOOLS.items() if shutil.which(tool) is None]:
            raise DeviceError(f"There is no {missing[0]}.", "Install it, or measure with --source paced.")
        self.folder = Path(tempfile.mkdtemp(prefix="vb-mic-"))  # short: a socket's path has at most 107 characters
        (self.folder / "asound.conf").write_text(_ASOUNDRC)
        self._children: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def environment(self) -> dict[str, str]:
        """Return what leads a process to it, through PulseAudio and through ALSA."""
        return {
            "ALSA_CONFIG_PATH": str(self.folder / "asound.conf"),
            "PULSE_COOKIE": str(self.folder / "cookie"),
            "PULSE_RUNTIME_PATH": str(self.folder),
            "PULSE_SERVER": f"unix:{self.folder / 'native'}",
            "XDG_RUNTIME_DIR": str(self.folder),
        }

    def run(self, call: Sequence[str], stdout: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """Start a program that belongs to it and ends with it."""
        child = subprocess.Popen(
            bound_to_us(call),
            env={**os.environ, **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._children.append(child)
        return child

    def close(self) -> None:
        """End it and what belongs to it."""
        for child in reversed(self._children):
            child.terminate()
        for child in reversed(self._children):
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        modules = (
            f"module-null-sink sink_name={SINK} rate={RATE} channels=2",
            f"module-native-protocol-unix auth-anonymous=1 socket={self.folder / 'native'}",
        )
        server = [
            "pulseaudio",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "-n",
            "--disable-shm=true",
            "--log-level=error",
        ]
        started = self.run([*server, *(f"--load={module}" for module in modules)])
        deadline = time.monotonic() + START_SECONDS
        environment = {**os.environ, **self.environment()}
        while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode:
            if started.poll() is not None or time.monotonic() > deadline:
                raise DeviceError("A PulseAudio server of our own does not start.", "Measure with --source paced.")
            time.sleep(0.1)
