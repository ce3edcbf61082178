"""What the commands write: a result to a file or to standard output, and how far they are to a terminal."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from voicebridge.domain.errors import ExitCode, VoicebridgeError

STANDARD_OUTPUT = Path("-")
JSON_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


def require_writable(*files: Path | None) -> None:
    """Raise UsageError now for what would else be found out after minutes."""
    for file in files:
        if file is None or file == STANDARD_OUTPUT:
            continue
        if not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
            raise click.UsageError(f"{file} cannot be written: its directory is not there, or not writable.")


def write(file: Path, text: str) -> None:
    """Write a text, so that a file is there whole or not at all. Raises VoicebridgeError."""
    if file == STANDARD_OUTPUT:
        click.echo(text)
        return
    partial = file.with_name(f".{file.name}.partial")
    try:
        if file.exists() and not file.is_file():
            # A device or a pipe is written to, and never replaced.
            file.write_text(text + "\n", encoding="utf-8")
            return
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise VoicebridgeError(f"{file} cannot be written: {error.strerror}.", exit_code=ExitCode.STORE) from error


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Have SIGTERM end what is within as Ctrl-C does: with what is known so far."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """Give what tells a terminal what is being done, and its share (0 to 1); a pipe is told nothing."""
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
