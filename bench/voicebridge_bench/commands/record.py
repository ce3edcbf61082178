"""`voicebridge-bench record`: read sentences into your own microphone, in your own room."""

import shutil
import socket
from pathlib import Path

import click

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.text import printable

SPARE_BYTES = 200_000_000
"""Free space asked for; 2000 sentences take 300 MB at most and 40 about 6 MB."""


@click.command("record")
@click.argument("folder", type=click.Path(path_type=Path, readable=False))
@click.option("--room", default="", help="Name of the room; kept with the recordings. [default: this machine's name]")
@click.option("--device", help="Microphone, instead of that of the settings: part of its name, or its index.")
@click.option(
    "--sentences", type=click.Path(path_type=Path, readable=False), help="Read these, one a line, instead of ours."
)
@click.option("--count", type=click.IntRange(1, 2000), help="Only so many of them.")
def command(folder: Path, room: str, device: str | None, sentences: Path | None, count: int | None) -> int:
    """Guide through sentences that you read aloud, and keep them in FOLDER with their words.

    What is clipped, silent or cut off is refused, with advice. You can quit at any time: the same command goes on
    where you left off. `accuracy FOLDER`, `latency FOLDER` and `tune --corpus FOLDER` then speak of your own place.

    Nothing leaves this machine; delete FOLDER, and the recordings are gone.

    Exit status: 0 FOLDER holds a recording, 1 it holds none, 69 no microphone, 130 ended by Ctrl-C.
    """
    from rich.console import Console

    from voicebridge.settings.layers import load
    from voicebridge_bench.recording.manifest import Folder
    from voicebridge_bench.recording.sentences import SENTENCES, read_sentences
    from voicebridge_bench.recording.session import Session
    from voicebridge_bench.recording.tape import opened
    from voicebridge_bench.recording.terminal import Terminal

    texts = list(SENTENCES if sentences is None else read_sentences(sentences))[:count]
    settings = load().settings
    if device is not None:
        settings = settings.model_copy(update={"audio": settings.audio.model_copy(update={"device": device})})
    keeping = Folder(folder, room)
    if not keeping.manifest.room:
        keeping.manifest = keeping.manifest.model_copy(update={"room": socket.gethostname()})
    _require_space(folder)
    console = Console(highlight=False)
    with opened(settings) as microphone:
        console.print(
            f"Microphone: {printable(microphone.name)}; room: {printable(keeping.manifest.room)}", markup=False
        )
        tally = Session(keeping, microphone, Terminal(console)).run(texts)
    click.echo(
        f"{tally.kept} kept, {tally.skipped} skipped, {tally.refused} refused; {tally.left} left of {len(texts)}."
    )
    if tally.left:
        click.echo("The same command goes on with those that are left.")
    else:
        click.echo(f"Next: voicebridge-bench accuracy {folder}")
    return ExitCode.OK if keeping.manifest.takes else ExitCode.FAILURE


def _require_space(folder: Path) -> None:
    if (free := shutil.disk_usage(folder).free) < SPARE_BYTES:
        raise VoicebridgeError(
            f"{folder} has {free // 1_000_000} MB free, and {SPARE_BYTES // 1_000_000} MB are asked for.",
            "Name a folder on another disk.",
            exit_code=ExitCode.STORE,
        )
