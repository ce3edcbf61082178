"""A forgetful disk, mounted on this machine; a box may have it bound in."""

import subprocess
import sys
import time
from pathlib import Path
from threading import Event

from tests.box.image import ROOT

MOUNT_SECONDS = 20.0


class ForgetfulDisk:
    """A context manager: mounted while it is entered."""

    def __init__(self, mountpoint: Path, holds: Path | None = None) -> None:
        self.mountpoint = mountpoint
        self._holds = [str(holds)] if holds else []
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> "ForgetfulDisk":
        self.mountpoint.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.box.tools.mount_disk", str(self.mountpoint), *self._holds]
        self._server = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1
        )
        deadline, pause = time.monotonic() + MOUNT_SECONDS, Event()
        while not self.mountpoint.is_mount():
            assert self._server.poll() is None, "the forgetful disk could not be mounted: is there /dev/fuse?"
            assert time.monotonic() < deadline, "the forgetful disk was not mounted in time"
            pause.wait(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        subprocess.run(["umount", "--lazy", str(self.mountpoint)], check=False)
        # Killed, not asked: another box that was booted meanwhile holds a copy of the mount, and the server with it.
        self._server.kill()
        self._server.communicate()

    def tell(self, command: str) -> str:
        """Give it a command, and return its answer."""
        assert self._server is not None
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(command + "\n")
        return self._server.stdout.readline().strip()
