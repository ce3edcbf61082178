"""What the options before a command's name say; given to each command as click's context object."""

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicebridge.settings import Settings
    from voicebridge.settings.layers import Loaded


@dataclass(frozen=True)
class Invocation:
    """The configuration file and the overrides of this call."""

    config: Path | None = None
    overrides: tuple[str, ...] = field(default=())
    system_control: Path | None = None
    """Where the system's service listens; None for its usual place."""

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

    def with_override(self, override: str) -> "Invocation":
        """Return the same call with one more value set, as by `--set`."""
        return replace(self, overrides=(*self.overrides, override))
