"""`voicebridge restore`: put a backup back."""

from datetime import UTC, datetime
from pathlib import Path

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.service_state import for_reading
from voicebridge.cli.shown import utterances
from voicebridge.domain.text import printable
from voicebridge.settings import paths


@click.command("restore")
@click.argument("source", type=click.Path(path_type=Path, readable=False), metavar="FILE")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(invocation: Invocation, source: Path, yes: bool) -> None:
    """Put a backup in the place of the database, and its audio in the place of the audio if it holds audio.

    The daemon must be stopped. The backup is checked first; what is there now is not deleted but set aside, under a
    name that is told. What waits in the spool is decoded into the restored database at the next start, unless the
    backup brings its own.
    """
    from voicebridge.store.restore import restore

    # As root, for the backup may be root's: what is put back is given to the owner of the state directory.
    invocation = for_reading(invocation)
    state = paths.state_dir(invocation.settings)
    if not yes and paths.database_path(state).exists():
        click.confirm(f"Replace the database in {printable(str(state))}?", abort=True, err=True)
    done = restore(source.absolute(), state, datetime.now(UTC))
    audio = f" and {done.audio_files} files of audio" if done.with_audio else ""
    click.echo(f"{utterances(done.utterances)}{audio} restored.")
    for path in done.set_aside:
        click.echo(f"What was there before is in {printable(str(path))}.")
