"""`voicebridge retry`: decode a failed or rejected utterance again."""

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import ID, changing, utterances
from voicebridge.settings import paths


@click.command("retry")
@click.argument("ids", type=ID, nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def command(invocation: Invocation, ids: tuple[int, ...]) -> None:
    """Queue failed or rejected utterances again, if their audio is still there."""
    from voicebridge.store.lock import holder
    from voicebridge.store.retention import KeptAudio, Retention
    from voicebridge.store.retry import retry
    from voicebridge.store.spool import DirectorySpool

    with changing(invocation) as (db, state):
        spool = DirectorySpool(paths.spool_dir(state))
        for utterance_id in ids:
            retry(db, spool, KeptAudio(state, Retention(keeps=False)), utterance_id)
        running = holder(state) is not None
    when = "shortly, by the daemon that runs" if running else "when `voicebridge run` is started"
    click.echo(f"{utterances(len(ids))} queued; decoded {when}.")
