"""Where HTTP is served: an address and port, or a UNIX socket."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from voicebridge.domain.errors import SettingsError

BACKLOG = 128
"""Connections that the kernel holds until they are accepted."""
SEND_BUFFER_BYTES = 64 * 1024
"""What the kernel holds for a reader that does not read, so that hundreds of those cost little (it doubles this)."""
_TCP = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:/\s]+):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address, or, with a path, a UNIX socket."""

    host: str = ""
    """An IP address, without brackets."""
    port: int = 0
    """0 lets the kernel choose."""
    path: Path | None = None

    @property
    def local(self) -> bool:
        """True where only processes of this machine can connect."""
        return self.path is not None or ipaddress.ip_address(self.host).is_loopback

    @property
    def everywhere(self) -> bool:
        """True for all addresses of the machine (0.0.0.0, ::)."""
        return self.path is None and ipaddress.ip_address(self.host).is_unspecified

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def address_of(bind: str) -> Address:
    """Return what ``http.bind`` names. Raises SettingsError."""
    text = bind.strip()
    if text.startswith("unix:"):
        return Address(path=_socket_path(text.removeprefix("unix:")))
    found = _TCP.fullmatch(text)
    if found is None:
        raise _wrong(bind, "is neither ADDRESS:PORT nor unix:PATH")
    # Not looked up: a name may lead elsewhere than its owner thinks, and a look-up may hang.
    host = "127.0.0.1" if found["host"].lower() == "localhost" else found["host"].strip("[]")
    port = int(found["port"])
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise _wrong(bind, f"has no IP address before its port ({error})") from error
    if port > 65535:
        raise _wrong(bind, "has a port above 65535")
    return Address(host, port)


def listen(address: Address) -> socket.socket:
    """Return a listening TCP socket. Raises OSError, such as when another process has the port."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # Named, and not left to the family: asyncio only switches Nagle's algorithm off where it can see that it is TCP.
    # With it every second answer on a kept connection waited 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # So that an IPv4 address is never seen in its IPv6 dress, where its Host header would not fit it.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address.host, address.port))
        listener.setblocking(False)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def bound(listener: socket.socket) -> None:
    """Bound what the kernel holds for each connection that will be accepted (Linux: it inherits the listener's)."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _socket_path(text: str) -> Path:
    path = Path(text).expanduser()
    if "\0" in text or not path.is_absolute() or not path.name:
        raise _wrong(f"unix:{text}", "has no absolute path after unix:")
    return path


def _wrong(bind: str, why: str) -> SettingsError:
    return SettingsError(
        f"http.bind = {bind!r} {why}.", "Write 127.0.0.1:8090, [::1]:8090 or unix:/run/voicebridge/http, for instance."
    )
