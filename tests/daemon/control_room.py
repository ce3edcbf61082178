"""A control thread on a real socket, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voicebridge.daemon.control import Control, Door
from voicebridge.daemon.control_client import Client
from voicebridge.daemon.control_desk import Desk
from voicebridge.daemon.mute import Mute
from voicebridge.domain.events import Event, SettingsReloaded

SECONDS = 20.0
"""How long a test waits for an answer before it fails."""


class Switch:
    """A switch that mutes nothing."""

    def __init__(self) -> None:
        self.muted = False


class Published(list[Event]):
    """Where events are published."""

    def publish(self, event: Event) -> None:
        self.append(event)


class Room:
    """A desk that can be told what to say, and the thread that serves it."""

    def __init__(self, path: Path, state: Path, group: str = "") -> None:
        self.path = path
        self.now = 0.0
        self.status: dict[str, Any] | None = {"state": "hearing", "muted": False}
        self.outcome = SettingsReloaded(("gate.avg_logprob",), ("vad.mode",))
        self.fault: Exception | None = None
        self.events = Published()
        self.mute = Mute(Switch(), state / "muted", self.events)
        self.control = Control(Desk(state, self._status, self.mute, self.reload), Door(path, group), lambda: self.now)

    def client(self) -> Client:
        """Connect."""
        return Client(self.path, SECONDS)

    def reload(self) -> SettingsReloaded:
        """Say what came of a reload."""
        return self.outcome

    def _status(self) -> dict[str, Any] | None:
        if self.fault is not None:
            raise self.fault
        return self.status


@contextmanager
def room_in(folder: Path, group: str = "") -> Iterator[Room]:
    """Open a room on a socket in a folder, and close it at the end."""
    with room_on(folder / "control", folder / "state", group) as room:
        yield room


@contextmanager
def room_on(path: Path, state: Path, group: str = "") -> Iterator[Room]:
    """Open a room on a socket for a state directory, and close it at the end."""
    state.mkdir(mode=0o700, exist_ok=True, parents=True)
    room = Room(path, state, group)
    room.control.open()
    room.control.start()
    try:
        yield room
    finally:
        room.control.stop()
        assert room.control.join(SECONDS)
        room.control.close()
