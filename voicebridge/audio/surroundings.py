"""What can be seen of the sound system without calling it: when that changes, a lost device is tried again at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voicebridge.audio.sound_server import Known, socket_path
from voicebridge.domain.capture import SoundServer


@dataclass(frozen=True, slots=True)
class Glance:
    """What is to be seen at one moment; equal to another one when nothing changed."""

    cards: str
    """/proc/asound/cards."""
    nodes: tuple[str, ...]
    """/dev/snd."""
    socket: tuple[int, int] | None
    """Inode of the sound server's socket and when it came into its place."""
    server: SoundServer
    sources: frozenset[str]


class Surroundings:
    """Looks around; a look costs about 50 µs."""

    def __init__(self, root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> None:
        self._cards = root / "proc/asound/cards"
        self._nodes = root / "dev/snd"
        self._environment = environment

    def glance(self, known: Known) -> Glance:
        """Look, and add what is known of the sound server."""
        return Glance(self._read_cards(), self._list_nodes(), self._socket(), known.server, known.sources)

    def _read_cards(self) -> str:
        try:
            return self._cards.read_text(errors="replace")
        except OSError:
            return ""

    def _list_nodes(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(entry.name for entry in os.scandir(self._nodes)))
        except OSError:
            return ()

    def _socket(self) -> tuple[int, int] | None:
        path = socket_path(self._environment)
        try:
            status = path.stat() if path is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_ino, status.st_ctime_ns)
