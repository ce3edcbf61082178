"""`voicebridge completion`: the script that teaches a shell our commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For bash: voicebridge completion bash > ~/.local/share/bash-completion/completions/voicebridge
    """
    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(ctx.find_root().command, {}, "voicebridge", "_VOICEBRIDGE_COMPLETE")
    # Not source(): for bash it runs the bash of this machine for its version, which need not be the one that reads it.
    click.echo(script.source_template % script.source_vars())
