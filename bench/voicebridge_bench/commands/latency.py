"""`voicebridge-bench latency`: from the end of speech to the text, through a whole daemon."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench import output

if TYPE_CHECKING:
    from voicebridge_bench.playlist import Piece

PIECES = 40
MAX_PIECES = 2000
MAX_LOAD = 256
FIRST_SEED = 40_000_000
"""Of the commands: far from those that accuracy is measured on."""
LONGEST_SECONDS = 25.0
"""Longer pieces would be cut (`endpoint.max_utterance_ms`)."""


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """The options of the command, by their names."""

    folder: Path | None
    engine: str | None
    model: str | None
    source: Literal["auto", "microphone", "paced"]
    processes: int
    count: int
    seed: int
    overrides: tuple[str, ...]
    json_file: Path | None


@click.command("latency")
@click.argument("folder", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--engine", type=click.Choice(["whisper", "sphinx"]), help="Instead of that of the settings.")
@click.option("--model", help="Whisper model, by name or folder.")
@click.option(
    "--source",
    type=click.Choice(["auto", "microphone", "paced"]),
    default="auto",
    show_default=True,
    help="auto: a virtual microphone where PulseAudio can be started, else paced standard input.",
)
@click.option(
    "--load", "processes", type=click.IntRange(0, MAX_LOAD), default=0, show_default=True, help="Busy processes beside."
)
@click.option(
    "--pieces", "count", type=click.IntRange(1, MAX_PIECES), default=PIECES, show_default=True, help="To be played."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of order and pauses.")
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set one value in the daemon.")
@click.option("--json", "json_file", type=output.JSON_FILE, help="Write the result to this file; - prints it.")
def command(**options: Any) -> int:
    """Play FOLDER (recordings with what they say) in real time to a daemon, and measure its delays.

    Without FOLDER: synthesised commands for the small Whisper, recordings of people for --engine sphinx, and the
    daemon has its default settings; with FOLDER it has those of this user or machine.

    A decode that ran in the pause before the endpoint counts only as far as it outlasts it; the share of texts that
    were ready at the endpoint is told.

    p99 is given from 100 pieces on (about 8 minutes), p95 from 20. Exit status: 0 measured, 1 less than half of the
    pieces gave a delay, 69 the daemon was not ready in 300 s or died, or what it needs cannot be had, 130 ended
    early.
    """
    wanted = LatencyOptions(**options)
    output.require_writable(wanted.json_file)
    from voicebridge_bench.latency import measuring, show

    pieces, corpus = _pieces(wanted)
    with (
        output.sigterm_interrupts(),
        tempfile.TemporaryDirectory(prefix="vb-latency-") as scratch,
        output.progress() as progress,
    ):
        daemon = _options(wanted, Path(scratch))
        settings = measuring.settings_for(daemon)
        order = measuring.Order(pieces, corpus, wanted.count, wanted.seed, wanted.processes, wanted.source, daemon)
        result = measuring.measure(order, settings, Path(scratch), progress)
    # First of all: a file that cannot be written must not cost the result.
    if wanted.json_file != output.STANDARD_OUTPUT:
        click.echo("\n".join(show.lines(result)))
    if wanted.json_file is not None:
        output.write(wanted.json_file, result.model_dump_json(indent=1))
    if result.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if 2 * len(result.delays) >= wanted.count else ExitCode.FAILURE


def _pieces(wanted: LatencyOptions) -> "tuple[list[Piece], str]":
    """Return what can be played; silence and what is too long is left out."""
    from voicebridge.domain.errors import VoicebridgeError
    from voicebridge.domain.units import samples_to_seconds
    from voicebridge_bench.accuracy import people
    from voicebridge_bench.corpora.folder import read_corpus
    from voicebridge_bench.playlist import Piece
    from voicebridge_bench.speech_corpus import commands

    if wanted.folder is not None:
        corpus = str(wanted.folder)
        pieces = [Piece(item.text, item.samples) for item in read_corpus(wanted.folder).spoken]
    elif wanted.engine == "sphinx":
        corpus = "pocketsphinx-testdata"
        pieces = [Piece(item.text, item.samples) for item in people()]
    else:
        corpus = "espeak-ng, held-out voices"
        pieces = [Piece(clip.text, clip.samples) for clip in commands(wanted.count, FIRST_SEED + wanted.seed)]
    usable = [
        piece for piece in pieces if piece.samples.any() and samples_to_seconds(len(piece.samples)) <= LONGEST_SECONDS
    ]
    if not usable:
        raise VoicebridgeError(
            f"{corpus} holds nothing that can be played: all is silence, or longer than {LONGEST_SECONDS:g} s.",
            exit_code=ExitCode.INPUT,
        )
    return usable, corpus


def _options(wanted: LatencyOptions, scratch: Path) -> list[str]:
    """Return the options of the daemon: its own state, models and sockets, and the settings that are asked for."""
    from voicebridge.settings import paths
    from voicebridge.settings.layers import load
    from voicebridge_bench.models import WHISPER_COMMANDS

    values = {"http.bind": f"unix:{scratch / 'http'}", "log.format": "plain", "audio.device": ""}
    values["whisper.models_dir"] = str(paths.models_dir(load().settings).absolute())
    if wanted.engine is not None or wanted.model is not None:
        values["engine.kind"] = wanted.engine or "whisper"
    if wanted.model is not None:
        values["whisper.model"] = str(WHISPER_COMMANDS) if wanted.model == "whisper-commands" else wanted.model
    config: list[str] = []
    if wanted.folder is None:
        (scratch / "default.toml").touch()
        config = ["--config", str(scratch / "default.toml")]
        values.setdefault("engine.kind", "whisper")
        values.setdefault("whisper.model", str(WHISPER_COMMANDS))
    words = [f"{name}={value}" for name, value in values.items()] + list(wanted.overrides)
    return [*config, *(part for word in words for part in ("--set", word))]
