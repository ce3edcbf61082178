"""`voicebridge unmute`: hear again."""

import click

from voicebridge.cli.asking import daemon_to_tell
from voicebridge.cli.invocation import Invocation


@click.command("unmute")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Let the running daemon hear again, also after a restart. The same as SIGUSR2.

    Exit status: 0 not muted, 3 no daemon runs, 74 not muted now but again after a restart, 77 no permission.
    """
    with daemon_to_tell(invocation) as daemon:
        daemon.ask("unmute")
        state = daemon.greeting.state_dir
    click.echo(f"Not muted (state directory {state}).")
