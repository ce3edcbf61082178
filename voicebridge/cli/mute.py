"""`voicebridge mute`: stop hearing, without stopping the daemon."""

import click

from voicebridge.cli.asking import daemon_to_tell
from voicebridge.cli.invocation import Invocation


@click.command("mute")
@click.option("--keep", is_flag=True, help="Also after a restart, until `voicebridge unmute`.")
@click.pass_obj
def command(invocation: Invocation, keep: bool) -> None:
    """Let the running daemon hear nothing but silence, until `voicebridge unmute`.

    The same as SIGUSR1. Exit status: 0 muted, 3 no daemon runs, 74 muted but it cannot be kept, 77 no permission.
    """
    with daemon_to_tell(invocation) as daemon:
        daemon.ask("mute", keep=keep)
        state = daemon.greeting.state_dir
    click.echo(f"Muted (state directory {state}){', also after a restart' if keep else ''}.")
