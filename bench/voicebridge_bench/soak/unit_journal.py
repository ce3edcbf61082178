"""What a service that runs has logged: the lines of error of its unit, from the system's journal."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_LINES = 1000
"""The newest so many lines of error of this boot are looked at."""
READ_SECONDS = 60.0
_UNIT = re.compile(r"[\w@:.\\-]+\.service")
"""What systemd allows in a unit's name."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service, of the system's or of a user's manager."""

    name: str
    of_user: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line of error, at a moment of CLOCK_MONOTONIC."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found; ``fault`` says why it could not be read."""

    lines: Sequence[Line] = ()
    fault: str = ""


def unit_of(pid: int, proc: Path = Path("/proc")) -> Unit | None:
    """Return the service that a process belongs to, by its control group; None for one of no service."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in groups:
        number, controllers, group = [*line.split(":", 2), "", ""][:3]
        name = group.rpartition("/")[2]
        if (number == "0" or controllers == "name=systemd") and _UNIT.fullmatch(name):
            return Unit(name, "/user@" in group and not name.startswith("user@"))
    return None


def errors_of(unit: Unit | None, since: float, command: str = "journalctl") -> Reading:
    """Read the lines of error that a unit has logged since a moment of CLOCK_MONOTONIC.

    A user who may not read it sees an empty journal: one that has not a single line of this unit counts as not read.
    """
    if unit is None:
        return Reading(fault="the process belongs to no service")
    call = [command, "--user-unit" if unit.of_user else "--unit", unit.name]
    call += ["--boot", "--output", "json", "--quiet", "--no-pager"]
    try:
        if not _entries([*call, "--lines", "1"]):
            return Reading(fault=f"no line of {unit.name} is to be seen, perhaps not for this user")
        found = _entries([*call, "--lines", str(MOST_LINES), "--priority", "err"])
    except (OSError, subprocess.SubprocessError) as error:
        return Reading(fault=_told(error))
    lines = [line for entry in found if (line := _line_of(entry)) is not None and line.at >= since]
    return Reading(lines)


def _entries(call: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the entries that a call prints. Raises OSError or SubprocessError."""
    done = subprocess.run(call, capture_output=True, timeout=READ_SECONDS, check=True, stdin=subprocess.DEVNULL)
    found: list[Mapping[str, Any]] = []
    for line in done.stdout.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def _line_of(entry: Mapping[str, Any]) -> Line | None:
    moment, text = entry.get("__MONOTONIC_TIMESTAMP"), entry.get("MESSAGE")
    if not (isinstance(moment, str) and moment.isdigit()):
        return None
    # What is no UTF-8, or very long, comes as a list of bytes, or as null.
    # The traceback below the first line is the journal's to keep.
    return Line(int(moment) / 1e6, text.partition("\n")[0] if isinstance(text, str) else "a line that is no text")


def _told(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"journalctl says: {said[-1][:200]}" if said else f"journalctl left with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"journalctl did not answer within {READ_SECONDS:g} s"
    return f"journalctl does not run: {error}"
