"""Images of Debian, made with debootstrap and kept under build/box/: one for each recipe."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
BUILD = ROOT / "build" / "box"
MIRROR = "http://deb.debian.org/debian"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Those of this machine: behind a proxy that signs for others, its authority is here and not in Debian's package."""
PACKAGES = """
systemd systemd-sysv libpam-systemd dbus adduser ca-certificates procps psmisc iproute2 curl util-linux mount less sudo
python3 python3-venv python3-dev gcc libc6-dev pkg-config libsystemd-dev
libportaudio2 libasound2-plugins pulseaudio pulseaudio-utils espeak-ng sqlite3 strace polkitd
"""
"""A small server with what the installer would fetch, so that a run needs no package from the network."""


@dataclass(frozen=True, slots=True)
class Image:
    """A Debian release with our packages, as a folder that is only ever read."""

    suite: str

    @property
    def packages(self) -> list[str]:
        """What is installed in it."""
        return PACKAGES.split()

    @property
    def path(self) -> Path:
        """Where it is, or will be."""
        recipe = " ".join([self.suite, MIRROR, *self.packages])
        return BUILD / "images" / f"{self.suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"

    def make(self) -> Path:
        """Return its folder; makes it first where it is not there yet (about two minutes)."""
        with locked(BUILD / "images" / ".lock"):
            if not self.path.is_dir():
                self._debootstrap()
        return self.path

    def _debootstrap(self) -> None:
        partial = self.path.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        include = ",".join(self.packages)
        with (BUILD / f"debootstrap-{self.suite}.log").open("w") as log:
            subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={include}", self.suite, str(partial), MIRROR],
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )
        settle(partial)
        partial.rename(self.path)


def settle(root: Path) -> None:
    """Make an image fit for its use: certificates, no archives, no timers of apt that get in the way."""
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
    (root / "usr/local/share/ca-certificates").mkdir(parents=True, exist_ok=True)
    shutil.copy(CERTIFICATES, root / "etc/ssl/certs/ca-certificates.crt")
    (root / "etc/pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\nfind-links = /srv/wheels\n")
    (root / "etc/machine-id").write_text("")
    for timer in ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim", "man-db"):
        (root / f"etc/systemd/system/{timer}.timer").symlink_to("/dev/null")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let nobody else make the same meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
