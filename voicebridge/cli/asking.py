"""Which daemon a command speaks with, and how it is asked over its control socket."""

from typing import TYPE_CHECKING

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.service_state import means_service
from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ControlError, ExitCode, StoreError
from voicebridge.settings import paths

if TYPE_CHECKING:
    from pathlib import Path

    from voicebridge.store.lock import Holder


def daemon_to_tell(invocation: Invocation) -> Client:
    """Connect to the daemon of the state directory, else to the system's service.

    Settings with a mistake do not matter: a daemon that runs can be told. Raises ControlError (none runs, it has no
    control socket, or this user may not ask), and SettingsError where there is a mistake and no daemon is found.
    """
    state = invocation.meant.state
    fault: ControlError | None = None
    for place in paths.control_paths(state):
        try:
            client = Client(place)
        except ControlError as error:
            fault = fault or (None if error.code == ExitCode.NOT_RUNNING else error)
            continue
        if client.greeting.state_dir == state.absolute():
            return client
        client.close()
    running = holder_of(state)
    if (running is None or invocation.meant.named) and (service := _service(invocation, state)):
        return service
    if fault is not None:
        raise fault
    if invocation.meant.fault is not None:
        raise invocation.meant.fault
    if means_service(invocation):
        state, running = invocation.service_state, holder_of(invocation.service_state)
    if running is not None:
        raise ControlError(f"{running} has no control socket.", "Set control.enabled = true, and start it again.")
    raise ControlError(
        f"No daemon runs (state directory {state}).",
        "Start it: `systemctl start voicebridge`, or `voicebridge run`.",
        exit_code=ExitCode.NOT_RUNNING,
    )


def service_instead(invocation: Invocation) -> Client | None:
    """Connect to the system's service where no daemon of this user's own is meant; None where one is, or none listens.

    One is meant when it runs, or when its state directory was named and may be entered. Raises ControlError, and
    StoreError for a directory that may not be entered and whose daemon cannot be asked either.
    """
    from voicebridge.store.lock import holder

    state = invocation.meant.state
    try:
        if holder(state) is not None or invocation.meant.named:
            return None
    except StoreError:
        if client := _service(invocation, state):
            return client
        raise
    return _service(invocation, state)


def holder_of(state: "Path") -> "Holder | None":
    """Return who holds a state directory; None also where this user may not look."""
    from voicebridge.store.lock import holder

    try:
        return holder(state)
    except StoreError:
        return None


def _service(invocation: Invocation, state: "Path") -> Client | None:
    """Connect to the system's service; None when it does not listen, or keeps another state than the one named."""
    try:
        client = Client(invocation.system_control or paths.SYSTEM_CONTROL)
    except ControlError as error:
        if error.code == ExitCode.NOT_RUNNING:
            return None
        raise
    if invocation.meant.named and client.greeting.state_dir != state.absolute():
        client.close()
        return None
    return client
