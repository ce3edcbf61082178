"""Whether the service is installed, and how systemd sees it."""

import shutil
import subprocess
from collections.abc import Mapping

from voicebridge.daemon.checks.finding import Finding, ok, warning

NAME = "service"
UNIT = "voicebridge.service"
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "StatusText")
_ANSWER_SECONDS = 5.0


def service(program: str = "systemctl") -> Finding:
    """Look at the unit."""
    return judge_service(properties(program))


def properties(program: str = "systemctl") -> Mapping[str, str] | None:
    """Return what systemd says of the unit; None where there is no systemd to ask."""
    path = shutil.which(program)
    if path is None:
        return None
    call = [path, "show", UNIT, f"--property={','.join(_PROPERTIES)}"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed call
            call, capture_output=True, text=True, errors="replace", timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def judge_service(said: Mapping[str, str] | None) -> Finding:
    """Say whether the service does what it should."""
    if said is None:
        return ok(NAME, "systemd cannot be asked here")
    if said.get("LoadState") != "loaded":
        return ok(NAME, "not installed (`sudo ./install.sh` installs it)")
    active, enabled = said.get("ActiveState", "unknown"), said.get("UnitFileState") or "unknown"
    restarts = said.get("NRestarts", "0")
    found = f"{active} ({said.get('SubState', '')}), {enabled}"
    found += f", started again {restarts} times" if restarts not in ("0", "") else ""
    if active == "failed":
        return warning(NAME, found, "See why: `journalctl -u voicebridge -n 50`; then `systemctl restart voicebridge`.")
    if active not in ("active", "reloading"):
        return warning(NAME, found, "Start it: `sudo systemctl enable --now voicebridge`.")
    if enabled not in ("enabled", "enabled-runtime", "static", "linked"):
        return warning(NAME, found, "It does not start with the machine: `sudo systemctl enable voicebridge`.")
    return ok(NAME, found + (f": {said['StatusText']}" if said.get("StatusText") else ""))
