"""What the options before a command's name say; given to each command as click's context object."""

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.domain.errors import SettingsError

if TYPE_CHECKING:
    from voicebridge.settings import Settings
    from voicebridge.settings.layers import Loaded


@dataclass(frozen=True, slots=True)
class Meant:
    """Which state directory a call is about."""

    state: Path
    named: bool
    """True when somebody said so."""
    fault: SettingsError | None = None
    """Why the settings cannot be used, if so; the directory is then named as far as they can be read."""


@dataclass(frozen=True)
class Invocation:
    """The configuration file and the overrides of this call."""

    config: Path | None = None
    overrides: tuple[str, ...] = field(default=())
    system_control: Path | None = None
    """Where the system's service listens; None for its usual place."""
    system_state: Path | None = None
    """The state directory of the system's service; None for its usual place."""

    @cached_property
    def loaded(self) -> "Loaded":
        """Settings and where each value came from. Raises SettingsError."""
        from voicebridge.settings.layers import load

        return load(self.config, self.overrides)

    @property
    def settings(self) -> "Settings":
        """The settings in force. Raises SettingsError."""
        return self.loaded.settings

    @property
    def names_state(self) -> bool:
        """True when somebody said which state directory is meant. Raises SettingsError."""
        from voicebridge.settings.layers import DEFAULT

        return self.loaded.origins["store.state_dir"] != DEFAULT or "STATE_DIRECTORY" in os.environ

    @property
    def service_state(self) -> Path:
        """The state directory of the system's service."""
        from voicebridge.settings import paths

        return self.system_state or paths.SYSTEM_STATE

    @cached_property
    def meant(self) -> Meant:
        """Which state directory is meant, also where the settings have a mistake: a daemon that runs must be found.

        Raises SettingsError where there is no home directory either.
        """
        from voicebridge.settings import Settings, paths
        from voicebridge.settings.layers import state_named

        try:
            return Meant(paths.state_dir(self.settings), self.names_state)
        except SettingsError as error:
            named = state_named(self.config, self.overrides)
            return Meant(named or paths.state_dir(Settings()), named is not None, error)

    def with_override(self, override: str) -> "Invocation":
        """Return the same call with one more value set, as by `--set`."""
        return replace(self, overrides=(*self.overrides, override))
