"""Where a soaked daemon lives: directory, settings and environment of its own. Nothing of the owner's is touched."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from voicebridge.settings import paths
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.soak import inside
from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.profiles import Profile

LOG_NAME = "daemon.log"
ANCHOR_SECONDS = 60.0
COMPILE_SECONDS = 60.0
RUNTIME_PREFIX = "voicebridge-soak-"
_FOREIGN = ("VOICEBRIDGE", "XDG_", "VB_SOAK", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG")
_INSIDE = Path(inside.__file__).parent


@dataclass(frozen=True, slots=True)
class Home:
    """The places of one soaked daemon."""

    folder: Path
    runtime: Path
    """For its sockets, whose names may not be long; goes with the harness."""

    @property
    def state(self) -> Path:
        """Its state directory."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """Its log."""
        return self.folder / LOG_NAME

    @property
    def database(self) -> Path:
        """Its database."""
        return paths.database_path(self.state)

    @property
    def control(self) -> Path:
        """Its control socket."""
        return paths.control_paths(self.state, {"XDG_RUNTIME_DIR": str(self.runtime)})[0]

    def leave(self) -> None:
        """Delete what is of no use once the harness has ended."""
        shutil.rmtree(self.runtime, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Way:
    """How the daemon is started."""

    home: Home
    settings: Mapping[str, str]
    paced: bool
    environment: Mapping[str, str]

    def call(self) -> list[str]:
        """Return the command line."""
        words = [sys.executable, "-m", "voicebridge", "--config", str(self.home.folder / "soak.toml")]
        words += ["--state-dir", str(self.home.state)]
        for name, value in self.settings.items():
            words += ["--set", f"{name}={value}"]
        return [*words, "run", "--stdin", "--json", *(["--realtime"] if self.paced else [])]


def make_home(folder: Path) -> Home:
    """Make the places below a folder, or find them again."""
    folder.mkdir(parents=True, exist_ok=True)
    # Instead of the system's and the user's.
    (folder / "soak.toml").touch()
    note = folder / "runtime"
    _remove_left(note)
    home = Home(folder, Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX)))
    note.write_text(str(home.runtime), encoding="utf-8")
    return home


def _remove_left(note: Path) -> None:
    """Delete the runtime directory of a harness that died."""
    with suppress(OSError):
        left = Path(note.read_text(encoding="utf-8"))
        if left.parent == Path(tempfile.gettempdir()) and left.name.startswith(RUNTIME_PREFIX):
            shutil.rmtree(left, ignore_errors=True)


def settings_of(profile: Profile, home: Home, checkpoint_seconds: float) -> dict[str, str]:
    """Return the settings of a soaked daemon; everything else is at its default."""
    engine: dict[str, str] = {"engine.kind": profile.load.engine}
    if profile.load.engine == "whisper":
        engine["whisper.model"] = str(WHISPER_COMMANDS)
    return {
        **engine,
        "health.interval_seconds": f"{checkpoint_seconds:g}",
        "health.heap": "true",
        "health.anchor_seconds": f"{ANCHOR_SECONDS:g}",
        "http.bind": f"unix:{home.runtime / 'http'}",
        "log.format": "plain",
        **profile.settings,
    }


def environment_of(home: Home, orders: bool, planted: str = "") -> tuple[dict[str, str], str]:
    """Return the environment of a soaked daemon, and why the clock and the disk cannot be troubled, if so.

    ``orders`` lets the soak trouble it from inside; without it nothing of ours is in the process.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    environment |= {"XDG_RUNTIME_DIR": str(home.runtime), "XDG_CONFIG_HOME": str(home.folder / "none")}
    if planted:
        environment["VB_SOAK_PLANTED"] = planted
    if orders or planted:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_INSIDE), os.environ.get("PYTHONPATH", ""))))
    if not orders:
        return environment, ""
    environment |= {"VB_SOAK_ORDERS": str(orders_path(home)), "VB_SOAK_STATE": str(home.state.absolute())}
    Orders(orders_path(home)).withdraw()
    shim = home.runtime / "shim.so"
    trouble = _compile(shim)
    if not trouble:
        environment["LD_PRELOAD"] = " ".join(filter(None, (str(shim), os.environ.get("LD_PRELOAD", ""))))
    return environment, trouble


def orders_path(home: Home) -> Path:
    """Return the file through which the soak orders trouble."""
    return home.runtime / "orders"


def _compile(shim: Path) -> str:
    """Build the shim; return why it cannot be built, or nothing."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return "there is no C compiler"
    call = [compiler, "-shared", "-fPIC", "-O2", "-o", str(shim), str(_INSIDE / "shim.c"), "-ldl"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{compiler} does not run: {error}"
    return "" if done.returncode == 0 else f"{compiler} says: {done.stderr.strip()[:200]}"
