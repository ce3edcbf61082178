"""`voicebridge backup`: a copy of what was heard, made while the daemon runs."""

import logging
import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.service_state import for_reading, for_writing
from voicebridge.cli.shown import utterances
from voicebridge.daemon.journal import JOURNAL_SOCKET
from voicebridge.domain.errors import SettingsError, VoicebridgeError
from voicebridge.domain.text import printable
from voicebridge.settings import LogSettings, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voicebridge.store.backup import Progress

logger = logging.getLogger(__name__)


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path, readable=False), required=False, metavar="[FILE]")
@click.option("--with-audio", is_flag=True, help="Also the spool and kept audio; the backup is a tar then.")
@click.option(
    "--keep", type=click.IntRange(1), help="Without FILE: keep so many backups [default: store.backups_kept]."
)
@click.option("--force", is_flag=True, help="Write over a file that is there already.")
@click.pass_obj
def command(invocation: Invocation, target: Path | None, with_audio: bool, keep: int | None, force: bool) -> None:
    """Copy the database as it is now, check the copy, and only then give it its name.

    Works while the daemon runs, which does not wait for it. Without FILE the backup goes into `backups` in the state
    directory, named by its time (UTC), and the oldest there are deleted. Models and settings are not in it. Put it back
    with `voicebridge restore`.
    """
    from voicebridge.store.backup import Wish, backup, default_target, rotate

    if target is not None and keep is not None:
        raise click.UsageError("--keep is for backups in the state directory, without FILE.")
    now = datetime.now(UTC)
    with logged_in_journal(invocation) as log_made:
        invocation = for_writing(invocation) if target is None else _for_a_file(invocation, target)
        store, state = invocation.settings.store, paths.state_dir(invocation.settings)
        place = target.absolute() if target else default_target(state, now, with_audio=with_audio)
        with _shown_progress() as progress:
            done = backup(Wish(state, place, with_audio, force), store.busy_timeout_ms, progress)
        log_made(done.path)
    audio = f" and {done.audio_files} files of audio" if with_audio else ""
    size = f"{done.length_bytes / 1e6:.1f} MB"
    click.echo(f"{utterances(done.utterances)}{audio} backed up to {printable(str(done.path))} ({size}), checked.")
    if target is None and (old := rotate(place.parent, keep or store.backups_kept, now)):
        click.echo(f"{len(old)} old backup{'' if len(old) == 1 else 's'} deleted.")


@contextmanager
def logged_in_journal(invocation: Invocation, journal: Path = JOURNAL_SOCKET) -> "Iterator[Callable[[Path], None]]":
    """Give what logs that a backup was made, and log that none could be: as an event, where a unit of systemd runs us.

    Elsewhere the person who calls is told, and nothing is logged.
    """
    from voicebridge.daemon.logs import configure_logging, is_journal_stream
    from voicebridge.daemon.messages import BACKUP_FAILED, BACKUP_MADE, log_event

    if not is_journal_stream(2, os.environ):
        yield lambda _: None
        return
    log = configure_logging(_log_settings(invocation), journal=journal)
    try:
        yield lambda path: log_event(logger, BACKUP_MADE, path=str(path))
    except VoicebridgeError as error:
        log_event(logger, BACKUP_FAILED, detail=str(error))
        raise
    finally:
        log.close()


def _log_settings(invocation: Invocation) -> LogSettings:
    try:
        return invocation.settings.log
    except SettingsError:
        return LogSettings()  # the backup fails by it, and that is to be logged


def _for_a_file(invocation: Invocation, target: Path) -> Invocation:
    """As root, for a stick that was mounted by hand is root's: but not into the state directory of somebody else."""
    place = target.absolute()
    inside = for_reading(invocation)
    return for_writing(inside) if place.is_relative_to(paths.state_dir(inside.settings)) else inside


@contextmanager
def _shown_progress() -> "Iterator[Progress]":
    """Give what shows how far it is, on a terminal only."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("backup", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
