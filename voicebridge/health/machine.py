"""The machine under the daemon: disk, temperature, throttling. Reads files that may hang with what is behind them."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

SYS = Path("/sys")
PI_THROTTLED = Path("devices/platform/soc/soc:firmware/get_throttled")
"""Of a Raspberry Pi: what `vcgencmd get_throttled` says, in hexadecimal, for those who may not use vcgencmd."""
PI_BITS = {
    0: "the voltage is too low",
    1: "the processor's frequency is capped",
    2: "the processor is throttled",
    3: "the soft temperature limit is reached",
}
"""What holds now (https://www.raspberrypi.com/documentation/computers/os.html#get_throttled)."""
CPU_THROTTLED = Path("devices/system/cpu/cpu0/thermal_throttle/core_throttle_count")
"""Of an Intel processor: how often it was throttled since the boot."""

NEAR_CRITICAL_CELSIUS = 5.0
"""So far below what a sensor calls critical, where the machine throttles or switches itself off, it is at its limit.
What it calls high says little: 55 degrees for memory modules that are well at 60, 70 for processors well at 90."""
ASSUMED_CELSIUS = 85.0
"""Limit of a processor that names none, only to tell which sensor is nearest to its own (`health.temperature_celsius`
is what counts then)."""
PROCESSORS = ("cpu", "soc", "coretemp", "k10temp", "zenpower", "pkg_temp", "acpitz")
"""What is in the names of sensors of processors (https://docs.kernel.org/hwmon/); others without a critical temperature
are told of only when there is nothing else: nobody knows what is hot for them."""

Temperatures: TypeAlias = Callable[[], Mapping[str, Sequence[Any]]]
"""``psutil.sensors_temperatures``, or what stands in for it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was read; None for what this machine does not tell. Sizes in bytes."""

    disk_free: int | None = None
    database: int | None = None
    wal: int | None = None
    celsius: float | None = None
    """Of the sensor that is nearest to its limit."""
    limit_celsius: float | None = None
    """Where that sensor is too hot: near what it calls critical itself."""
    throttled: bool | None = None
    """Slowed down, or short of voltage, now; None where only ``throttlings`` are counted."""
    throttlings: int | None = None
    detail: str = ""
    """What the machine says of it, in words."""


def read_machine(state_dir: Path, database: Path, temperatures: Temperatures, sys: Path = SYS) -> Machine:
    """Return how the machine is. What cannot be read is None; nothing is raised."""
    bits = _number(sys / PI_THROTTLED, 16)
    celsius, limit = _hottest(temperatures)
    told = "" if bits is None else ", ".join(words for bit, words in PI_BITS.items() if bits >> bit & 1)
    return Machine(
        disk_free=_free(state_dir),
        database=_length(database),
        wal=_length(database.with_name(database.name + "-wal")),
        celsius=celsius,
        limit_celsius=limit,
        throttled=None if bits is None else bool(told),
        throttlings=_number(sys / CPU_THROTTLED, 10),
        detail=told,
    )


def _free(directory: Path) -> int | None:
    with suppress(OSError):
        about = os.statvfs(directory)
        return about.f_bavail * about.f_frsize
    return None


def _length(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError:
        return None  # not only those that may not look: a failing disk (EIO), a share that has gone (ESTALE)


def _number(path: Path, base: int) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii", errors="replace").strip(), base)
    return None


def _hottest(temperatures: Temperatures) -> tuple[float | None, float | None]:
    """Return temperature and limit of the sensor nearest to its limit; None as the limit of one that names none."""
    found = [
        (any(word in chip.lower() for word in PROCESSORS), float(sensor.current), _limit(sensor))
        for chip, group in _asked(temperatures).items()
        for sensor in group
        if sensor.current
    ]
    known = [one for one in found if one[0] or one[2] is not None] or found
    if not known:
        return None, None
    _, current, limit = min(known, key=lambda one: (ASSUMED_CELSIUS if one[2] is None else one[2]) - one[1])
    return current, limit


def _asked(temperatures: Temperatures) -> Mapping[str, Sequence[Any]]:
    try:
        return temperatures()
    except (OSError, ValueError):
        return {}  # a sensor that answers nonsense, or has gone meanwhile


def _limit(sensor: Any) -> float | None:
    critical = sensor.critical
    return float(critical) - NEAR_CRITICAL_CELSIUS if critical and critical > 0 else None
