"""What can be known of a sound server (PulseAudio, or PipeWire in its place), and where it is."""

import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from voicebridge.domain.capture import SoundServer


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the sound server, at one moment."""

    server: SoundServer = SoundServer.UNKNOWN
    server_since: float | None = None
    """On CLOCK_MONOTONIC."""
    stream: tuple[int, int] | None = None
    """Which stream of this process it feeds (number of the connection, index of the source output), if any."""
    source: str = ""
    """Name of the source that this stream is fed from."""
    sources: frozenset[str] = frozenset()
    """Names of all sources."""


class SourceWatch(Protocol):
    """What the supervisor asks of a sound server."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to watch; ``changed`` is called from the watch's thread when something is known anew."""
        ...

    def prompt(self) -> None:
        """Say that the microphone was opened, or tried, for the first time: there is something to see."""
        ...

    def known(self) -> Known:
        """Return what is known. Never blocks; any thread may ask."""
        ...

    def sign(self) -> float | None:
        """Return when its thread last gave a sign of life; None without one, or while a silent server holds it."""
        ...

    def stop(self) -> None:
        """Stop watching, without waiting for it. Calling it twice is harmless."""
        ...


class NoWatch:
    """Implements SourceWatch where there is nobody to ask."""

    def start(self, changed: Callable[[], None]) -> None:
        """Do nothing."""

    def prompt(self) -> None:
        """Do nothing."""

    def known(self) -> Known:
        """Return that nothing is known."""
        return Known()

    def sign(self) -> float | None:
        """Return None: there is no thread."""
        return None

    def stop(self) -> None:
        """Do nothing."""


def socket_path(environment: Mapping[str, str]) -> Path | None:
    """Return the server's socket: the one that PULSE_SERVER names, else the first of the usual ones that exists.

    None where there is none, or where the server is reached in another way (TCP, one of several).
    """
    named = environment.get("PULSE_SERVER", "")
    if named:
        address = named.rpartition("}")[2].removeprefix("unix:")
        return Path(address) if address.startswith("/") and len(named.split()) == 1 else None
    folders = (
        environment.get("PULSE_RUNTIME_PATH", ""),
        f"{environment['XDG_RUNTIME_DIR']}/pulse" if environment.get("XDG_RUNTIME_DIR") else "",
        "/run/pulse",
    )
    paths = (Path(folder) / "native" for folder in folders if folder)
    return next((path for path in paths if is_socket(path)), None)


def is_socket(path: Path) -> bool:
    """Say whether there is a socket, as far as we may see."""
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def reach(path: Path | None) -> SoundServer:
    """Knock at a server's socket without waiting: ABSENT, SILENT when too many already wait there, else UNKNOWN.

    libpulse says of neither which it was.
    """
    if path is None:
        return SoundServer.UNKNOWN
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as knock:
        try:
            knock.connect(str(path))
        except BlockingIOError:
            return SoundServer.SILENT
        except OSError:
            return SoundServer.ABSENT
    return SoundServer.UNKNOWN
