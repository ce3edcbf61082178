"""The configuration file and its documentation, rendered from the schema so that they cannot disagree with it."""

import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from voicebridge.settings.describe import Setting, described, docstrings, sections
from voicebridge.settings.schema import Settings

_COMMENT_COLUMNS = 100
_TOML_HEAD = """\
# Settings of Voicebridge: each at its default. Remove the # before a line to change it.
# Later values cover earlier ones: /etc/voicebridge/voicebridge.toml, ~/.config/voicebridge/voicebridge.toml,
# environment variables such as VOICEBRIDGE_VAD__MODE, and on the command line -s vad.mode=silero.
# `voicebridge config check` says whether a file is right, `voicebridge config show` where each value came from.
"""
_MARKDOWN_HEAD = """\
# Configuration

This page is generated: `voicebridge config template --markdown --output docs/configuration.md --force`.

Later values cover earlier ones:

1. the defaults below,
2. `/etc/voicebridge/voicebridge.toml`,
3. the user's file, `$XDG_CONFIG_HOME/voicebridge/voicebridge.toml` (usually `~/.config/voicebridge/voicebridge.toml`),
4. environment variables, with two underscores between section and name,
5. `-s SECTION.NAME=VALUE` on the command line.

`--config FILE` replaces both files. An unknown key or a value that is not allowed is an error (exit status 78) that
names the key, the value and where it stands. `voicebridge config show` prints every value in force and where it came
from, `voicebridge config check FILE` says whether a file is right.
"""


def render_toml() -> str:
    """Return a configuration file with every setting, commented out, at its default."""
    parts = [_TOML_HEAD]
    for section, model in sections(Settings).items():
        meanings = docstrings(model)
        parts.append(f"\n[{section}]\n{_comment(_summary(model))}")
        parts.extend(
            f"\n{_comment(meanings[setting.name])}{_comment(_allowed_sentence(setting))}"
            f"#{setting.name} = {toml_value(setting.default)}\n"
            for setting in _settings_of(section)
        )
    return "".join(parts)


def render_markdown() -> str:
    """Return docs/configuration.md."""
    parts = [_MARKDOWN_HEAD]
    for section, model in sections(Settings).items():
        meanings = docstrings(model)
        parts.append(f"\n## {section}\n\n{_summary(model)}\n\n")
        parts.append("| key | default | allowed | meaning | environment |\n| --- | --- | --- | --- | --- |\n")
        parts.extend(_row(setting, meanings[setting.name]) for setting in _settings_of(section))
    return "".join(parts)


def toml_value(value: Any) -> str:
    """Return a setting's value as TOML; None, which TOML lacks, as the empty text that means it."""
    if value is None:
        return '""'
    if isinstance(value, SecretStr):
        value = value.get_secret_value()  # a default, which is no secret
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _settings_of(section: str) -> list[Setting]:
    return [setting for setting in described().values() if setting.section == section]


def _row(setting: Setting, meaning: str) -> str:
    cells = (
        f"`{setting.key}`",
        f"`{toml_value(setting.default)}`",
        setting.allowed,
        meaning,
        f"`{setting.environment}`",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _allowed_sentence(setting: Setting) -> str:
    return f"{setting.allowed[0].upper()}{setting.allowed[1:]}."


def _comment(text: str) -> str:
    return textwrap.indent("\n".join(textwrap.wrap(text, _COMMENT_COLUMNS)), "# ") + "\n"


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())
