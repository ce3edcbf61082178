"""`voicebridge forget`: delete what was heard, really."""

import sys
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import ID, Command, Period, between, changing, utterances
from voicebridge.cli.when import duration
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.text import printable

if TYPE_CHECKING:
    from voicebridge.store.forget import Forgotten, Selection


def choosing(function: Command) -> Command:
    """Add the options that say what to forget, given to the command as ``selection``."""

    @click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
    @click.option("--last", type=duration, help="What was heard in the last 10m, 2h, 3d.")
    @between
    @click.option("--all", "everything", is_flag=True, help="Everything that was ever heard.")
    @wraps(function)
    def with_selection(
        *args: Any, ids: tuple[int, ...], last: float | None, period: Period, everything: bool, **options: Any
    ) -> None:
        from voicebridge.store.forget import Selection

        if sum([bool(ids), last is not None, bool(period), everything]) != 1:
            raise click.UsageError("Say what to forget: IDs, or --last, or --since and --until, or --all.")
        selection = Selection(ids, period.since, period.until, everything)
        if last is not None:
            selection = Selection.heard_last(last, time.time())
        function(*args, selection=selection, **options)

    return with_selection


@click.command("forget")
@choosing
@click.option("--copies", "with_copies", is_flag=True, help="Delete backups and what was set aside, too.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(invocation: Invocation, selection: "Selection", with_copies: bool, yes: bool) -> None:
    """Delete text, words, audio and index of utterances, so that nothing of them stays in the database and the audio.

    Backups in the state directory and databases that were set aside there may still hold them: they are named, and
    deleted whole with --copies. An utterance that lies only partly in the given time is deleted whole; of a file or
    pipe that is not played at the pace of time, the time is when it was heard here. Of a session without any utterance
    left, the name of its source is deleted too; when it ran, and on which machine, stays. With --all its events go as
    well. Exit status 1 when there was nothing to delete, or when other programs keep the deleted text in the
    write-ahead log for now.
    """
    from voicebridge.store.copies import copies, delete_copies
    from voicebridge.store.forget import count, forget

    with changing(invocation) as (db, state):
        number, found = count(db, selection), copies(state)
        doomed = found if with_copies else []
        if (number or doomed) and not yes:
            click.confirm(_question(number, len(doomed)), abort=True, err=True)
        done = forget(db, state, selection)
        delete_copies(doomed)
    _tell(done)
    _tell_copies(found, deleted=with_copies)
    if not done.log_is_clean or not (done.utterances or done.audio_files or done.sources or doomed):
        sys.exit(ExitCode.FAILURE)


def _question(number: int, copies: int) -> str:
    more = f" and {copies} cop{'y' if copies == 1 else 'ies'} of the database or the audio" if copies else ""
    return f"Delete {utterances(number)}{more} for good?"


def _tell(done: "Forgotten") -> None:
    click.echo(f"{utterances(done.utterances)} forgotten, {done.audio_files} with audio.")
    if done.sources:
        sessions = "1 session is" if done.sources == 1 else f"{done.sources} sessions are"
        click.echo(f"{sessions} left without utterances: times and machine are kept, the name of the source is not.")
    if done.open_left:
        click.echo("What is being heard just now is not deleted: forget it when it has ended.", err=True)
    if not done.log_is_clean:
        click.echo(
            "Other programs are reading the database: deleted text may stay in its -wal file until they stop. "
            "Then run this again.",
            err=True,
        )


def _tell_copies(found: list[Path], *, deleted: bool) -> None:
    from voicebridge.store.forget import COPIES_MAY_HOLD_IT

    if found:
        click.echo("Deleted, too:" if deleted else "These copies may still hold it; --copies deletes them whole:")
    for path in found:
        click.echo(f"  {printable(str(path))}")
    click.echo(COPIES_MAY_HOLD_IT)
