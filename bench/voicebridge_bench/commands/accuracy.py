"""`voicebridge-bench accuracy`: word error rates, and what is heard where nobody speaks."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from voicebridge.domain.errors import ExitCode
from voicebridge_bench import output

if TYPE_CHECKING:
    from voicebridge_bench.rates.hearing import Mode
    from voicebridge_bench.rates.measuring import Job

COMMANDS = 200
ALARM_MINUTES = 10.0
MAX_WAYS = 100
SNR_DB = (-20.0, 60.0)


@dataclass(frozen=True, slots=True)
class AccuracyOptions:
    """The options of the command, by their names."""

    folder: Path | None
    engines: tuple[str, ...]
    models: tuple[str, ...]
    modes: "tuple[Mode, ...]"
    snrs: "tuple[float | None, ...]"
    noise: str
    seed: int
    alarm_minutes: float
    count: int
    json_file: Path | None
    files: bool


def _decibels(ctx: click.Context, param: click.Parameter, values: tuple[Any, ...]) -> tuple[float | None, ...]:
    """Return ratios; None stands for clean."""
    ratio = click.FloatRange(*SNR_DB)
    return tuple(None if value == "clean" else float(ratio.convert(value, param, ctx)) for value in values)


@click.command("accuracy")
@click.argument("folder", required=False, type=click.Path(path_type=Path, readable=False))
@click.option("--engine", "engines", type=click.Choice(["whisper", "sphinx"]), multiple=True, help="May be repeated.")
@click.option("--model", "models", multiple=True, help="Whisper model, by name or folder; may be repeated.")
@click.option(
    "--vad",
    "modes",
    type=click.Choice(["none", "webrtc", "silero", "cascade"]),
    multiple=True,
    help="May be repeated. none: decode each file whole.",
)
@click.option(
    "--snr",
    "snrs",
    callback=_decibels,
    multiple=True,
    metavar="clean|DB",
    help="Mix noise in at this ratio; may be repeated.",
)
@click.option("--noise", default="pink", show_default=True, metavar="white|pink|FILE", help="Which noise.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of noise and music.")
@click.option(
    "--false-alarms",
    "alarm_minutes",
    type=click.FloatRange(0, 600),
    default=ALARM_MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="Of each sound in which nobody speaks; 0: none. Needs a detector.",
)
@click.option(
    "--commands",
    "count",
    type=click.IntRange(1, 10_000),
    default=COMMANDS,
    show_default=True,
    help="Synthesised commands, without FOLDER.",
)
@click.option("--files", is_flag=True, help="Show every file of a large corpus, too.")
@click.option("--json", "json_file", type=output.JSON_FILE, help="Write the result to this file; - prints it.")
def command(**options: Any) -> int:
    """Measure word error rates on FOLDER: recordings with what they say.

    FOLDER holds NAME.wav with NAME.txt (`voicebridge-bench record` makes such), a transcripts.tsv, or LibriSpeech's
    *.trans.txt. It is heard as the daemon would, with its settings, unless told otherwise.

    Without FOLDER, files whole: sphinx on people's recordings (pocketsphinx-testdata), the small Whisper on
    synthesised commands.

    Exit status: 0 measured (no rate is good or bad by itself), 69 no such model, 130 ended early.
    """
    wanted = AccuracyOptions(**options)
    output.require_writable(wanted.json_file)
    from voicebridge_bench.corpora.noise import noise_of
    from voicebridge_bench.rates import measuring, show

    modes = _modes(wanted)
    asked = click.get_current_context().get_parameter_source("alarm_minutes") is not ParameterSource.DEFAULT
    if asked and wanted.alarm_minutes and set(modes) == {"none"}:
        raise click.UsageError("--false-alarms needs a detector: name one with --vad.")
    noise = noise_of(wanted.noise)
    jobs, left_out = _jobs(wanted)
    conditions = measuring.Conditions(
        modes, tuple(dict.fromkeys(wanted.snrs)) or (None,), noise, wanted.seed, 60 * wanted.alarm_minutes
    )
    if (ways := len(jobs) * len(conditions.modes) * len(conditions.snrs_db)) > MAX_WAYS:
        raise click.UsageError(f"That makes {ways} ways of hearing; {MAX_WAYS} is the most.")
    with output.sigterm_interrupts(), output.progress() as progress:
        result = measuring.run(jobs, conditions, left_out, progress)
    # First of all: a file that cannot be written must not cost the result.
    if wanted.json_file != output.STANDARD_OUTPUT:
        click.echo("\n".join(show.lines(result, with_files=wanted.files)))
    if wanted.json_file is not None:
        output.write(wanted.json_file, result.model_dump_json(indent=1))
    return ExitCode.INTERRUPTED if result.interrupted else ExitCode.OK


def _modes(wanted: AccuracyOptions) -> "tuple[Mode, ...]":
    if wanted.modes:
        return tuple(dict.fromkeys(wanted.modes))
    if wanted.folder is None:
        return ("none",)
    from voicebridge.settings.layers import load

    return (load().settings.vad.mode,)


def _jobs(wanted: AccuracyOptions) -> "tuple[list[Job], list[str]]":
    from voicebridge_bench.corpora.folder import read_corpus
    from voicebridge_bench.rates.engines import wishes
    from voicebridge_bench.rates.measuring import Job

    if wanted.folder is None:
        return _shipped(wanted), []
    corpus = read_corpus(wanted.folder)
    asked = wishes(wanted.engines, wanted.models)
    return [Job(wish, corpus.name, corpus.spoken) for wish in asked], corpus.left_out


def _shipped(wanted: AccuracyOptions) -> "list[Job]":
    from voicebridge.settings import Settings
    from voicebridge_bench.accuracy import people, synthesised
    from voicebridge_bench.rates.engines import SHIPPED, wishes
    from voicebridge_bench.rates.measuring import Job

    jobs = []
    if not (wanted.engines or wanted.models) or "sphinx" in wanted.engines:
        (sphinx,) = wishes(["sphinx"], [], Settings())
        jobs.append(Job(sphinx, "pocketsphinx-testdata", people()))
    if not wanted.engines or "whisper" in wanted.engines or wanted.models:
        spoken = synthesised(wanted.count)
        models = wanted.models or (SHIPPED,)
        settings = None if wanted.models else Settings()
        jobs += [Job(wish, "espeak-ng, held-out voices", spoken) for wish in wishes([], models, settings)]
    return jobs
