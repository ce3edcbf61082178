"""What root means who names no state directory: that of the system's service, used so that the service can go on."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.text import printable
from voicebridge.settings import Settings, paths


def means_service(invocation: Invocation) -> bool:
    """Say whether root, without a state directory of its own, has named none where a service is installed."""
    if os.geteuid() != 0 or invocation.meant.named:
        return False
    return invocation.service_state.is_dir() and not invocation.meant.state.exists()


def for_reading(invocation: Invocation) -> Invocation:
    """Return the call on the state directory of the system's service, where root means that one, and say so.

    Raises SettingsError.
    """
    if not means_service(invocation):
        return invocation
    _tell(f"With the state directory of the system's service, {invocation.service_state}.")
    return _on_service(invocation)


def for_writing(invocation: Invocation, place: Callable[[Settings], Path] = paths.state_dir) -> Invocation:
    """Do the same, and go on as the user to whom a place belongs where root would write into another's.

    A file of root's would be in the service's way. There is no way back: what comes after runs as that user. ``place``
    is where it will write, by default the state directory. Raises SettingsError.
    """
    meant = means_service(invocation)
    invocation = _on_service(invocation) if meant else invocation
    written = place(invocation.settings)
    user = _become_owner(written)
    if meant:
        as_whom = f", as the user {user}" if user else ""
        _tell(f"With the state directory of the system's service, {invocation.service_state}{as_whom}.")
    elif user:
        _tell(f"As the user {user}, to whom {written} belongs.")
    return invocation


def require_readable(path: Path) -> None:
    """Raise VoicebridgeError for a file or folder that is there and that the user whom we have become may not read."""
    try:
        readable = os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)) or not path.exists()
    except OSError:
        readable = False  # it lies where this user may not even look
    if not readable:
        raise VoicebridgeError(
            f"The user {_name(os.geteuid())} may not read {path}.",
            "Copy it to a place that everybody can read, such as a folder of mode 755 in /var/tmp.",
            exit_code=ExitCode.NO_PERMISSION,
        )


def _on_service(invocation: Invocation) -> Invocation:
    return invocation.with_override(f"store.state_dir={invocation.service_state}")


def _become_owner(place: Path) -> str:
    """Go on as the owner of a directory, if we are root and it is somebody else's; return that user's name, or nothing.

    For one that is not there yet it is the owner of where it will be made. Without groups: what is in a state directory
    is for its owner alone.
    """
    if os.geteuid() != 0:
        return ""
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    about = there.stat()
    if about.st_uid == 0:
        return ""
    os.setgroups([])
    os.setgid(about.st_gid)
    os.setuid(about.st_uid)
    os.environ["HOME"] = str(there)  # root's is closed to this user
    return _name(about.st_uid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _tell(sentence: str) -> None:
    click.echo(printable(sentence), err=True)
