"""`voicebridge-bench quick`: how quick text is, as ratios in one run."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench import output

if TYPE_CHECKING:
    from voicebridge_bench.quick.results import QuickResult
    from voicebridge_bench.quick.weights import Size
    from voicebridge_bench.quick.where import Device

PARTS = ("delay", "overhead", "speculation", "partials", "words", "turns", "lag")
SIZES = ("tiny", "base", "small")
DEVICES = ("auto", "cpu", "cuda")
ROUNDS = 8
PIECES = 42
COMMANDS = 500
SENTENCES = 120
LAG_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class QuickOptions:
    """The options of the command, by their names."""

    parts: tuple[str, ...]
    size: "Size"
    rounds: int
    lengths: tuple[int, ...]
    pieces: int
    commands: int
    sentences: int
    lag_seconds: float
    device: "Device"
    compute_type: str
    scratch: Path | None
    json_file: Path | None


@click.command("quick")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--size", type=click.Choice(SIZES), default="base", show_default=True, help="Of the model with random weights."
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=ROUNDS, show_default=True, help="In which times are taken."
)
@click.option(
    "--length", "lengths", type=click.IntRange(1, 28), multiple=True, help="Of an utterance, in seconds; repeatable."
)
@click.option(
    "--pieces", type=click.IntRange(3, 2000), default=PIECES, show_default=True, help="Said to a daemon, each way."
)
@click.option(
    "--commands", type=click.IntRange(1, 10_000), default=COMMANDS, show_default=True, help="For word error rates."
)
@click.option(
    "--sentences", type=click.IntRange(1, 10_000), default=SENTENCES, show_default=True, help="With a pause inside."
)
@click.option(
    "--lag-seconds", type=click.FloatRange(6, 7200), default=LAG_SECONDS, show_default=True, help="Of speech, each way."
)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="On which all sides decode; auto takes a CUDA device where there is one.",
)
@click.option(
    "--compute-type",
    default="default",
    show_default=True,
    help="Of all sides: int8, float16, ..., as CTranslate2 names it.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where models are kept between runs. Default: `bench` in the state directory.",
)
@click.option("--json", "json_file", type=output.JSON_FILE, help="Write the result to this file; - prints it.")
def command(**options: Any) -> int:
    """Measure how quick text is: against plain faster-whisper, and with what makes it quick on and off, in turns.

    Times of real sizes are taken with random weights, made here and kept: such a model is called random-... and its
    text means nothing. Whole daemons and word errors use the small Whisper that ships with voicebridge-bench. All of it
    takes about half an hour; nothing else should run meanwhile.

    A part that lacks what it needs (espeak-ng, say, or room on the disk) is left out and says so; the others are
    measured all the same.

    Exit status: 0 all goals met (or none is set for these parts), 1 one missed or a part broke, 69 not everything could
    be measured or judged here, 130 ended early.
    """
    wanted = QuickOptions(**options)
    output.require_writable(wanted.json_file)
    result = _measured(wanted)
    if wanted.json_file is not None:
        output.write(wanted.json_file, result.model_dump_json(indent=1))
    if wanted.json_file != output.STANDARD_OUTPUT:
        from voicebridge_bench.quick import show

        click.echo("\n".join(show.lines(result)))
    return _status(result)


def _measured(wanted: QuickOptions) -> "QuickResult":
    from voicebridge_bench.quick import measuring
    from voicebridge_bench.quick.delay import LENGTHS_SECONDS
    from voicebridge_bench.quick.where import Where

    wish = measuring.Wish(
        parts=tuple(dict.fromkeys(wanted.parts)) or PARTS,
        size=wanted.size,
        rounds=wanted.rounds,
        lengths_seconds=tuple(dict.fromkeys(wanted.lengths)) or LENGTHS_SECONDS,
        pieces=wanted.pieces,
        commands=wanted.commands,
        sentences=wanted.sentences,
        lag_seconds=wanted.lag_seconds,
        where=Where(wanted.device, wanted.compute_type),
    )
    with (
        output.sigterm_interrupts(),
        tempfile.TemporaryDirectory(prefix="vb-quick-") as scratch,
        output.progress() as progress,
    ):
        place = measuring.Place(lambda: cache_folder(wanted.scratch), Path(scratch), progress)
        return measuring.measure(wish, place)


def cache_folder(folder: Path | None) -> Path:
    """Return where models with random weights are kept."""
    if folder is not None:
        return folder.absolute()
    from voicebridge.settings import paths
    from voicebridge.settings.layers import load

    return paths.state_dir(load().settings) / "bench"


def _status(result: "QuickResult") -> int:
    from voicebridge_bench.components.results import Outcome

    if result.interrupted:
        return ExitCode.INTERRUPTED
    exits = {Outcome.PASSED: ExitCode.OK, Outcome.FAILED: ExitCode.FAILURE, Outcome.INCOMPLETE: ExitCode.UNAVAILABLE}
    return exits[result.outcome]
