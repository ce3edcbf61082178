"""Word error rates of the engines on speech with known text, decoded through the Engine port.

Before comparing, both texts are made lower case, punctuation is removed (apostrophes within words stay) and numbers
stay as they are spelled. The interval is the 95 % percentile bootstrap over files; for one file there is none.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

import click
import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Engine
from voicebridge.settings.schema import SphinxSettings, WhisperSettings
from voicebridge.speech.sphinx import SphinxEngine
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import commands, human_recordings
from voicebridge_bench.words import normalised

COMMANDS = 200
SEED = 20_000_000
"""First seed of the measured commands. The voices are held out; the sentences come from the grammar of the training."""
RESAMPLINGS = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one file says, and where it comes from."""

    collection: str
    name: str
    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file's reference, what the engine made of it, and the errors: substitutions, deletions and insertions."""

    collection: str
    name: str
    reference: str
    hypothesis: str
    words: int
    errors: int

    @property
    def rate(self) -> float:
        """Errors by words of the reference; can be above 1."""
        return self.errors / self.words


@dataclass(frozen=True, slots=True)
class Summary:
    """The word error rate of a set: all errors by all words, with the interval's bounds."""

    files: int
    words: int
    errors: int
    rate: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What one engine did with one corpus."""

    engine: str
    model: str
    corpus: str
    files: list[FileResult] = field(default_factory=list)

    @property
    def summaries(self) -> dict[str, Summary]:
        """The summary of each collection, and of ``all``."""
        names = dict.fromkeys(result.collection for result in self.files)
        sets = {name: [result for result in self.files if result.collection == name] for name in names}
        return {name: summarise(results) for name, results in {**sets, "all": self.files}.items()}

    def as_json(self) -> dict[str, object]:
        """Return all of it as plain data."""
        summaries = {name: asdict(summary) for name, summary in self.summaries.items()}
        return {
            **asdict(self),
            "summaries": summaries,
            "normalisation": "lower case, no punctuation, numbers as spelled",
        }


def measure(engine: Engine, corpus: str, spoken: Iterable[Spoken], on_file: Callable[[], None]) -> Accuracy:
    """Decode every file with a loaded engine and compare; ``on_file`` is called after each."""
    accuracy = Accuracy(engine.info.engine, engine.info.model, corpus)
    for item in spoken:
        accuracy.files.append(compare(item, engine.decode(item.samples, 0).text))
        on_file()
    return accuracy


def compare(spoken: Spoken, hypothesis: str) -> FileResult:
    """Count the words and the errors of one hypothesis."""
    import jiwer

    reference, heard = normalised(spoken.text), normalised(hypothesis)
    output = jiwer.process_words(reference, heard)
    errors = output.substitutions + output.deletions + output.insertions
    return FileResult(spoken.collection, spoken.name, reference, heard, len(reference.split()), errors)


def summarise(results: Sequence[FileResult], seed: int = 0) -> Summary:
    """Add up files, with a bootstrap interval over files; the same seed gives the same interval."""
    words = np.array([result.words for result in results])
    errors = np.array([result.errors for result in results])
    picks = np.random.default_rng(seed).integers(0, len(results), (RESAMPLINGS, len(results)))
    rates = errors[picks].sum(axis=1) / words[picks].sum(axis=1)
    bounds = np.quantile(rates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    low, high = bounds if len(results) > 1 else (None, None)
    total = int(words.sum())
    return Summary(len(results), total, int(errors.sum()), int(errors.sum()) / total, low, high)


def people() -> list[Spoken]:
    """Return the human recordings whose text is known."""
    return [
        Spoken(recording.collection, recording.name, recording.text, recording.samples)
        for recording in human_recordings()
        if recording.text is not None
    ]


def synthesised(count: int, seed: int = SEED) -> list[Spoken]:
    """Return commands of voices that whisper-commands has not heard."""
    return [
        Spoken("commands", f"{seed + number} {clip.voice}", clip.text, clip.samples)
        for number, clip in enumerate(commands(count, seed))
    ]


@click.command("accuracy")
@click.option("--commands", "count", type=click.IntRange(min=1), default=COMMANDS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--files", is_flag=True, help="Show every synthesised command, too.")
def command(count: int, as_json: bool, files: bool) -> None:
    """Measure word error rates: sphinx on people, whisper-commands on synthesised commands."""
    results = [
        _run(SphinxEngine(SphinxSettings()), "pocketsphinx-testdata", people()),
        _run(WhisperEngine(WhisperSettings(), WHISPER_COMMANDS), "espeak-ng, held-out voices", synthesised(count)),
    ]
    if as_json:
        click.echo(json.dumps([result.as_json() for result in results], indent=2))
        return
    for result in results:
        _show(result, files or len(result.files) <= 20)


def _run(engine: Engine, corpus: str, spoken: list[Spoken]) -> Accuracy:
    from rich.console import Console
    from rich.progress import Progress

    engine.load()
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(engine.info.engine, total=len(spoken))
            return measure(engine, corpus, spoken, lambda: bar.advance(task))
    finally:
        engine.close()


def _show(result: Accuracy, with_files: bool) -> None:
    click.echo(f"{result.engine} {result.model} on {result.corpus}")
    if with_files:
        for file in result.files:
            click.echo(
                f"  {file.collection:9} {file.name:44} {file.rate:6.1%}  {file.errors:2} of {file.words:2} words"
            )
            if file.errors:
                click.echo(f"      said  {file.reference}\n      heard {file.hypothesis}")
    for name, summary in result.summaries.items():
        interval = ""
        if summary.low is not None and summary.high is not None:
            interval = f"  ({CONFIDENCE:.0%} interval {summary.low:.1%} to {summary.high:.1%})"
        rate = f"word error rate {summary.rate:6.1%}{interval}"
        click.echo(f"  {name:9} {summary.files:4} files {summary.words:5} words  {rate}")


if __name__ == "__main__":
    command()
