"""The machine under the figures: what it is, of which class, and whether two are alike."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from voicebridge import __version__
from voicebridge_bench.components.results import Host

LIBRARIES = (
    *("numpy", "soxr", "av", "onnxruntime", "webrtcvad-wheels", "faster-whisper", "ctranslate2"),
    *("pocketsphinx", "sqlite-utils", "pydantic", "sounddevice"),
)
"""Libraries in which the figures spend their time."""
CLASSES = ("pi5", "x86-2core", "gpu")
DISTURBED_SHARE = 0.1
"""Share of all cores used by others during a run from which its figures are called disturbed."""
BUSY_SHARE = 0.5
"""Load of the last minute over cores from which a machine is called busy."""
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class HardwareClass:
    """Which targets apply; ``name`` is empty where none do."""

    name: str
    reason: str


def look(root: Path = Path("/"), gpus: int | None = None) -> Host:
    """Return what this machine is. ``root`` is where /proc, /sys and /etc are found."""
    cpuinfo = _cpuinfo(root)
    usable = len(os.sched_getaffinity(0))
    facts: dict[str, str | int | float | bool] = {
        "cpu": cpuinfo.get("model name") or cpuinfo.get("Model") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": psutil.cpu_count() or usable,
        "cores_usable": usable,
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "machine": _text(root / "proc/device-tree/model") or _text(root / "sys/class/dmi/id/product_name"),
        "container": _container(root),
        "virtual": "hypervisor" in cpuinfo.get("flags", "").split(),
        "gpus": _gpus() if gpus is None else gpus,
    }
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return Host.model_validate(
        {
            **facts,
            "system": _system(root),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "versions": {"voicebridge": __version__} | {name: _version(name) for name in LIBRARIES},
            "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            "load_average": os.getloadavg(),
            "fingerprint": fingerprint,
        }
    )


def class_of(host: Host) -> HardwareClass:
    """Return the class whose targets apply to a machine."""
    if host.gpus:
        return HardwareClass("gpu", f"CTranslate2 sees {host.gpus} CUDA device{'s' if host.gpus > 1 else ''}")
    if host.machine.startswith("Raspberry Pi 5"):
        return HardwareClass("pi5", host.machine)
    cores = f"{host.architecture} with {host.cores_usable} usable core{'s' if host.cores_usable > 1 else ''}"
    if host.architecture == "x86_64" and host.cores_usable >= 2:
        return HardwareClass("x86-2core", cores)
    return HardwareClass("", f"{cores}: no targets are known for such a machine")


def is_busy(host: Host) -> str:
    """Return a sentence when other work had the machine as the run began, else nothing."""
    load = host.load_average[0]
    if load < BUSY_SHARE * host.cores_usable:
        return ""
    return f"The machine was busy as the run began (load {load:.1f} on {host.cores_usable} cores)."


def _machine_seconds() -> float:
    """Return the processor time that was not idle, over all cores, with what a hypervisor gave to others."""
    times = psutil.cpu_times()
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return float(sum(getattr(times, name, 0.0) for name in names))


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Meanwhile:
    """How much of the machine others use, from now on. All three readings are in seconds; the first two only grow."""

    def __init__(
        self,
        machine_seconds: Callable[[], float] = _machine_seconds,
        own_seconds: Callable[[], float] = _own_seconds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine_seconds = machine_seconds
        self._own_seconds = own_seconds
        self._clock = clock
        self._before = (machine_seconds(), own_seconds(), clock())

    def others_cores(self) -> float:
        """Return how many cores others used since, on average; our children count as ours once they have ended."""
        machine, own, began = self._before
        passed = max(self._clock() - began, 1e-9)
        return max(0.0, (self._machine_seconds() - machine) - (self._own_seconds() - own)) / passed


def is_disturbed(others_cores: float, cores: int) -> str:
    """Return a sentence when others used much of the machine during a run, else nothing."""
    if others_cores < DISTURBED_SHARE * cores:
        return ""
    return f"Other work used {others_cores:.1f} of {cores} cores during the run: the figures are of a busy machine."


def unlike(a: Host, b: Host) -> list[str]:
    """Return in what two hosts differ, machine and versions, each as a sentence; nothing when they can be compared."""
    ours, theirs = a.model_dump(), b.model_dump()
    names = [name for name in ours if name not in ("versions", "load_average", "fingerprint")]
    found = [f"{name}: {ours[name]!s} against {theirs[name]!s}" for name in names if ours[name] != theirs[name]]
    for name in sorted({*a.versions, *b.versions}):
        left, right = a.versions.get(name, "none"), b.versions.get(name, "none")
        if left != right:
            found.append(f"version of {name}: {left} against {right}")
    return found


def _cpuinfo(root: Path) -> Mapping[str, str]:
    """Return the fields of the first processor, and those that stand once (a Pi's ``Model``)."""
    found: dict[str, str] = {}
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _container(root: Path) -> str:
    for mark, name in (("run/.containerenv", "podman"), (".dockerenv", "docker")):
        if (root / mark).exists():
            return name
    return _text(root / "run/systemd/container")


def _system(root: Path) -> str:
    for line in _text(root / "etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def _gpus() -> int:
    try:
        import ctranslate2

        return int(ctranslate2.get_cuda_device_count())
    except (ImportError, RuntimeError, ValueError):
        return 0


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "none"


def _text(path: Path) -> str:
    try:
        # A device tree's texts end in a zero byte.
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
