"""Whether a user's PipeWire or PulseAudio runs, and how the service can hear through it."""

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voicebridge.daemon.checks.finding import Finding, ok, warning

NAME = "sound server"
RUN = Path("/run")
LINGER = Path("/var/lib/systemd/linger")
"""A file for each user whose programs run without a login (loginctl enable-linger)."""
ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """A sound server of a user, or of the whole system (``user`` is then empty)."""

    path: Path
    user: str
    answers: bool | None
    """None where this user may not ask."""
    lingers: bool


def server(run: Path = RUN, linger: Path = LINGER, environ: Mapping[str, str] = os.environ) -> Finding:
    """Look for sound servers, and say how the service reaches them."""
    if named := environ.get("PULSE_SERVER", "").removeprefix("unix:"):
        return judge_named(named, answers(Path(named)) if named.startswith("/") else None)
    return judge_servers(*find_servers(run, linger), service_installed=_service_installed())


def find_servers(run: Path = RUN, linger: Path = LINGER) -> tuple[list[Server], list[str]]:
    """Return the servers whose sockets are in their usual places, and the users whose places may not be entered."""
    found, hidden = [], []
    if (run / "pulse/native").is_socket():
        found.append(Server(run / "pulse/native", "", answers(run / "pulse/native"), lingers=True))
    for folder in sorted((run / "user").glob("[0-9]*")):
        path, user = folder / "pulse/native", _name(int(folder.name))
        lingers = (linger / user).exists()
        if not os.access(folder, os.X_OK):
            hidden.append(user)
        elif path.is_socket():
            found.append(Server(path, user, answers(path), lingers))
    return found, hidden


def judge_named(named: str, answering: bool | None) -> Finding:
    """Say whether the server that PULSE_SERVER names can be reached."""
    if answering is None:
        return ok(NAME, f"PULSE_SERVER names {named}; not asked")
    if answering:
        return ok(NAME, f"{named} answers, as PULSE_SERVER says")
    advice = "Is it running? `systemctl --user status pipewire-pulse pulseaudio`; or unset PULSE_SERVER."
    return warning(NAME, f"nobody answers on {named}, which PULSE_SERVER names", advice)


def judge_servers(servers: list[Server], hidden: list[str], *, service_installed: bool) -> Finding:
    """Say what runs, and what the service needs to hear through it."""
    if not servers:
        unseen = f" (one of {', '.join(hidden)} would be hidden from this user)" if hidden else ""
        return ok(NAME, f"none is seen{unseen}; ALSA is used directly")
    for one in servers:
        if one.answers is False:
            whose = f"the server of {one.user}" if one.user else "the system's server"
            return warning(NAME, f"{whose} does not answer on {one.path}", "Start it again.")
    told = "; ".join(f"{one.path} of {one.user or 'the whole system'}" for one in servers)
    users = [one for one in servers if one.user]
    if not service_installed or not users:
        return ok(NAME, told)
    user = users[0]
    needs = "" if user.lingers else f"`sudo loginctl enable-linger {user.user}` (it then runs without a login), and "
    advice = (
        f"For the service to hear through it: {needs}let it listen in a place that both can reach; /run/user is only"
        " its user's, and ProtectHome= hides it from the service. "
        f"`sudo ./install.sh --check --sound pulse:{user.path}` tells how; PULSE_SERVER is then set for the service."
    )
    return warning(NAME, told, advice)


def answers(path: Path) -> bool | None:
    """Say whether somebody takes connections there; None where this user may not ask."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as client:
        client.settimeout(ANSWER_SECONDS)
        try:
            client.connect(str(path))
        except PermissionError:
            return None
        except OSError:
            return False
    return True


def _service_installed() -> bool:
    return any(Path(place, "voicebridge.service").exists() for place in ("/etc/systemd/system", "/lib/systemd/system"))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
