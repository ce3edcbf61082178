"""Which process holds a microphone of the kernel: ALSA gives it to one program at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from voicebridge.daemon.checks.finding import Finding, ok, warning

NAME = "held by"
SOUND_DEVICES = Path("/dev/snd")
PROCESSES = Path("/proc")
SHARERS = frozenset({"pipewire", "pulseaudio", "wireplumber", "pipewire-pulse"})
"""Sound servers: they share what they hold with every program that asks them."""
OURS = "voicebridge"
_PATTERN = "pcmC*D*c"
"""Capture devices; those for playback end in p."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a microphone open."""

    device: str
    pid: int
    program: str

    def __str__(self) -> str:
        return f"{self.program} (process {self.pid}) holds {self.device}"


@dataclass(frozen=True, slots=True)
class Search:
    """Who was found, and how many processes this user may not look into."""

    holders: tuple[Holder, ...]
    hidden: int


def held(sound: Path = SOUND_DEVICES, processes: Path = PROCESSES) -> Finding:
    """Say who holds the microphones."""
    devices = sorted(sound.glob(_PATTERN))
    return judge_holders([device.name for device in devices], search(devices, processes))


def search(devices: list[Path], processes: Path = PROCESSES) -> Search:
    """Look who has any of these devices open, as fuser(1) does: by the links in /proc/PID/fd.

    What the kernel's sound driver says of itself (/proc/asound) names the owner also where the links are not ours to
    see.
    """
    targets = {str(device): device.name for device in devices}
    found: dict[tuple[str, int], Holder] = {}
    hidden = 0
    for place in processes.glob("[0-9]*"):
        try:
            names = {targets[link] for link in _links(place / "fd") if link in targets}
        except PermissionError:
            hidden += 1
            continue
        except OSError:
            continue  # it has ended
        for name in names:
            found[name, int(place.name)] = Holder(name, int(place.name), _program(place))
    for name, pid in _owners(processes / "asound", targets).items():
        # Its owner is a thread; where its process was found already, the device is accounted for.
        if not any(device == name for device, _ in found):
            found[name, pid] = Holder(name, pid, _program(processes / str(pid)))
    return Search(tuple(found[key] for key in sorted(found)), hidden)


def judge_holders(devices: list[str], seen: Search) -> Finding:
    """Say whether somebody else keeps the microphones from us."""
    if not devices:
        return ok(NAME, "the kernel offers no microphone (a sound server may)")
    others = [holder for holder in seen.holders if holder.program not in SHARERS and holder.program != OURS]
    told = "; ".join(str(holder) for holder in seen.holders)
    if others:
        advice = f"Only one program can have it through ALSA: end {others[0].program}, or use a sound server for both."
        return warning(NAME, told, advice)
    if seen.holders:
        return ok(NAME, told)
    if seen.hidden:
        return ok(NAME, f"nobody, as far as this user may see ({seen.hidden} processes are hidden; sudo tells more)")
    return ok(NAME, f"nobody holds any of the {len(devices)} microphones of the kernel")


def _links(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        try:
            yield str(entry.readlink())
        except FileNotFoundError:
            continue  # closed meanwhile


def _program(place: Path) -> str:
    try:
        return (place / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a process that has ended"


def _owners(cards: Path, targets: Mapping[str, str]) -> dict[str, int]:
    """Return the owner that the driver names for each of the devices; every user may read it."""
    owners = {}
    for name in targets.values():
        card, _, device = name.removeprefix("pcmC").removesuffix("c").partition("D")
        for status in cards.glob(f"card{card}/pcm{device}c/sub*/status"):
            try:
                lines = status.read_text(errors="replace").splitlines()
            except OSError:
                continue
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() == "owner_pid" and value.strip().isdecimal():
                    owners[name] = int(value)
    return owners
