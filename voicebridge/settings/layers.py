"""Where values come from: defaults < a service's own < system file < user file < environment < command line."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from voicebridge.domain.errors import SettingsError
from voicebridge.settings import paths
from voicebridge.settings.describe import ENVIRONMENT_DELIMITER, ENVIRONMENT_PREFIX, described, sections
from voicebridge.settings.files import TomlFile, from_text
from voicebridge.settings.problems import complaint, shown, unknown_key, wrong_value
from voicebridge.settings.schema import Settings

DEFAULT = "default"
SERVICE = "service"
SERVICE_DEFAULTS = {"audio.retry": True, "engine.required": False}
"""Where a service differs: it hears for months, and a microphone or a model may be missing for a while."""
COMMAND_LINE = "command line"
_ADVICE = "`voicebridge config template` shows every setting."


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force and where each came from.

    ``origins`` has every key: ``default``, ``service``, ``FILE:LINE``, ``environment NAME`` or ``command line``.
    ``notices`` are sentences about what was ignored.
    """

    settings: Settings
    origins: Mapping[str, str]
    notices: tuple[str, ...] = ()


class _Sourced(BaseSettings, Settings):
    """The settings as pydantic-settings' sources want them: they read names and nesting from here."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter=ENVIRONMENT_DELIMITER, extra="forbid"
    )


@dataclass(slots=True)
class _Layers:
    """The values of the layers read so far, by key; a later layer covers an earlier one."""

    values: dict[str, Any]
    origins: dict[str, str]
    problems: list[str]

    def put(self, key: str, value: object, origin: str) -> None:
        self.values[key] = value
        self.origins[key] = origin


def load(
    config: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    system_config: Path = paths.SYSTEM_CONFIG,
    service: bool = False,
) -> Loaded:
    """Read all layers and return the settings in force.

    ``config`` replaces the system's and the user's file and must exist. ``overrides`` are ``section.name=value``.
    ``service`` puts a service's defaults over those of the schema.
    Raises SettingsError, which names every problem that was found, each with its key, value and origin.
    """
    layers = _Layers({}, {}, [])
    for key, value in SERVICE_DEFAULTS.items() if service else ():
        layers.put(key, value, SERVICE)
    notices = _put_all(layers, config, overrides, environ, system_config)
    settings = _validated(layers)
    if settings is None or layers.problems:
        raise SettingsError(complaint(layers.problems), _ADVICE if len(layers.problems) == 1 else f"\n{_ADVICE}")
    return Loaded(settings, {key: layers.origins.get(key, DEFAULT) for key in described()}, tuple(notices))


def state_named(
    config: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    *,
    system_config: Path = paths.SYSTEM_CONFIG,
) -> Path | None:
    """Return `store.state_dir` as far as it can be read, whatever mistakes there are beside it; None where it is not.

    A daemon that runs must be found, to be muted for instance, also when its settings have been broken since.
    """
    layers = _Layers({}, {}, [])
    _put_all(layers, config, overrides, environ, system_config)
    value = layers.values.get("store.state_dir")
    return Path(value).expanduser() if isinstance(value, str) and value else None


def digest(settings: Settings) -> str:
    """Return 16 hexadecimal digits that are equal for equal settings (the start of a SHA-256)."""
    canonical = json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _put_all(
    layers: _Layers, config: Path | None, overrides: Sequence[str], environ: Mapping[str, str], system_config: Path
) -> list[str]:
    """Take all that was given, lowest layer first; return notices about what was ignored."""
    for path, required in _files(config, environ, system_config):
        _put_file(layers, path, required)
    notices = _put_environment(layers, environ)
    for override in overrides:
        _put_override(layers, override)
    return notices


def _files(config: Path | None, environ: Mapping[str, str], system_config: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the files to read, lowest layer first, each with whether it must exist."""
    if config is not None:
        yield config, True
        return
    yield system_config, False
    try:
        yield paths.user_config(environ), False
    except SettingsError:
        # A service user without a home directory has no file there either.
        return


def _put_file(layers: _Layers, path: Path, required: bool) -> None:
    try:
        file = TomlFile(_Sourced, path, required=required)
    except SettingsError as error:
        layers.problems.append(str(error))
        return
    for key, value in _leaves(file()):
        origin = f"{path}:{line}" if (line := file.line_of(key)) else str(path)
        setting = described().get(key)
        if setting is None:
            layers.problems.append(unknown_key(key, origin, described()))
        elif not setting.takes(value):
            layers.problems.append(wrong_value(setting, value, origin))
        else:
            layers.put(key, value, origin)


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield ``section.name`` and value; what is no section, or too deep, has a key that no setting has."""
    for section, content in values.items():
        if isinstance(content, Mapping):
            yield from ((f"{section}.{name}", value) for name, value in content.items())
        else:
            yield section, content


def _put_environment(layers: _Layers, environ: Mapping[str, str]) -> list[str]:
    """Take the variables of settings; return notices about others that look like ours."""
    known = {setting.environment: setting for setting in described().values()}
    blurred = {name.replace(ENVIRONMENT_DELIMITER, "_"): name for name in known}
    given, notices = {}, []
    for name in sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX)):
        rest = name.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name in known:
            given[name] = from_text(environ[name])
        elif name in blurred:
            layers.problems.append(f"{name} (environment): two underscores are needed: {blurred[name]}")
        elif rest in sections(Settings):
            layers.problems.append(f"{name} (environment): a section cannot be set, only each of its settings")
        elif ENVIRONMENT_DELIMITER in rest:
            layers.problems.append(unknown_key(name, "environment", known))
        else:
            notices.append(f"The environment variable {name} is no setting and is ignored.")
    for key, value in _leaves(_nested_by_pydantic(given)):
        layers.put(key, value, f"environment {described()[key].environment}")
    return notices


def _nested_by_pydantic(given: Mapping[str, Any]) -> dict[str, Any]:
    source = EnvSettingsSource(_Sourced)
    # The source has read os.environ by itself; what counts here is the environment that load() was given.
    source.env_vars = {name.lower(): value for name, value in given.items()}
    return source()


def _put_override(layers: _Layers, override: str) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals:
        layers.problems.append(f"{override!r} ({COMMAND_LINE}): must be KEY=VALUE, such as vad.mode=silero")
    elif key not in described():
        layers.problems.append(unknown_key(key, COMMAND_LINE, described()))
    else:
        layers.put(key, from_text(text), COMMAND_LINE)


def _validated(layers: _Layers) -> Settings | None:
    nested: dict[str, dict[str, Any]] = {}
    for key, value in layers.values.items():
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            layers.problems.append(_told(layers, fault))
        return None


def _told(layers: _Layers, fault: Any) -> str:
    """Tell one of pydantic's errors: of a setting, or of several of one section that do not fit together."""
    key = ".".join(str(part) for part in fault["loc"][:2])
    reason = str(fault["msg"]).removeprefix("Value error, ")
    if setting := described().get(key):
        why = reason if fault["type"] == "value_error" else ""
        return wrong_value(setting, layers.values[key], layers.origins[key], why)
    involved = ", ".join(
        f"{other} = {shown(setting, layers.values.get(other, setting.default))} ({layers.origins.get(other, DEFAULT)})"
        for other, setting in described().items()
        if setting.section == key and setting.name in reason
    )
    return f"[{key}]: {reason}; now {involved}"
