"""`voicebridge-bench tune`: which settings suit this machine and this voice."""

import os
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench import output

if TYPE_CHECKING:
    from voicebridge_bench.accuracy import Spoken
    from voicebridge_bench.tuning.candidates import Machine, Model
    from voicebridge_bench.tuning.results import TuneResult

MINUTES = 10.0
COMMANDS = 48
FIRST_SEED = 50_000_000
"""Of the commands: far from those of the other measurements."""
FRAGMENT = "recommended.toml"
PLOTS = ("tune.svg", "tune.png")


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """The options of the command, by their names."""

    corpus: Path | None
    minutes: float
    models: tuple[str, ...]
    modes: tuple[str, ...]
    sphinx: bool
    allowed_points: float
    seed: int
    folder: Path


@click.command("tune")
@click.option(
    "--corpus", type=click.Path(path_type=Path, readable=False), help="Recordings with what they say (`record`)."
)
@click.option(
    "--minutes", type=click.FloatRange(0.1, 1440), default=MINUTES, show_default=True, help="Time it may take."
)
@click.option("--model", "models", multiple=True, help="Whisper model; may be repeated. [default: all that are pulled]")
@click.option(
    "--vad", "modes", type=click.Choice(["webrtc", "silero", "cascade"]), multiple=True, help="[default: all]"
)
@click.option("--sphinx/--no-sphinx", default=True, show_default=True, help="Try PocketSphinx, too.")
@click.option(
    "--allow",
    "allowed_points",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="Of word error rate above the best, for a shorter delay.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the order of the files.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("voicebridge-tune"),
    show_default=True,
    help="Where recommended.toml, tune.json and the plots go.",
)
def command(**options: Any) -> int:
    """Try models, threads, arithmetic, beams and detectors on this machine, and recommend settings.

    All are tried on a few files, the better half on twice as many, and so on, until the best were heard on every file
    or the time is up. Ctrl-C ends it with what is known so far. Without --corpus it speaks of synthesised commands and
    the small Whisper only, which shows how it works and recommends nothing for people.

    Delays are predicted with your settings of `endpoint`: a decode that fits into the pause before the endpoint
    (from speculate_after_ms on) costs nothing after it.

    Exit status: 0 recommended, also when time was up, 1 nothing recommended, 69 nothing to try, 130 ended early.
    """
    wanted = TuneOptions(**options)
    _make(wanted.folder)
    from voicebridge_bench.tuning import show

    with output.sigterm_interrupts():
        result = _tune(wanted)
    # First of all: a file that cannot be written must not cost the result.
    click.echo("\n".join(show.lines(result)))
    _write(result, wanted.folder)
    if result.recommended is not None:
        click.echo(f"Written: {wanted.folder / 'recommended.toml'}, tune.json, {', '.join(PLOTS)}")
    if result.ended == "interrupted":
        return ExitCode.INTERRUPTED
    return ExitCode.OK if result.recommended is not None else ExitCode.FAILURE


def _tune(wanted: TuneOptions) -> "TuneResult":
    from voicebridge.settings import paths
    from voicebridge.settings.layers import load
    from voicebridge_bench.components.host import look
    from voicebridge_bench.tuning.candidates import VAD_MODES, candidates
    from voicebridge_bench.tuning.summing import Frame, sum_up
    from voicebridge_bench.tuning.trying import Setting, Trials, try_all

    began, host = time.monotonic(), look()
    settings = load(environ=os.environ).settings
    models_dir = paths.models_dir(settings)
    spoken, corpus, left_out = _spoken(wanted)
    models = _models(wanted, models_dir)
    tried, unfit = candidates(models, _machine(), wanted.modes or VAD_MODES, sphinx=wanted.sphinx)
    if not tried:
        raise VoicebridgeError(
            "There is nothing to try: no whisper model is on disk, or none fits.",
            "`voicebridge models pull base.en` gets one; or name one with --model.",
            exit_code=ExitCode.UNAVAILABLE,
        )
    trials = Trials(tried)
    with tempfile.TemporaryDirectory(prefix="vb-tune-") as scratch, output.progress() as progress:
        deadline = began + 60 * wanted.minutes
        try_all(trials, Setting(spoken, settings, models_dir, Path(scratch), deadline), progress)
    frame = Frame(
        host,
        corpus,
        len(spoken),
        wanted.seed,
        wanted.allowed_points,
        60 * wanted.minutes,
        began,
        [*left_out, *unfit],
        settings.endpoint,
    )
    return sum_up(trials, frame)


def _spoken(wanted: TuneOptions) -> "tuple[list[Spoken], str, list[str]]":
    """Return what is heard, in the order in which it is heard."""
    from voicebridge.domain.units import samples_to_seconds
    from voicebridge_bench.accuracy import synthesised
    from voicebridge_bench.corpora.folder import read_corpus

    if wanted.corpus is None:
        spoken, name, left_out = synthesised(COMMANDS, FIRST_SEED), "synthesised commands (not people)", []
    else:
        found = read_corpus(wanted.corpus)
        spoken, name, left_out = found.spoken, found.name, list(found.left_out)
    usable = [item for item in spoken if item.samples.any() and samples_to_seconds(len(item.samples)) <= 60]
    if len(usable) < len(spoken):
        left_out.append(f"{len(spoken) - len(usable)} recordings are silent, or longer than a minute.")
    if not usable:
        raise VoicebridgeError(f"{name} holds nothing that can be heard.", exit_code=ExitCode.INPUT)
    random.Random(wanted.seed).shuffle(usable)  # noqa: S311 - for a fair order, not for secrets
    return usable, name, left_out


def _models(wanted: TuneOptions, models_dir: Path) -> "list[Model]":
    """Return the models that are asked for, else all that are pulled. Raises SpeechError for one that is not there."""
    from voicebridge.domain.errors import SpeechError
    from voicebridge.speech.models import find, installed
    from voicebridge_bench.models import WHISPER_COMMANDS
    from voicebridge_bench.rates.engines import SHIPPED
    from voicebridge_bench.tuning.candidates import Model

    names = list(wanted.models) or [model.name for model in installed(models_dir)]
    if not names and wanted.corpus is None:
        names = [SHIPPED]
    found = []
    for name in names:
        named = str(WHISPER_COMMANDS) if name == SHIPPED else name
        path = find(named, models_dir)
        if path is None:
            raise SpeechError(f"The whisper model {name} is not on disk.", "`voicebridge models list` shows what is.")
        found.append(Model(named, sum(file.stat().st_size for file in path.iterdir() if file.is_file())))
    return found


def _machine() -> "Machine":
    import ctranslate2
    import psutil

    from voicebridge_bench.tuning.candidates import Machine

    types = {"cpu": frozenset(ctranslate2.get_supported_compute_types("cpu"))}
    if ctranslate2.get_cuda_device_count():
        types["cuda"] = frozenset(ctranslate2.get_supported_compute_types("cuda"))
    return Machine(len(os.sched_getaffinity(0)), psutil.virtual_memory().available, types)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VoicebridgeError(f"{folder} cannot be made: {error.strerror}.", exit_code=ExitCode.STORE) from error
    output.require_writable(folder / "tune.json")


def _write(result: "TuneResult", folder: Path) -> None:
    from voicebridge_bench.tuning.fragment import check, toml
    from voicebridge_bench.tuning.plot import draw

    output.write(folder / "tune.json", result.model_dump_json(indent=1))
    if result.recommended is None:
        # What an earlier run has recommended must not be taken for this one's word.
        for name in (FRAGMENT, *PLOTS):
            (folder / name).unlink(missing_ok=True)
        return
    output.write(folder / FRAGMENT, toml(result))
    check(folder / FRAGMENT)
    for name in PLOTS:
        draw(result, folder / name)
