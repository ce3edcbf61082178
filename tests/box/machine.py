"""A machine in a container: booted from an image with a fresh layer over it, thrown away at its end.

systemd-nspawn with --register=no and --keep-unit needs neither a running machined nor systemd outside. Commands enter
the container's namespaces with nsenter; they have the network, CLOCK_MONOTONIC and the cores of this machine.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.box.image import BUILD, ROOT, Image

T = TypeVar("T")
BOOT_SECONDS = 120.0
POLL_SECONDS = 0.02
RUNS = BUILD / "runs"
CGROUPS = [Path("/sys/fs/cgroup") / name for name in ("systemd", "unified", "memory")]
"""Of this machine (version 1): two that systemd inside uses for its units, one that limits."""
INTO_OWN_CGROUP = f"""
for hierarchy in {" ".join(map(str, CGROUPS))}; do
  [[ -d $hierarchy ]] && mkdir -p "$hierarchy/$1" && echo $$ >"$hierarchy/$1/cgroup.procs"
done
shift
exec "$@"
"""
"""With --keep-unit the group of the caller is the container's root; two containers in one would share their units."""
LEGACY_CGROUPS = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
"""systemd 256 and later refuses version 1 control groups unless this stands in its (the container's) command line."""
_pause = threading.Event()
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    rc: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Both outputs."""
        return self.stdout + self.stderr


class Box:
    """A booted Debian. A context manager; what is changed in it goes with it."""

    def __init__(
        self, image: Image, name: str, binds: Mapping[str, Path] | None = None, shared: Mapping[str, Path] | None = None
    ) -> None:
        """``binds`` are folders of this machine to be seen inside, read-only, by their place inside.

        Those that are ``shared`` may be written to.
        """
        sweep()
        self.image = image
        self._folder = RUNS / f"{name}-{os.getpid()}-{next(_numbers)}"
        self._folder.mkdir(parents=True)
        self._binds = {"/srv/tools": ROOT / "tests/box/tools", **(binds or {})}
        self._shared = dict(shared or {})
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.leader = 0
        """Its first process, as this machine numbers it."""

    @property
    def root(self) -> Path:
        """Its file system as its first process sees it; absolute symbolic links in it lead astray."""
        return Path(f"/proc/{self.leader}/root")

    def boot(self) -> "Box":
        """Boot, and return when systemd says that it is up."""
        self._mount()
        binds = [f"--bind-ro={outside}:{inside}" for inside, outside in self._binds.items()]
        binds += [f"--bind={outside}:{inside}" for inside, outside in self._shared.items()]
        # The container dies with us, however we end.
        command = ["setpriv", "--pdeathsig", "KILL", "bash", "-c", INTO_OWN_CGROUP, "bash", self._folder.name]
        command += ["systemd-nspawn", f"--directory={self._folder / 'root'}"]
        command += ["--boot", "--register=no", "--keep-unit", f"--machine={self._folder.name}", "--console=read-only"]
        command += ["--link-journal=no", "--resolv-conf=copy-host", "--quiet", *binds]
        with (self._folder / "console.log").open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*command, LEGACY_CGROUPS], stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )
        self.leader = self.wait_until(self._find_leader, "the container's first process", BOOT_SECONDS)
        self.wait_until(
            lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in {"running", "degraded"},
            "the end of the boot",
            BOOT_SECONDS,
        )
        return self

    def close(self) -> None:
        """Take it down at once and remove its layer."""
        if self._nspawn is not None:
            if self.leader and self._nspawn.poll() is None:
                os.kill(self.leader, signal.SIGKILL)
            self._nspawn.wait(30)
        _discard(self._folder)

    def __enter__(self) -> "Box":
        try:
            return self.boot()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self, *command: str, given: str | None = None, timeout: float = 60.0, check: bool = True, env: str = ""
    ) -> Done:
        """Run a command as root and wait for it; a status other than 0 is an error unless ``check`` is off.

        ``env`` holds assignments, separated by spaces. A single word with spaces is given to a shell.
        """
        done = subprocess.run(
            self.entering(*command, env=env),
            input=given,
            stdin=None if given is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        if check and result.rc:
            raise AssertionError(f"{command} ended with status {result.rc}:\n{result.text[-4000:]}")
        return result

    def popen(self, *command: str, env: str = "", **options: Any) -> "subprocess.Popen[str]":
        """Start a command as root."""
        return subprocess.Popen(self.entering(*command, env=env), text=True, **options)

    def entering(self, *command: str, env: str = "") -> list[str]:
        """Return the call of this machine that runs a command in the box."""
        if len(command) == 1 and " " in command[0]:
            command = ("bash", "-c", command[0])
        clean = ["env", "-i", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"]
        return ["nsenter", "--target", str(self.leader), "--all", "--", *clean, *env.split(), *command]

    def read(self, path: str) -> str:
        """Return a file's text."""
        return (self.root / path.lstrip("/")).read_text()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file and the folders above it."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def put(self, source: Path, path: str) -> None:
        """Copy a file or a folder of this machine into the box."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy(source, place)

    def exists(self, path: str) -> bool:
        """Say whether a file is there."""
        return self.run("test", "-e", path, check=False).rc == 0

    def systemctl(self, *words: str, check: bool = True, timeout: float = 120.0) -> Done:
        """Run systemctl."""
        return self.run("systemctl", *words, check=check, timeout=timeout)

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit."""
        lines = self.run("systemctl", "show", unit, f"--property={','.join(names)}").stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def cursor(self) -> str:
        """Return where the journal ends now."""
        return str(self.journal("-n", "1")[0]["__CURSOR"])

    def journal(self, *query: str, after: str = "") -> list[dict[str, Any]]:
        """Return entries of the journal, oldest first, as journalctl tells them in JSON; ``after`` is a cursor."""
        lines = self.run("journalctl", "--no-pager", "-o", "json", "--all", *query, check=False).stdout
        entries = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
        # Not with --after-cursor: systemd 252 then leaves out the first entry where there are matches, too.
        return [entry for entry in entries if not after or _number_of(entry["__CURSOR"]) > _number_of(after)]

    def wait_until(self, find: Callable[[], T | None], what: str, seconds: float = 60.0) -> T:
        """Wait until ``find`` returns something that is true, and return that."""
        deadline = time.monotonic() + seconds
        while True:
            if found := find():
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:g} s")
            if self._nspawn is not None and self._nspawn.poll() is not None:
                raise AssertionError(f"the container ended:\n{self._console()}")
            _pause.wait(POLL_SECONDS)

    def rest(self, seconds: float) -> None:
        """Let time pass: some faults have to last."""
        _pause.wait(seconds)

    def _mount(self) -> None:
        for part in ("upper", "work", "root"):
            (self._folder / part).mkdir()
        layers = f"lowerdir={self.image.make()},upperdir={self._folder / 'upper'},workdir={self._folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self._folder / "root")], check=True)
        for inside in (*self._binds, *self._shared):
            (self._folder / "root" / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for word in children.read_text().split() if children.exists() else ():
            if Path(f"/proc/{word}/comm").read_text().strip() == "systemd":
                return int(word)
        return 0

    def _console(self) -> str:
        return (self._folder / "console.log").read_text(errors="replace")[-3000:]


def sweep() -> None:
    """Remove what runs that were killed left behind."""
    for folder in RUNS.glob("*-*-*") if RUNS.is_dir() else ():
        owner = folder.name.split("-")[-2]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            _discard(folder)


def _discard(folder: Path) -> None:
    for hierarchy in CGROUPS:
        for place in sorted((hierarchy / folder.name).glob("**/"), reverse=True):
            subprocess.run(["rmdir", str(place)], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["umount", "--lazy", str(folder / "root")], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)


def _number_of(cursor: str) -> int:
    """Return the sequence number in a cursor."""
    return int("0x" + cursor.split("i=")[1].split(";", maxsplit=1)[0], 0)


def monotonic_of(entry: Mapping[str, Any]) -> float:
    """Return when journald took an entry, in seconds of CLOCK_MONOTONIC, which is one for box and machine."""
    return int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6


def lines_of(text: str) -> Sequence[str]:
    """Return the lines that hold something."""
    return [line for line in text.splitlines() if line.strip()]
