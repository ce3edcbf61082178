"""Where things are: state, models, spool, the running daemon's status."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from voicebridge.domain.errors import SettingsError
from voicebridge.settings.schema import Settings

SYSTEM_CONFIG = Path("/etc/voicebridge/voicebridge.toml")
SYSTEM_STATE = Path("/var/lib/voicebridge")
SYSTEM_CONTROL = Path("/run/voicebridge/control")
"""Where the system's service listens."""


def user_config(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's configuration file, whether it exists or not. Raises SettingsError without a home."""
    base = environ.get("XDG_CONFIG_HOME") or _home(environ) / ".config"
    return Path(base) / "voicebridge" / "voicebridge.toml"


def state_dir(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of database, spool and models: the setting, systemd's, or the user's.

    Raises SettingsError when it would be the user's and there is no home directory.
    """
    if settings.store.state_dir is not None:
        return settings.store.state_dir.expanduser()
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    base = environ.get("XDG_STATE_HOME") or _home(environ) / ".local" / "state"
    return Path(base) / "voicebridge"


def models_dir(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of pulled models."""
    if settings.whisper.models_dir is not None:
        return settings.whisper.models_dir.expanduser()
    return state_dir(settings, environ) / "models"


def database_path(state: Path) -> Path:
    """Return the database in a state directory."""
    return state / "voicebridge.db"


def spool_dir(state: Path) -> Path:
    """Return the spool in a state directory."""
    return state / "spool"


def audio_dir(state: Path) -> Path:
    """Return where the audio of settled utterances is kept in a state directory, if it is kept."""
    return state / "audio"


def backups_dir(state: Path) -> Path:
    """Return where backups are made in a state directory, unless another place is named."""
    return state / "backups"


def status_paths(state: Path, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where the daemon of a state directory may have written its status, best place first.

    In memory where there is such a place (systemd's or the user's runtime directory), so that a status every two
    seconds does not wear out a flash card; else in the state directory.
    """
    tag = _tag(state)
    # The user's runtime directory has no folder of ours, and needs none for one file.
    runtime = [
        environ.get("RUNTIME_DIRECTORY", "").split(":")[0],
        "/run/voicebridge",
        environ.get("XDG_RUNTIME_DIR", ""),
    ]
    return (*(Path(place) / f"voicebridge-status-{tag}.json" for place in runtime if place), state / "status.json")


def control_paths(state: Path, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where the daemon of a state directory may listen, best place first.

    A service has its runtime directory to itself. Elsewhere it is a place that only its owner can enter: the user's
    runtime directory, else the state directory.
    """
    places = []
    if service := environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        places.append(Path(service) / "control")
    if user := environ.get("XDG_RUNTIME_DIR", ""):
        places.append(Path(user) / f"voicebridge-control-{_tag(state)}")
    return (*places, state / "control")


def mute_path(state: Path) -> Path:
    """Return the file whose being there says that a daemon of this state directory starts muted."""
    return state / "muted"


def _tag(state: Path) -> str:
    return hashlib.sha256(str(state.absolute()).encode()).hexdigest()[:8]


def _home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path.home()
    except RuntimeError as error:
        raise SettingsError("This user has no home directory.", "Set HOME, or store.state_dir.") from error


def make_private(directory: Path) -> None:
    """Create a directory, and the parents that are missing, so that only their owner can enter them. Raises OSError.

    As the XDG base directory specification asks for; ``mkdir(parents=True)`` would leave the parents open to others.
    Its name is durable when this returns: a power cut would else take away everything that was synced inside.
    """
    if not directory.is_dir():
        make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
