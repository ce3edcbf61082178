"""What the daemon and systemd say to each other: sd_notify(3) in one datagram, and the watchdog's period.

Written here and not taken from systemd-python: its ``notify`` holds the interpreter lock while it sends, so a manager
that hangs would stop every thread (as with journald, decision 0003); and a service needs it, where that is optional.
"""

import atexit
import logging
import os
import socket
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

from voicebridge.domain.text import printable

logger = logging.getLogger(__name__)

MAX_STATUS_CHARS = 300
"""A line that `systemctl status` shows in full on a usual terminal, folded at most thrice."""

Notify: TypeAlias = Callable[..., bool]
"""``notify``, or what stands in for it."""


def notify(*states: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send assignments such as ``READY=1``; False when nobody was told. Never waits, never raises.

    Outside a unit of Type=notify (no NOTIFY_SOCKET) nothing happens. The address is a path, or abstract after ``@``.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in {"/", "@"}:
        return False
    try:
        _socket().sendto(
            "\n".join(states).encode("utf-8", "replace"),
            "\0" + address[1:] if address.startswith("@") else address,
        )
    except OSError as error:
        logger.debug("systemd could not be told: %s", error)
        return False
    return True


@cache
def _socket() -> socket.socket:
    """Return the one socket, kept from its first use on: without a free descriptor a ping can still be given."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    atexit.register(made.close)
    return made


def status(line: str) -> str:
    """Return the assignment of the one line that `systemctl status` shows."""
    return f"STATUS={printable(line)[:MAX_STATUS_CHARS]}"


def extend_timeout(seconds: float) -> str:
    """Return the assignment that asks for so much time from now on, to start or to stop."""
    return f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}"


def reloading(now_monotonic: float) -> tuple[str, str]:
    """Return what is said when a reload begins; ``READY=1`` says that it is over.

    With the moment, as Type=notify-reload (systemd 253) wants it.
    """
    return "RELOADING=1", f"MONOTONIC_USEC={round(now_monotonic * 1_000_000)}"


def watchdog_seconds(environ: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Return the watchdog's period, or None when systemd does not watch this process (sd_watchdog_enabled(3))."""
    wanted = environ.get("WATCHDOG_PID")
    if wanted is not None and wanted != str(os.getpid() if pid is None else pid):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1_000_000 if microseconds > 0 else None
