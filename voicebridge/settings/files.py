"""Configuration files: read through pydantic-settings, with a bound, clear errors and line numbers."""

import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, TomlConfigSettingsSource

from voicebridge.domain.errors import SettingsError

MAX_FILE_BYTES = 1024 * 1024
_TABLE = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_KEY = re.compile(r"\s*([\w.-]+)\s*=")


class TomlFile(TomlConfigSettingsSource):
    """A configuration file.

    Called, it returns its tables; raises SettingsError when it cannot be read or is not TOML. A file that is not
    ``required`` may be absent, or out of this user's reach.
    """

    def __init__(self, settings_class: type[BaseSettings], path: Path, *, required: bool) -> None:
        self._text = ""
        try:
            if path.is_dir():
                raise SettingsError(f"{path} is a directory, not a file.")
            if path.exists() and not path.is_file():
                raise SettingsError(f"{path} is not a regular file.")
            if required and not path.exists():
                raise SettingsError(f"{path} does not exist.")
        except OSError as error:
            if required:
                raise SettingsError(f"{path} cannot be reached: {error.strerror}.") from error
            # Under systemd's ProtectHome= a home directory exists and may not be entered.
            path = Path("/nonexistent")
        super().__init__(settings_class, path)

    def line_of(self, key: str) -> int | None:
        """Return the number of the line that sets ``section.name``; None for what is written in unusual ways."""
        table = ""
        for number, line in enumerate(self._text.splitlines(), 1):
            if match := _TABLE.match(line):
                table = f"{match[1]}."
            elif (match := _KEY.match(line)) and table + match[1] == key:
                return number
        return None

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        self._text = _text_of(file_path)
        try:
            return tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{file_path}{_place(str(error))}") from error
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{file_path} holds a number too long or tables too deep.") from error


def from_text(text: str) -> object:
    """Return the value that an environment variable or ``-s KEY=VALUE`` gives.

    A quoted TOML string, an array and a table are read as such. Everything else stays as it is, and pydantic reads it
    as the setting's type: ``audio.device=1`` is text, ``audio.rate=1`` a number.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str | list | dict) else text


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(f"{path} is no configuration: it is larger than {MAX_FILE_BYTES // 1024} KiB.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: is not UTF-8 text.") from error


def _place(message: str) -> str:
    """Return tomllib's ``Reason (at line 3, column 5)`` as ``:3:5: is not TOML: Reason``."""
    if match := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL):
        return f":{match[2]}:{match[3]}: is not TOML: {match[1]}."
    return f": is not TOML: {message}."
