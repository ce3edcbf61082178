"""`voicebridge-bench run`: what each part costs on this machine, against targets."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench import output
from voicebridge_bench.components.figure import SUITE_NAMES, UTTERANCES, suite
from voicebridge_bench.components.host import CLASSES
from voicebridge_bench.components.results import Outcome

if TYPE_CHECKING:
    from voicebridge_bench.components.results import Run
    from voicebridge_bench.components.runner import Progress

ITERATIONS = 200
MAX_ITERATIONS = 100_000
SPARE_BYTES = 1_000_000_000
"""Free space asked of the scratch directory: a database of 100,000 utterances, its log and its backup take 0.3 GB."""
EXITS = {Outcome.PASSED: ExitCode.OK, Outcome.FAILED: ExitCode.FAILURE, Outcome.INCOMPLETE: ExitCode.UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of the command, by their names."""

    names: tuple[str, ...]
    iterations: int
    utterances: int
    json_file: Path | None
    html_file: Path | None
    targets_file: Path | None
    hardware_class: str | None
    scratch: Path | None
    list_only: bool


@click.command("run")
@click.option("--suite", "names", type=click.Choice(SUITE_NAMES), multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--iterations",
    type=click.IntRange(1, MAX_ITERATIONS),
    default=ITERATIONS,
    show_default=True,
    help="Of a figure of milliseconds; the others are scaled with it.",
)
@click.option(
    "--utterances", type=click.IntRange(1, 1_000_000), default=UTTERANCES, show_default=True, help="Searched."
)
@click.option("--json", "json_file", type=output.JSON_FILE, help="Write the result to this file; - prints it.")
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report, one page, to this file.",
)
@click.option(
    "--targets", "targets_file", type=click.Path(path_type=Path, readable=False), help="Over the shipped ones."
)
@click.option("--class", "hardware_class", type=click.Choice(CLASSES), help="Instead of the class that is detected.")
@click.option(
    "--scratch", type=click.Path(path_type=Path, file_okay=False), help="A directory on a disk. Default: here."
)
@click.option("--list", "list_only", is_flag=True, help="List suites and figures, and measure nothing.")
def command(**options: Any) -> int:
    """Measure the parts of Voicebridge on this machine, and hold each figure against its target.

    Figures are taken in eight rounds over the whole run, with warm-up before each; what is given has enough samples
    behind it, what is not says why.

    Exit status: 0 all targets met, 1 one missed or a suite broke, 2 wrong usage or targets, 69 not everything could be
    measured or judged here, 130 ended early.
    """
    wanted = RunOptions(**options)
    if wanted.list_only:
        click.echo("\n".join(_listed()))
        return ExitCode.OK
    if wanted.html_file == output.STANDARD_OUTPUT:
        raise click.UsageError("--html needs a file; --json alone can be printed.")
    output.require_writable(wanted.json_file, wanted.html_file)
    run = _run(wanted)
    from voicebridge_bench.components.show import run_lines

    if wanted.json_file != output.STANDARD_OUTPUT:
        # First of all: a file that cannot be written must not cost the result.
        click.echo("\n".join(run_lines(run)))
    _write(run, wanted.json_file, wanted.html_file)
    return ExitCode.INTERRUPTED if run.interrupted else EXITS[run.outcome]


def _run(wanted: RunOptions) -> "Run":
    from voicebridge_bench.components import host, runner, targets

    in_force = targets.load(wanted.targets_file)
    machine = host.look()
    detected = host.class_of(machine)
    if wanted.hardware_class is not None:
        told = f"as --class says; detected: {detected.name or 'none'}, {detected.reason}"
        detected = host.HardwareClass(wanted.hardware_class, told)
    suites = [suite(name) for name in dict.fromkeys(wanted.names or SUITE_NAMES)]
    wish = runner.Wish(suites, wanted.iterations, in_force, detected)
    with output.sigterm_interrupts(), _scratch(wanted.scratch) as folder, _progress() as progress:
        context = runner.context_in(folder, _models_dir(), wanted.utterances)
        return runner.run(wish, context, machine, progress)


def _models_dir() -> Path:
    from voicebridge.settings import paths
    from voicebridge.settings.layers import load

    return paths.models_dir(load(environ=os.environ).settings)


def _listed() -> Iterator[str]:
    for name in SUITE_NAMES:
        one = suite(name)
        yield f"{one.name}: {one.title}"
        yield from (f"  {figure}" for figure in one.names)


@contextmanager
def _scratch(place: Path | None) -> Iterator[Path]:
    """Give a directory on the disk that is to be measured, and delete it at the end.

    Where none can be made here, and none was named, it is made where temporary files are.
    """
    folder = _made_in(place) if place else _made_here()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made_here() -> Path:
    try:
        return _made_in(Path.cwd())
    except (VoicebridgeError, FileNotFoundError):  # of cwd: it was deleted
        return _made_in(Path(tempfile.gettempdir()))


def _made_in(parent: Path) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(parent).free
        if free >= SPARE_BYTES:
            return Path(tempfile.mkdtemp(prefix=".voicebridge-bench-", dir=parent)).absolute()
    except OSError as error:
        raise VoicebridgeError(
            f"No scratch directory can be made in {parent}: {error.strerror}.",
            "Name a directory that can be written, on a disk, with --scratch.",
            exit_code=ExitCode.STORE,
        ) from error
    raise VoicebridgeError(
        f"{parent} has {free // 1_000_000} MB free, and {SPARE_BYTES // 1_000_000} MB are needed for a while.",
        "Name a directory on another disk with --scratch.",
        exit_code=ExitCode.STORE,
    )


def _write(run: "Run", json_file: Path | None, html_file: Path | None) -> None:
    if json_file is not None:
        output.write(json_file, run.model_dump_json(indent=1))
    if html_file is not None:
        from voicebridge_bench.components.html import page

        output.write(html_file, page(run))


@contextmanager
def _progress() -> "Iterator[Progress]":
    """Give what tells a terminal how far it is; a pipe is told nothing."""
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<32}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
