"""Word error rates of the engines on speech with known text, decoded through the Engine port.

Before comparing, both texts are made lower case, punctuation is removed (apostrophes within words stay) and numbers
stay as they are spelled. The interval is the 95 % percentile bootstrap over files; of fewer than ten files there is
none. Where no word is wrong a bootstrap would say "0 to 0"; there the exact upper bound stands in its place.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Engine
from voicebridge_bench.speech_corpus import commands, human_recordings
from voicebridge_bench.words import normalised

COMMANDS = 200
SEED = 20_000_000
"""First seed of the measured commands. The voices are held out; the sentences come from the grammar of the training."""
RESAMPLINGS = 2000
CONFIDENCE = 0.95
FEWEST_FILES = 10
"""A percentile bootstrap of fewer is too narrow: it can draw nothing but what these few files are."""
NORMALISATION = "lower case, no punctuation (apostrophes within words stay), numbers as they are spelled"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one file says, and where it comes from."""

    collection: str
    name: str
    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one file: ``rejected`` of its ``utterances`` were not believed, and their words do not count."""

    text: str
    decode_ms: float = 0.0
    """Of all its utterances together."""
    utterances: int = 1
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file's reference, what the engine made of it, and the errors."""

    collection: str
    name: str
    reference: str
    hypothesis: str
    words: int
    substitutions: int
    deletions: int
    insertions: int
    heard: Heard

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions

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


def decode_whole(engine: Engine, samples: Samples) -> Heard:
    """Have a file decoded as one utterance, with no detector before and no gate behind the engine."""
    transcript = engine.decode(samples, 0)
    return Heard(transcript.text, transcript.decode_ms)


def measure(
    engine: Engine,
    corpus: str,
    spoken: Iterable[Spoken],
    on_file: Callable[[], None],
    hear: Callable[[Engine, Samples], Heard] = decode_whole,
) -> Accuracy:
    """Have every file heard with a loaded engine and compare; ``on_file`` is called after each."""
    accuracy = Accuracy(engine.info.engine, engine.info.model, corpus)
    for item in spoken:
        accuracy.files.append(compare(item, hear(engine, item.samples)))
        on_file()
    return accuracy


def compare(spoken: Spoken, hypothesis: str | Heard) -> FileResult:
    """Count the words and the errors of one hypothesis."""
    import jiwer

    heard = Heard(hypothesis) if isinstance(hypothesis, str) else hypothesis
    reference, words = normalised(spoken.text), normalised(heard.text)
    output = jiwer.process_words(reference, words)
    counts = (output.substitutions, output.deletions, output.insertions)
    return FileResult(spoken.collection, spoken.name, reference, words, len(reference.split()), *counts, heard)


def summarise(results: Sequence[FileResult], seed: int = 0) -> Summary:
    """Add up files, with an interval; the same seed gives the same one."""
    words = np.array([result.words for result in results])
    errors = np.array([result.errors for result in results])
    total = int(words.sum())
    low: float | None = None
    high: float | None = None
    if not errors.any():
        low, high = 0.0, highest_without_error(total)
    elif len(results) >= FEWEST_FILES:
        picks = np.random.default_rng(seed).integers(0, len(results), (RESAMPLINGS, len(results)))
        rates = errors[picks].sum(axis=1) / words[picks].sum(axis=1)
        low, high = np.quantile(rates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    return Summary(len(results), total, int(errors.sum()), int(errors.sum()) / total, low, high)


def highest_without_error(words: int) -> float:
    """Return the highest rate at which so many words are all right once in twenty times: about 3 / words.

    Exact for words that are wrong independently of each other (J. A. Hanley and A. Lippman-Hand, "If nothing goes
    wrong, is everything all right?", JAMA 249, 1983: the rule of three).
    """
    return float(1 - (1 - CONFIDENCE) ** (1 / words))


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
