"""The machine itself: its clock, and what this user may open."""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from voicebridge.daemon.checks.finding import Finding, error, ok, warning

FIRST_YEAR = 2025
"""Voicebridge is younger than this; a clock before it was never set (boards without a battery start in 1970)."""
LAST_YEAR = 2100
SOUND_DEVICES = Path("/dev/snd")
_ANSWER_SECONDS = 5.0


def clock() -> Finding:
    """Look at date and time, and whether they are kept right."""
    return judge_clock(time.time(), synchronised())


def judge_clock(now: float, in_step: bool | None) -> Finding:
    """Say whether a time (seconds since the epoch) can be believed; ``in_step`` is None where nobody knows."""
    moment = datetime.fromtimestamp(now, tz=UTC)
    found = moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return error("clock", f"it is not {found}", "Set the clock: `timedatectl set-ntp true`, or `date --set`.")
    if in_step is False:
        advice = "Times of utterances may be wrong: `timedatectl set-ntp true`, and see that a time server answers."
        return warning("clock", f"{found}, not synchronised", advice)
    return ok("clock", f"{found}, " + ("synchronised" if in_step else "synchronised or not: nobody here can tell"))


def synchronised(program: str = "timedatectl") -> bool | None:
    """Say whether the system keeps its clock in step with others; None where that cannot be found out."""
    path = shutil.which(program)
    if path is None:
        return None
    call = [path, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed call
            call, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def permissions(folder: Path = SOUND_DEVICES) -> Finding:
    """Look whether this user may open the sound cards' microphones."""
    devices = sorted(folder.glob("pcmC*D*c"))
    return judge_devices(devices, [device for device in devices if os.access(device, os.R_OK | os.W_OK)])


def judge_devices(devices: Sequence[Path], ours: Sequence[Path]) -> Finding:
    """Say whether the microphones that the kernel offers may be opened."""
    name = "permissions"
    if not devices:
        return ok(name, "the kernel offers no microphone (a sound server may)")
    if not ours:
        found = f"{getpass.getuser()} may open none of the {len(devices)} microphones of the kernel"
        return warning(name, found, f"Add the group: sudo usermod -aG audio {getpass.getuser()}, then log in again.")
    return ok(name, f"{getpass.getuser()} may open {len(ours)} of the {len(devices)} microphones of the kernel")
