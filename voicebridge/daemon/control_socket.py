"""The control socket as a file: made so that only those who may can connect, found by any length of path."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicebridge.daemon.control_peer import group_id

PRIVATE_MODE = 0o600
GROUP_MODE = 0o660
BACKLOG = 128
"""Connections that the kernel holds until they are accepted; beyond it connecting fails at once."""
LOOK_SECONDS = 0.5


def listen(path: Path, group: str) -> socket.socket:
    """Return a listening socket at a path, in place of one that nobody listens on any more. Raises OSError.

    It is open to the group where there is one of this name, and the file has it or may be given to it, else to our user
    alone. The caller holds the state directory, so no daemon of the same one listens here.
    """
    if is_answered(path):
        raise FileExistsError(f"another process listens on {path}")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setblocking(False)
        with _short(path) as address:
            listener.bind(address)
        # Nobody can connect before `listen`, so the mode need not be right from the first moment.
        path.chmod(_mode_after_giving(path, group))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: Path, timeout_seconds: float) -> socket.socket:
    """Return a connection to the daemon that listens at a path. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(timeout_seconds)
        with _short(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def is_answered(path: Path) -> bool:
    """Say whether somebody listens on a socket; one who is too busy to be asked counts."""
    try:
        connect(path, LOOK_SECONDS).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        # Full (EAGAIN), slow or not ours to ask: somebody is there. What is no socket at all refuses the connection.
        return True
    return True


def _mode_after_giving(path: Path, group: str) -> int:
    number = group_id(group)
    if number is None:
        return PRIVATE_MODE
    try:
        # A service's file has its group already, and its sandbox refuses every chown, this one included.
        if path.stat().st_gid != number:
            os.chown(path, -1, number)
    except OSError:
        return PRIVATE_MODE
    return GROUP_MODE


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give an address for a path: the kernel takes 107 bytes (unix(7)), a state directory may lie deeper."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
