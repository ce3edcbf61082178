"""``voicebridge models``: list, pull, add, verify and remove speech models."""

import difflib
import json
from pathlib import Path

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.service_state import for_reading, for_writing, require_readable
from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.domain.text import printable
from voicebridge.settings.paths import models_dir
from voicebridge.speech import models


@click.group("models")
def command() -> None:
    """List, pull and verify speech models."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_models(invocation: Invocation, as_json: bool) -> None:
    """List the models on disk and those that can be pulled."""
    invocation = for_reading(invocation)
    directory = models_dir(invocation.settings)
    found = models.installed(directory)
    names = {model.name for model in found}
    pullable = [name for name in models.REPOSITORIES if name not in names]
    chosen = invocation.settings.whisper.model
    if as_json:
        rows = [
            {"name": model.name, "path": str(model.path), "bytes": model.size_bytes, "chosen": model.name == chosen}
            for model in found
        ]
        click.echo(json.dumps({"directory": str(directory), "installed": rows, "pullable": pullable}, indent=2))
        return
    click.echo(f"On disk, in {directory}:" if found else f"No models in {directory}.")
    for model in found:
        mark = "  (whisper.model)" if model.name == chosen else ""
        click.echo(f"  {printable(model.name):20} {model.size_bytes / 1e6:8.1f} MB{mark}")
    click.echo(f"To pull: {', '.join(pullable)}")
    click.echo("PocketSphinx's English model is inside its package and always there.")


@command.command()
@click.argument("name")
@click.pass_obj
def pull(invocation: Invocation, name: str) -> None:
    """Download a model by its NAME, such as base.en."""
    path = pull_shown(name, models_dir(for_writing(invocation, models_dir).settings))
    click.echo(f"Model {name} is in {path}.")


def pull_shown(name: str, directory: Path) -> Path:
    """Download a model into the models directory with a progress bar; return its folder. Raises SpeechError."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from voicebridge.speech.hub import pull as pull_model

    _check_name(name)
    _make_parent(directory)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(printable(name), total=None)
        return pull_model(name, directory, lambda done, total: bar.update(task, completed=done, total=total))


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it; by default the folder's name.")
@click.pass_obj
def add(invocation: Invocation, folder: Path, name: str | None) -> None:
    """Copy a model from a FOLDER, such as one on a USB stick."""
    directory = models_dir(for_writing(invocation, models_dir).settings)
    require_readable(folder)
    _make_parent(directory)
    path = models.add_folder(folder, directory, name)
    click.echo(f"Model {path.name} is in {path}.")


@command.command()
@click.argument("name", required=False)
@click.pass_obj
def verify(invocation: Invocation, name: str | None) -> int:
    """Check every file of a model, or of all; leaves with 1 when one is damaged."""
    directory = models_dir(for_reading(invocation).settings)
    paths = [_existing(name, directory)] if name else [model.path for model in models.installed(directory)]
    if not paths:
        click.echo(f"No models in {directory}.")
    damaged = 0
    for path in paths:
        problems = models.verify(path)
        damaged += bool(problems)
        noted = "" if models.has_checksums(path) else " (no checksums were noted; its structure is whole)"
        click.echo(f"{printable(path.name)}: {'damaged: ' + '; '.join(problems) if problems else 'ok' + noted}")
    return ExitCode.FAILURE if damaged else ExitCode.OK


@command.command()
@click.argument("name")
@click.pass_obj
def remove(invocation: Invocation, name: str) -> None:
    """Delete a model by its NAME."""
    models.remove(name, models_dir(for_writing(invocation, models_dir).settings))
    click.echo(f"Model {name} is deleted.")


def _make_parent(directory: Path) -> None:
    """Make what the models directory stands in, usually the state directory, closed to others as `run` would."""
    from voicebridge.store.database import make_directory

    make_directory(directory.parent)


def _check_name(name: str) -> None:
    """Raise SpeechError for a model that nobody knows, before anything is made for it."""
    if name in models.REPOSITORIES:
        return
    meant = difflib.get_close_matches(name, models.REPOSITORIES, n=1)
    raise SpeechError(
        f"{name!r} is not a known model" + (f"; did you mean {meant[0]}?" if meant else "."),
        f"Known are: {', '.join(models.REPOSITORIES)}.",
    )


def _existing(name: str, directory: Path) -> Path:
    path = models.find(name, directory)
    if path is None:
        raise SpeechError(f"There is no model {name} in {directory}.", "`voicebridge models list` shows what is there.")
    return path
