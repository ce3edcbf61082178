"""`voicebridge reload`: let the daemon read its settings again."""

import click

from voicebridge.cli.asking import daemon_to_tell
from voicebridge.cli.invocation import Invocation


@click.command("reload")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Let the running daemon read its settings again, and say which are in force and which need a restart.

    Exit status: 0 read, 78 refused because of a mistake (the old settings stay in force), 3 no daemon runs, 77 no
    permission.
    """
    with daemon_to_tell(invocation) as daemon:
        answer = daemon.ask("reload")
    applied, needs_restart = answer["applied"], answer["needs_restart"]
    if applied:
        click.echo(f"In force from now on: {', '.join(applied)}.")
    if needs_restart:
        click.echo(f"Changed, but not in force before a restart: {', '.join(needs_restart)}.")
    if not applied and not needs_restart:
        click.echo("Nothing has changed.")
