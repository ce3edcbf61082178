"""Command line: one module per command, imported only when it is called."""

import errno
import io
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from voicebridge import __version__
from voicebridge.cli.invocation import Invocation
from voicebridge.cli.lazy import LazyGroup
from voicebridge.cli.leaving import leave
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.text import printable

COMMANDS = {
    "run": "Hear, and store what is said.",
    "transcribe": "Turn audio files into text.",
    "history": "Show what was heard.",
    "search": "Find words in what was heard.",
    "export": "Write what was heard to a file.",
    "forget": "Delete what was heard, really.",
    "retry": "Decode a failed utterance again.",
    "backup": "Copy what was heard, while the daemon runs.",
    "restore": "Put a backup back.",
    "status": "Show how the daemon is.",
    "health": "Show how the daemon was: its checkpoints.",
    "mute": "Hear nothing but silence, until unmuted.",
    "unmute": "Hear again.",
    "reload": "Let the daemon read its settings again.",
    "devices": "List microphones, with their level.",
    "models": "List, pull and verify speech models.",
    "doctor": "Check everything that hearing needs.",
    "config": "Show, check and write settings.",
    "completion": "Print the completion script of a shell.",
}
"""Name of each command and its one line of help. The module ``voicebridge.cli.NAME`` holds it as ``command``."""


# readable=False, here and in the commands: a file that may not be read is told in our own words, not as wrong usage.
OUTPUT_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What writing to standard output says when its disk is full or broken; our own files are written with names."""


@click.group(
    name="voicebridge",
    cls=LazyGroup,
    table=COMMANDS,
    package="voicebridge.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`voicebridge COMMAND --help` tells more. If nothing is heard, start with `voicebridge doctor`.",
)
@click.version_option(__version__, "-V", "--version")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="Read this file instead of the system's and the user's configuration.",
)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set one value: -s vad.mode=silero")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Use the database and spool in this directory.")
@click.pass_context
def group(ctx: click.Context, config: Path | None, overrides: tuple[str, ...], state_dir: Path | None) -> None:
    """Turn a microphone into text that can be relied on."""
    if state_dir is not None:
        overrides = (*overrides, f"store.state_dir={state_dir.absolute()}")
    ctx.obj = Invocation(config=config, overrides=overrides)


def main(args: list[str] | None = None) -> None:
    """Run a command and leave with its exit status; the user's mistakes get one clear line, ours a traceback."""
    # onnxruntime otherwise looks up a host of its maker and writes an id under the home directory.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    _secure_streams()
    leave(guarded(group, args))


def _secure_streams() -> None:
    """Occupy standard descriptors that are closed, or the database and the spool would get their numbers.

    What a stream's encoding lacks is written as an escape: a letter must not end what hears for months.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def guarded(command: click.Command, args: list[str] | None = None, **extra: Any) -> int:
    """Run a click command and return its exit status, with every error told as it should be.

    A reader that has gone (head, less) ends it with status 1 and no message: click sees to that.
    """
    try:
        result = command.main(args=args, standalone_mode=False, **extra)
    except VoicebridgeError as error:
        return _complain(command, error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the top of the main thread
        return _fault(command, error)
    return result if isinstance(result, int) else ExitCode.OK


def _fault(command: click.Command, error: Exception) -> int:
    if isinstance(error, OSError) and error.filename is None and error.errno in OUTPUT_FAULTS:
        click.echo(f"{command.name}: the output cannot be written: {error.strerror}.", err=True)
        return ExitCode.FAILURE
    traceback.print_exception(error)
    click.echo("voicebridge: this is a fault of Voicebridge itself; please report the lines above.", err=True)
    return ExitCode.INTERNAL


def _complain(command: click.Command, error: VoicebridgeError) -> int:
    # A message may have several lines; each is cleaned by itself.
    click.echo(f"{command.name}: " + "\n".join(printable(line).rstrip() for line in str(error).split("\n")), err=True)
    return error.code
