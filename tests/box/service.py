"""The Voicebridge service in a box: installed, watched and read from outside."""

import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.box.image import ROOT
from tests.box.machine import Box, monotonic_of
from tests.box.sound import MICROPHONE, SOCKET
from tests.box.threads import PY_SPY

UNIT = "voicebridge.service"
STATE = "/var/lib/voicebridge"
DATABASE = f"{STATE}/voicebridge.db"
CONFIG = "/etc/voicebridge/voicebridge.toml"
DROP_INS = f"/run/systemd/system/{UNIT}.d"
CHECKOUT = "/srv/checkout"
MODEL = ROOT / "bench/voicebridge_bench/models/whisper-commands"
MODEL_NAME = MODEL.name
INSTALL_SECONDS = 600.0
SETTINGS = {
    "audio.device": MICROPHONE,
    "health.status_seconds": "0.5",
    "engine.kind": "whisper",
    "whisper.model": MODEL_NAME,
    "gate.avg_logprob": "-10",
}
"""Beside what the installer wrote. The gate must not decide whether a command counts as announced."""


def put_checkout(box: Box, place: str = CHECKOUT) -> None:
    """Copy the working tree, as git sees it, into a box."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).exists()]
    with tempfile.NamedTemporaryFile(suffix=".tar") as packed:
        with tarfile.open(packed.name, "w") as tar:
            for name in names:
                tar.add(ROOT / name, arcname=name, filter=_of_root)
        box.put(Path(packed.name), "/srv/checkout.tar")
    box.run(f"mkdir -p {place} && tar -xf /srv/checkout.tar -C {place} && rm /srv/checkout.tar")


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


class Service:
    """The installed service."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self._settings_changed = False

    def install(self) -> float:
        """Install it as an operator does, with the sound server of the box; returns how many seconds that took."""
        put_checkout(self.box)
        began = time.monotonic()
        model = f"{CHECKOUT}/{MODEL.relative_to(ROOT)}"
        self.box.run(
            f"cd {CHECKOUT} && ./install.sh --sound pulse:{SOCKET} --model {model} >/var/log/install.log 2>&1"
            " || { cat /var/log/install.log; exit 1; }",
            timeout=INSTALL_SECONDS,
        )
        took = time.monotonic() - began
        self._prepare()
        return took

    def _prepare(self) -> None:
        """Let the service see the named microphone of the suite beside what the installer shows it, for the decoy."""
        self.box.write(
            f"/etc/systemd/system/{UNIT}.d/box.conf", "[Service]\nEnvironment=ALSA_CONFIG_PATH=/etc/asound.conf\n"
        )
        self.box.systemctl("daemon-reload")
        self.box.put(Path(sys.executable).parent / "py-spy", PY_SPY)

    # -- what it is told

    def set(self, **settings: str) -> None:
        """Set settings (``section__name``), on top of those of the suite, for the next start or reload."""
        self._settings_changed = bool(settings)
        chosen = SETTINGS | {name.replace("__", "."): value for name, value in settings.items()}
        sections: dict[str, list[str]] = {}
        for name, value in chosen.items():
            section, key = name.split(".")
            sections.setdefault(section, []).append(f"{key} = {_toml(value)}")
        lines = [line for section, keys in sections.items() for line in (f"[{section}]", *keys)]
        self.box.write(CONFIG, "\n".join(lines) + "\n")

    @property
    def disturbed(self) -> bool:
        """True when a test has left settings or a drop-in behind."""
        return self._settings_changed or self.box.exists(DROP_INS)

    def drop_in(self, name: str, text: str) -> None:
        """Add lines to the unit until the next ``put_right``."""
        self.box.write(f"{DROP_INS}/{name}.conf", text)
        self.box.systemctl("daemon-reload")

    def start(self) -> None:
        """Start it and wait for READY."""
        self.box.systemctl("reset-failed", UNIT, check=False)
        self.box.systemctl("start", UNIT)

    def restart(self) -> None:
        """Stop it in order, and start it again."""
        self.box.systemctl("reset-failed", UNIT, check=False)
        self.box.systemctl("restart", UNIT)

    def stop(self) -> None:
        """Stop it in order."""
        self.box.systemctl("stop", UNIT)

    def command(self, *words: str, check: bool = True, timeout: float = 60.0) -> str:
        """Run a voicebridge command as root; returns its output."""
        return self.box.run("voicebridge", *words, check=check, timeout=timeout).stdout

    # -- how it is

    @property
    def pid(self) -> int:
        """Its main process as the box numbers it, or 0."""
        return int(self.box.properties(UNIT, "MainPID").get("MainPID", "0"))

    @property
    def restarts(self) -> int:
        """How often systemd has restarted it by itself."""
        return int(self.box.properties(UNIT, "NRestarts")["NRestarts"])

    @property
    def active(self) -> bool:
        """True when systemd calls it active: READY came, and it has not ended."""
        return self.box.properties(UNIT, "ActiveState", "SubState") == {"ActiveState": "active", "SubState": "running"}

    @property
    def ready_monotonic(self) -> float:
        """When READY came last, in seconds of CLOCK_MONOTONIC."""
        return int(self.box.properties(UNIT, "ActiveEnterTimestampMonotonic")["ActiveEnterTimestampMonotonic"]) / 1e6

    def status(self) -> dict[str, Any]:
        """Return the status that it wrote last; empty when there is none."""
        for folder in ("run/voicebridge", STATE.lstrip("/")):
            for path in (self.box.root / folder).glob("*status*.json"):
                try:
                    content = json.loads(path.read_text())
                except (OSError, ValueError):
                    continue
                if isinstance(content, dict):
                    return content
        return {}

    def wait_status(self, good: Callable[[dict[str, Any]], bool], what: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until a status of the present process is good, and return it."""
        pid = 0

        def find() -> dict[str, Any] | None:
            nonlocal pid
            status = self.status()
            if not status:
                return None
            if status.get("pid") != pid:
                pid = self.pid
            return status if status.get("pid") == pid and good(status) else None

        try:
            return self.box.wait_until(find, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the status is {self.status()}") from None

    def wait_hearing(self, seconds: float = 60.0, engine: str = "ready") -> dict[str, Any]:
        """Wait until audio arrives and the engine is in a state."""
        return self.wait_status(
            lambda status: (
                status["state"] in {"hearing", "degraded"}
                and status["heard_seconds"] > 0
                and status["engine_state"] == engine
            ),
            "hearing",
            seconds,
        )

    def wait_ready_after(self, moment: float, seconds: float = 60.0) -> float:
        """Wait for a READY that is younger than a moment of CLOCK_MONOTONIC; returns how long after it that was."""
        return self.box.wait_until(lambda: self._ready_after(moment), "READY", seconds)

    def _ready_after(self, moment: float) -> float | None:
        age = self.ready_monotonic - moment
        return age if age > 0 and self.active else None

    # -- what it says and stores

    def events(self, *kinds: str, after: str = "") -> list[dict[str, Any]]:
        """Return its journal entries of some kinds (VB_EVENT)."""
        return self.box.journal(*(f"VB_EVENT={kind}" for kind in kinds), after=after)

    def wait_event(self, kind: str, after: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait for a journal entry of a kind after a cursor, and return it."""
        return self.box.wait_until(lambda: self.events(kind, after=after), f"the event {kind}", seconds)[0]

    def seconds_until(self, kind: str, after: str, moment: float, seconds: float = 60.0) -> float:
        """Wait for an entry, and return how long after a moment of CLOCK_MONOTONIC it came."""
        return monotonic_of(self.wait_event(kind, after, seconds)) - moment

    def announced(self, after: str = "") -> list[int]:
        """Return the utterances that the journal tells as transcribed."""
        return [
            int(entry["VB_UTTERANCE"]) for entry in self.events("utterance", after=after) if "VB_UTTERANCE" in entry
        ]

    def wait_announced(self, more: int, after: str, seconds: float = 60.0) -> list[int]:
        """Wait until so many were announced after a cursor."""

        def find() -> list[int] | None:
            told = self.announced(after)
            return told if len(told) >= more else None

        return self.box.wait_until(find, f"{more} transcribed utterances", seconds)

    def lost(self, after: str = "") -> list[int]:
        """Return the announced utterances that the database does not hold as settled."""
        announced = self.announced(after)  # before the database is read: it goes on hearing meanwhile
        settled = {row["id"] for row in self.query("SELECT id FROM utterances WHERE status != 'pending'")}
        return [number for number in announced if number not in settled]

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask its database, read-only, from inside: SQLite does not follow the way to it from outside."""
        told = self.box.run("sqlite3", "-readonly", "-json", "-cmd", ".timeout 10000", DATABASE, sql).stdout
        rows: list[dict[str, Any]] = json.loads(told) if told.strip() else []
        return rows

    def newest(self, table: str) -> int:
        """Return the highest id of a table, or 0."""
        return int(self.query(f"SELECT coalesce(max(id), 0) AS id FROM {table}")[0]["id"])

    def gaps_after(self, number: int) -> list[dict[str, Any]]:
        """Return the gaps with a higher id."""
        return self.query(f"SELECT * FROM gaps WHERE id > {number} ORDER BY id")

    def put_right(self) -> None:
        """Take all drop-ins and settings of a test away and have it hearing again."""
        self.box.run("rm", "-rf", DROP_INS)
        self.box.systemctl("daemon-reload")
        self.set()
        self.restart()
        self.wait_hearing()


def _toml(value: str) -> str:
    plain = value in {"true", "false"} or value.replace(".", "", 1).lstrip("-").isdigit()
    return value if plain else json.dumps(value)
