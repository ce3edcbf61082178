"""journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) over a socket that never blocks.

systemd-python's ``journal.send`` holds the interpreter lock while it writes: with journald stopped every thread froze.
"""

import re
import socket
from collections.abc import Mapping
from pathlib import Path

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
MAX_VALUE_BYTES = 32 * 1024
"""Longer values are cut, so that a datagram always fits the smallest usual send buffer (208 KiB) and no sealed memory
file is needed, which a sandbox may refuse."""
_CUT = " [cut]"
_MAX_NAME_CHARACTERS = 64
"""journald refuses longer field names."""
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9_]")


def field_name(name: str) -> str:
    """Return ``VB_NAME`` for one of our fields: journald takes only capitals, digits and underscores."""
    return ("VB_" + _NOT_IN_A_NAME.sub("_", name.upper()))[:_MAX_NAME_CHARACTERS]


def encode(fields: Mapping[str, str]) -> bytes:
    """Return the datagram of one journal entry; values with line breaks are written with their length."""
    return b"".join(_encode_field(name.encode("ascii"), value) for name, value in fields.items())


class JournalSocket:
    """Hands entries to journald, or says at once that it could not."""

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, entry: bytes) -> bool:
        """Send one entry. False when journald does not take it now or is not there; never blocks, never raises.

        The path is looked up each time, so that a journald that was restarted is found again.
        """
        try:
            self._socket.sendto(entry, self._path)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket; later entries are not sent."""
        self._socket.close()


def _encode_field(name: bytes, value: str) -> bytes:
    raw = value.encode("utf-8", "replace")
    if len(raw) > MAX_VALUE_BYTES:
        kept = raw[: MAX_VALUE_BYTES - len(_CUT)]
        raw = kept.decode("utf-8", "ignore").encode() + _CUT.encode()
    if b"\n" in raw:
        return name + b"\n" + len(raw).to_bytes(8, "little") + raw + b"\n"
    return name + b"=" + raw + b"\n"
