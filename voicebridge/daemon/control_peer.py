"""Who is at the other end of the control socket, and whether that user is served."""

import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass

from voicebridge.domain.errors import ControlError, ExitCode

_CREDENTIALS = struct.Struct("iII")
"""struct ucred (unix(7)): process, user and group, as they were when the peer connected."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process that has connected."""

    pid: int
    uid: int
    gid: int

    @property
    def user(self) -> str:
        """The name of its user, or its number where it has no name."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"user {self.uid}"


def peer_of(connection: socket.socket) -> Peer:
    """Return who has connected, as the kernel says. Raises OSError."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return Peer(*_CREDENTIALS.unpack(found))


def check(peer: Peer, group: str) -> None:
    """Let root, the daemon's own user and members of the group pass; the others get a ControlError.

    The group's members are read anew each time: someone who was just added need not wait for a restart.
    """
    if peer.uid in (0, os.geteuid()) or _is_member(peer, group):
        return
    raise denied(group)


def denied(group: str) -> ControlError:
    """Return what somebody is told who may not ask."""
    if not group:
        return ControlError(
            "This daemon answers only its own user and root.", "Use `sudo`.", exit_code=ExitCode.NO_PERMISSION
        )
    return ControlError(
        f"This daemon answers only root and members of the group {group}.",
        f"Join it: `sudo usermod -aG {group} $USER`, then log in again.",
        exit_code=ExitCode.NO_PERMISSION,
    )


def group_id(group: str) -> int | None:
    """Return the number of a group, or None when there is none of this name."""
    try:
        return grp.getgrnam(group).gr_gid if group else None
    except KeyError:
        return None


def _is_member(peer: Peer, group: str) -> bool:
    wanted = group_id(group)
    if wanted is None:
        return False
    if peer.gid == wanted:
        return True
    try:
        return wanted in os.getgrouplist(pwd.getpwuid(peer.uid).pw_name, peer.gid)
    except KeyError:
        return False  # a user without a name is in no list
