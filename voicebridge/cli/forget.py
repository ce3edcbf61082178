"""`voicebridge forget`: delete what was heard, really."""

import sys
import time

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import ID, Period, between, changing, utterances
from voicebridge.cli.when import duration
from voicebridge.domain.errors import ExitCode


@click.command("forget")
@click.argument("ids", type=ID, nargs=-1, metavar="[ID]...")
@click.option("--last", type=duration, help="What was heard in the last 10m, 2h, 3d.")
@between
@click.option("--all", "everything", is_flag=True, help="Everything that was ever heard.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(
    invocation: Invocation,
    ids: tuple[int, ...],
    last: float | None,
    period: Period,
    everything: bool,
    yes: bool,
) -> None:
    """Delete text, words, audio and index of utterances, so that nothing of them stays in the state directory.

    An utterance that lies only partly in the given time is deleted whole; of a file or pipe that is not played at the
    pace of time, the time is when it was heard here. Of a session without any utterance left, the name of its source
    is deleted too; when it ran, and on which machine, stays. With --all its events go as well. Exit status 1 when there
    was nothing to delete, or when other programs keep the deleted text in the write-ahead log for now.
    """
    from voicebridge.store.forget import BACKUPS_MAY_HOLD_IT, Selection, count, forget

    chosen = [bool(ids), last is not None, bool(period), everything]
    if sum(chosen) != 1:
        raise click.UsageError("Say what to forget: IDs, or --last, or --since and --until, or --all.")
    selection = Selection(ids, period.since, period.until, everything)
    if last is not None:
        selection = Selection.heard_last(last, time.time())
    with changing(invocation) as (db, state):
        number = count(db, selection)
        if number and not yes:
            click.confirm(f"Delete {utterances(number)} for good?", abort=True, err=True)
        done = forget(db, state, selection)
    click.echo(f"{utterances(done.utterances)} forgotten, {done.audio_files} with audio.")
    if done.sources:
        sessions = "1 session is" if done.sources == 1 else f"{done.sources} sessions are"
        click.echo(f"{sessions} left without utterances: times and machine are kept, the name of the source is not.")
    click.echo(BACKUPS_MAY_HOLD_IT)
    if done.open_left:
        click.echo("What is being heard just now is not deleted: forget it when it has ended.", err=True)
    if not done.log_is_clean:
        click.echo(
            "Other programs are reading the database: deleted text may stay in its -wal file until they stop. "
            "Then run this again.",
            err=True,
        )
    if not done.log_is_clean or not (done.utterances or done.audio_files or done.sources):
        sys.exit(ExitCode.FAILURE)
