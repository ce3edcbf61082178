"""Part `words`: word error rates of the full window and the adaptive one, on the same unseen commands, paired.

The difference is that of the two rates; its interval is a percentile bootstrap over files that draws both sides of a
file together, which is much narrower than two intervals side by side. The adaptive window is worse only where all of
the interval lies above nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from voicebridge.domain.utterance import Transcript
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.accuracy import CONFIDENCE, RESAMPLINGS, FileResult, Spoken, compare
from voicebridge_bench.components.results import Value, Verdict
from voicebridge_bench.corpora.noise import Noise, mixed, noise_of, seeded
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.quick.results import Claimed, Goal, QuickFigure, judged
from voicebridge_bench.quick.where import Where

SNRS_DB: tuple[float | None, ...] = (None, 10.0, 5.0)
"""None is clean."""
NOISE = "pink"
SEED = 1
GOAL = Goal(sense="at most", bound=0, reason="the plan's: the adaptive window is no worse, within the interval")
FULL, ADAPTIVE = "full", "adaptive"


@dataclass(slots=True)
class Heard:
    """What one window made of all files."""

    files: list[FileResult] = field(default_factory=list)
    fallbacks: Counter[str] = field(default_factory=Counter)
    decode_ms: float = 0.0

    def take(self, item: Spoken, transcript: Transcript) -> None:
        """Compare one file."""
        self.files.append(compare(item, transcript.text))
        self.decode_ms += transcript.decode_ms
        if transcript.fallback:
            self.fallbacks[transcript.fallback] += 1

    @property
    def rate(self) -> float:
        """All errors by all words."""
        return sum(file.errors for file in self.files) / sum(file.words for file in self.files)


def rates(
    spoken: Sequence[Spoken], progress: Callable[[str, float], None], where: Where | None = None
) -> Iterator[QuickFigure]:
    """Yield a figure for each ratio of speech to noise. Raises SpeechError."""
    engines = {window: _engine(window, where or Where()) for window in (FULL, ADAPTIVE)}
    noise = noise_of(NOISE)
    try:
        for snr_db in SNRS_DB:
            yield _of_ratio(engines, spoken, (snr_db, noise), progress)
    finally:
        for engine in engines.values():
            engine.close()


def _engine(window: str, where: Where) -> WhisperEngine:
    settings = where.settings(window=window, word_timestamps=False)
    engine = WhisperEngine(settings, WHISPER_COMMANDS, verify=False)
    engine.load()
    return engine


def _of_ratio(
    engines: dict[str, WhisperEngine],
    spoken: Sequence[Spoken],
    way: tuple[float | None, Noise],
    progress: Callable[[str, float], None],
) -> QuickFigure:
    snr_db, noise = way
    title = "clean" if snr_db is None else f"{snr_db:g} dB"
    heard = {window: Heard() for window in engines}
    for number, item in enumerate(spoken):
        progress(f"words, {title}", number / len(spoken))
        samples = item.samples
        if snr_db is not None:
            samples = mixed(samples, noise.make(len(samples), seeded(SEED, item.name)), snr_db)
        for window, engine in engines.items():
            heard[window].take(item, engine.decode(samples, 0))
    return figure_of(title, heard[FULL], heard[ADAPTIVE])


def figure_of(title: str, full: Heard, adaptive: Heard) -> QuickFigure:
    """Return the difference of two rates in percentage points, judged: missed when it is surely above nothing."""
    low, high = paired_interval(full.files, adaptive.files)
    difference = 100 * (adaptive.rate - full.rate)
    facts: dict[str, Value] = {
        "full_percent": round(100 * full.rate, 3),
        "adaptive_percent": round(100 * adaptive.rate, 3),
        "words": sum(file.words for file in full.files),
        "files_that_differ": sum(a.hypothesis != b.hypothesis for a, b in zip(full.files, adaptive.files, strict=True)),
        "fallbacks": adaptive.fallbacks.total(),
        "decode_ratio": round(full.decode_ms / adaptive.decode_ms, 2) if adaptive.decode_ms else 0.0,
    }
    facts |= {f"fallback: {reason}": count for reason, count in sorted(adaptive.fallbacks.items())}
    claimed = Claimed(
        name=f"words.{title.replace(' ', '_')}",
        title=f"{title}: word error rate, adaptive less full",
        unit="points",
        value=difference,
        interval=(100 * low, 100 * high),
        n=len(full.files),
        parameters=facts,
    )
    figure = judged(claimed, GOAL)
    worse = low > 0
    because = f"its interval is {'above nothing' if worse else 'not above nothing'}"
    return figure.model_copy(update={"verdict": Verdict.MISSED if worse else Verdict.MET, "because": because})


def paired_interval(a: Sequence[FileResult], b: Sequence[FileResult], seed: int = 0) -> tuple[float, float]:
    """Return the interval of b's rate less a's, over the same files."""
    words = np.array([file.words for file in a])
    more = np.array([second.errors - first.errors for first, second in zip(a, b, strict=True)])
    picks = np.random.default_rng(seed).integers(0, len(a), (RESAMPLINGS, len(a)))
    drawn = more[picks].sum(axis=1) / words[picks].sum(axis=1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    return low, high
