"""Where things are: state, models, spool, the running daemon's status."""

import os
from collections.abc import Mapping
from pathlib import Path

from voicebridge.settings.schema import Settings

SYSTEM_CONFIG = Path("/etc/voicebridge/voicebridge.toml")
SYSTEM_STATE = Path("/var/lib/voicebridge")


def user_config(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's configuration file, whether it exists or not."""
    base = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "voicebridge" / "voicebridge.toml"


def state_dir(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of database, spool and models: the setting, systemd's, or the user's."""
    if settings.store.state_dir is not None:
        return settings.store.state_dir.expanduser()
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    base = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
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
