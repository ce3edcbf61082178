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
    """Where that sensor is too hot, as it says itself."""
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
    with suppress(FileNotFoundError):
        with suppress(PermissionError, NotADirectoryError):
            return path.stat().st_size
        return None
    return 0


def _number(path: Path, base: int) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii", errors="replace").strip(), base)
    return None


def _hottest(temperatures: Temperatures) -> tuple[float | None, float | None]:
    """Return temperature and limit of the sensor nearest to its limit; those without one stand behind those with."""
    found = [sensor for group in _asked(temperatures).values() for sensor in group if sensor.current]
    if not found:
        return None, None
    limited = [(limit - sensor.current, sensor.current, limit) for sensor in found if (limit := _limit(sensor))]
    if limited:
        _, current, limit = min(limited)
        return float(current), float(limit)
    return float(max(sensor.current for sensor in found)), None


def _asked(temperatures: Temperatures) -> Mapping[str, Sequence[Any]]:
    try:
        return temperatures()
    except (OSError, ValueError):
        return {}  # a sensor that answers nonsense, or has gone meanwhile


def _limit(sensor: Any) -> float | None:
    limits = [value for value in (sensor.high, sensor.critical) if value and value > 0]
    return min(limits, default=None)
