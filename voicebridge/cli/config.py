"""`voicebridge config`: show, check and write settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.domain.errors import SettingsError, VoicebridgeError
from voicebridge.domain.text import printable

if TYPE_CHECKING:
    from pydantic import BaseModel

MASK = "********"


@click.group("config")
def command() -> None:
    """Show, check and write settings."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: key, value, default, origin of each.")
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@click.pass_obj
def show(invocation: Invocation, as_json: bool, changed: bool) -> None:
    """Print the value in force of each setting, and where it came from."""
    loaded = invocation.loaded
    rows = rows_of(loaded.settings, loaded.origins, changed=changed)
    if as_json:
        click.echo(json.dumps({"settings": rows, "notices": loaded.notices}, default=str))
        return
    _print_rows(rows)
    for notice in loaded.notices:
        click.echo(printable(notice), err=True)


@command.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path, readable=False))
@click.pass_obj
def check(invocation: Invocation, file: Path | None) -> None:
    """Say whether FILE, or else all settings in force, are right. Exit status: 0 they are, 78 they are not."""
    from voicebridge.settings.layers import load

    loaded = load(file, (), {}) if file is not None else invocation.loaded
    for notice in loaded.notices:
        click.echo(printable(notice), err=True)
    click.echo(f"{printable(str(file)) if file is not None else 'The settings'}: ok")


@command.command("template")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@click.option("--markdown", is_flag=True, help="Write the documentation of the settings instead.")
def template(output: Path | None, force: bool, markdown: bool) -> None:
    """Print a configuration file with every setting at its default."""
    from voicebridge.settings.template import render_markdown, render_toml

    text = render_markdown() if markdown else render_toml()
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise SettingsError(f"{output} exists.", "Give --force to overwrite it.") from error
    except OSError as error:
        raise VoicebridgeError(f"{output} cannot be written: {error.strerror}.") from error


def rows_of(settings: "BaseModel", origins: Mapping[str, str], *, changed: bool) -> list[dict[str, Any]]:
    """Return key, value, default and origin of each setting; the values of secret ones are masked."""
    from voicebridge.settings.describe import described

    values = settings.model_dump()
    rows = []
    for setting in described(type(settings)).values():
        value = values[setting.section][setting.name]
        if changed and value == setting.default:
            continue
        shown, default = (MASK, MASK) if setting.secret else (value, setting.default)
        rows.append({"key": setting.key, "value": shown, "default": default, "origin": origins[setting.key]})
    return rows


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from voicebridge.settings.template import toml_value

    shown = [(row["key"], printable(toml_value(row["value"])), printable(row["origin"])) for row in rows]
    key_width, value_width = (max((len(row[column]) for row in shown), default=0) for column in (0, 1))
    for key, value, origin in shown:
        click.echo(f"{key:<{key_width}}  {value:<{min(value_width, 40)}}  {origin}")
