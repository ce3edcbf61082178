"""``python -m voicebridge_bench.recipe``: make whisper-commands again.

    python -m voicebridge_bench.recipe synth clips.npz --count 24000
    python -m voicebridge_bench.recipe train clips.npz run --minutes 60
    python -m voicebridge_bench.recipe train clips.npz run --minutes 30 --full-share 0.6 --go-on
    python -m voicebridge_bench.recipe export run whisper-commands

``train`` needs PyTorch (pip install torch), which the project does not.
"""

import sys
import zipfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from voicebridge.cli import guarded
from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge_bench.recipe import clips as clip_files
from voicebridge_bench.recipe import export as exporter
from voicebridge_bench.recipe import vocabulary as vocabularies
from voicebridge_bench.recipe.synthesis import commands

VOCABULARY = "tokenizer.json"
CHECKPOINT = "network.pt"
WEIGHTS = "weights.npz"
HELD_OUT_CLIPS = 100

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("recipe")
def command() -> None:
    """Make the model whisper-commands: speech, training, export."""


@command.command()
@click.argument("clips", type=FILE)
@click.option("--count", type=click.IntRange(min=1), default=24_000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def synth(clips: Path, count: int, seed: int) -> None:
    """Speak COUNT random commands with the voices of the training into the file CLIPS (.npz)."""
    spoken = commands(count, seed, "training")
    clip_files.save(spoken, clips)
    click.echo(f"{count} clips, {sum(len(clip.samples) for clip in spoken) / 16_000 / 3600:.2f} hours, in {clips}")


@command.command()
@click.argument("clips", type=FILE)
@click.argument("run", type=FOLDER)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=60, show_default=True)
@click.option("--full-share", type=click.FloatRange(0, 0.9), default=0.15, show_default=True)
@click.option("--held-out", type=click.IntRange(min=1), default=HELD_OUT_CLIPS, show_default=True)
@click.option("--go-on", is_flag=True, help="Go on from the weights in RUN.")
def train(clips: Path, run: Path, minutes: float, full_share: float, held_out: int, go_on: bool) -> None:
    """Train on CLIPS for some MINUTES; weights and vocabulary go into the folder RUN."""
    trainer_module = _training()
    spoken = clip_files.load(clips)
    vocabulary = vocabularies.load(run / VOCABULARY) if go_on else vocabularies.train(clip.text for clip in spoken)
    run.mkdir(parents=True, exist_ok=True)
    vocabulary.tokenizer.save(str(run / VOCABULARY))
    trainer = trainer_module.Trainer(spoken, vocabulary, exporter.SHAPES["commands"], seed=int(go_on))
    if go_on:
        trainer.go_on_from(run / CHECKPOINT)
    steps = trainer.train(trainer_module.Course(minutes, full_share), click.echo)
    trainer.save(run / CHECKPOINT)
    np.savez(run / WEIGHTS, **trainer.network.weights())
    unheard = commands(held_out, seed=10_000_000)
    rates = ", ".join(f"{name} {trainer.errors(unheard, name == 'full'):.1%}" for name in ("short", "full"))
    click.echo(f"{steps} steps; word error rate on {held_out} commands of unheard voices: {rates}")


@command.command()
@click.argument("run", type=FOLDER)
@click.argument("folder", type=FOLDER)
@click.option("--quantization", default="int8", show_default=True)
def export(run: Path, folder: Path, quantization: str) -> None:
    """Write what is in RUN as a CTranslate2 FOLDER that faster-whisper loads."""
    vocabulary = vocabularies.load(run / VOCABULARY)
    try:
        with np.load(run / WEIGHTS, allow_pickle=False) as data:
            weights = {name: data[name] for name in data.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise SpeechError(f"Cannot read {run / WEIGHTS}: {error}.", "Train first.") from error
    exporter.export(weights, exporter.SHAPES["commands"], vocabulary, folder, quantization)
    click.echo(f"The model is in {folder}.")


@command.command()
@click.argument("size", type=click.Choice(list(exporter.SHAPES)))
@click.argument("folder", type=FOLDER)
def random(size: str, folder: Path) -> None:
    """Write a model of a real SIZE with random weights: for timing only."""
    vocabulary, shape = vocabularies.placeholder(), exporter.SHAPES[size]
    exporter.export(exporter.random_weights(shape, vocabulary.size), shape, vocabulary, folder)
    click.echo(f"A model of random weights is in {folder}.")


def _training() -> Any:
    """Return the module that needs PyTorch."""
    try:
        from voicebridge_bench.recipe import training
    except ModuleNotFoundError as error:
        raise SpeechError(
            "PyTorch is not installed.", "Training needs it: pip install torch", exit_code=ExitCode.UNAVAILABLE
        ) from error
    return training


if __name__ == "__main__":
    sys.exit(guarded(command))
