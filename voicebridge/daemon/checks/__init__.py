"""Checks of everything that hearing needs. They look and change nothing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from voicebridge.daemon.checks import engine, holders, libraries, machine, microphone, service, sound_server, state
from voicebridge.daemon.checks.finding import Finding, Level, error, warning
from voicebridge.domain.errors import StoreBusyError, VoicebridgeError
from voicebridge.settings import Settings

__all__ = ["Check", "Finding", "Level", "checks_of", "checks_without_settings", "examine"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at, and how."""

    name: str
    look: Callable[[], Finding]


_Look: TypeAlias = Callable[[Settings], Finding]
_STATE: Sequence[tuple[str, _Look]] = (
    ("state directory", state.directory),
    ("disk", state.disk),
    ("daemon", state.daemon),
    ("database", state.database),
    ("spool", state.spool),
)
_ENGINE: Sequence[tuple[str, _Look]] = (
    ("voice detector", engine.detector),
    ("engine", engine.chosen),
    ("model", engine.model),
    ("memory", engine.memory),
)
_MACHINE: Sequence[tuple[str, Callable[[], Finding]]] = (
    ("clock", machine.clock),
    ("permissions", machine.permissions),
    (holders.NAME, holders.held),
    (sound_server.NAME, sound_server.server),
    (service.NAME, service.service),
)


def checks_of(settings: Settings, microphone_seconds: float | None) -> Iterator[Check]:
    """Return every check in order; ``microphone_seconds`` is how long to listen, None to leave the microphone alone."""
    yield from _libraries(settings)
    yield from (Check(name, partial(look, settings)) for name, look in _STATE)
    yield from (Check(name, partial(look, settings)) for name, look in _ENGINE)
    yield from (Check(name, look) for name, look in _MACHINE)
    yield Check("microphone", partial(microphone.level, settings, microphone_seconds))


def checks_without_settings() -> Iterator[Check]:
    """Return the checks that mean something while the settings cannot be read."""
    yield from _libraries(Settings())
    yield from (Check(name, look) for name, look in _MACHINE)


def examine(check: Check) -> Finding:
    """Make a check; one that cannot be made says so instead of ending the others."""
    try:
        return check.look()
    except StoreBusyError as busy:
        return warning(check.name, busy.message, busy.advice)
    except VoicebridgeError as problem:
        return error(check.name, problem.message, problem.advice)
    except Exception as fault:  # noqa: BLE001 - the top of a check: the others are still to be made
        found = f"could not be checked ({type(fault).__name__}: {fault})"
        return error(check.name, found, "Look at what it names; if nothing is wrong there, please report this line.")


def _libraries(settings: Settings) -> Iterator[Check]:
    return (
        Check(library.name, partial(libraries.importable, library, needed=library.needed(settings)))
        for library in libraries.LIBRARIES
    )
