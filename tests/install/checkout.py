"""A scratch copy of the set-up scripts, in which python, dpkg-query, apt-get, sudo and id are small stubs."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUBS = Path(__file__).parent / "stubs"
COPIED = (
    *("install.sh", "install", "pyproject.toml", "requirements", ".ci", "systemd", "config", "docs"),
    *("README.md", "LICENSE", "voicebridge/__init__.py"),
)
TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Checkout:
    """A scratch copy of the repository's scripts and the directory that its stubs read and write."""

    root: Path
    stubs: Path

    def environment(self, **more: str) -> dict[str, str]:
        own = {"STUBS": str(self.stubs), "HOME": "/nowhere", "VOICEBRIDGE_PREFIX": str(self.device)}
        return {"PATH": f"{self.stubs / 'bin'}:/usr/bin:/bin", **own, **more}

    @property
    def device(self) -> Path:
        """What stands for the root of a device's file system."""
        return self.stubs / "device"

    def run(
        self, *arguments: str, script: Path | None = None, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [script or self.root / "install.sh", *arguments],
            cwd=cwd or self.root,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "install.sh", *arguments],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def calls(self) -> list[str]:
        """What the stubs were called for since the last look."""
        record = self.stubs / "calls"
        calls = record.read_text().splitlines() if record.exists() else []
        record.unlink(missing_ok=True)
        return calls

    def say(self, name: str, *lines: str) -> None:
        """Tell the stubs something: what is installed, what fails, who we are."""
        (self.stubs / name).write_text("".join(f"{line}\n" for line in lines))


def interrupt(process: subprocess.Popen[str]) -> None:
    """Do what a terminal does at Ctrl-C: signal the whole group."""
    os.killpg(process.pid, signal.SIGINT)


TRY_PACKAGES = ("libportaudio2", "espeak-ng", "pocketsphinx-testdata")
TEST_PACKAGES = (
    *TRY_PACKAGES,
    "pulseaudio",
    "pulseaudio-utils",
    "libasound2-plugins",
    "sox",
    "strace",
    "shellcheck",
    "chromium",
    "chromium-driver",
)
