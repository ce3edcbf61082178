"""Parts `delay` and `overhead`: our engine against plain faster-whisper and against bare CTranslate2.

Both sides hear the same audio with the same model, threads and beam, and write the same number of tokens in exactly one
encoder pass (voicebridge_bench.quick.even). Plain faster-whisper is `WhisperModel.transcribe`, called with the whole
utterance at the endpoint, without timestamps and without words.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.units import FULL_SCALE
from voicebridge.settings import WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.speech.whisper_options import default_threads
from voicebridge_bench.components import sounds
from voicebridge_bench.components.measure import Stopwatch
from voicebridge_bench.quick.contest import in_turns, paired
from voicebridge_bench.quick.even import EvenModel, Tally, even, window_seconds
from voicebridge_bench.quick.results import Goal, QuickFigure, judged
from voicebridge_bench.quick.where import Where

LENGTHS_SECONDS = (1, 2, 3, 5, 10)

TOKENS_PER_SECOND = 3.0
"""Of utterances as the daemon cuts them, pre-roll and tail included. Counted with Whisper's English vocabulary: 48 of
150 synthesised commands come near 3 s and have 3.0 (all 150: 3.1, 1.2 a word), 12 recordings of people 2.7."""
JUDGED_SECONDS = 3
MARGIN_SECONDS = WhisperSettings().window_margin_seconds
"""The default."""


@dataclass(frozen=True, slots=True)
class Window:
    """How long a window an utterance is given: so much longer than it, and no shorter than the floor."""

    floor_seconds: int
    margin_seconds: float = MARGIN_SECONDS

    @property
    def title(self) -> str:
        """What it is called; the margin is named where it is not the default."""
        margin = "" if self.margin_seconds == MARGIN_SECONDS else f", margin {self.margin_seconds:g} s"
        return f"floor {self.floor_seconds} s{margin}"

    @property
    def code(self) -> str:
        """The same in the name of a figure."""
        return self.title.replace(" s", "s").replace(", ", ".").replace(" ", "_")


WINDOWS = (Window(10), Window(4), Window(4, margin_seconds=1))
PLAIN = "plain faster-whisper"
BARE = "bare CTranslate2"
GOALS = {
    Window(10): Goal(sense="at least", bound=5, reason="the plan's, for 3 s and the default floor"),
    Window(4): Goal(sense="at least", bound=10, reason="the plan's, for 3 s and a floor that fine-tuned models bear"),
}
OVERHEAD_GOAL = Goal(sense="at most", bound=1.03, reason="the plan's: 3 % over bare CTranslate2 at 3 s")
OVERHEAD_TAKES = 5


@dataclass(frozen=True, slots=True)
class Side:
    """One that decodes: how, and the model below it, where passes and tokens are counted."""

    name: str
    decode: Callable[[Samples], object]
    model: EvenModel


@dataclass(frozen=True, slots=True)
class Contest:
    """What is measured, and how often."""

    watch: Stopwatch
    model: Path
    rounds: int
    progress: Callable[[str, float], None]
    where: Where = field(default_factory=Where)
    lengths_seconds: Sequence[int] = LENGTHS_SECONDS


def delays(contest: Contest) -> Iterator[QuickFigure]:
    """Yield how many times as long plain faster-whisper takes, for each length and floor. Raises SpeechError."""
    with _sides(contest, WINDOWS, plain=True) as sides:
        for place, seconds in enumerate(contest.lengths_seconds):
            contest.progress(f"delay of {seconds} s", place / len(contest.lengths_seconds))
            yield from _of_length(contest, sides, seconds)


def overhead(contest: Contest) -> Iterator[QuickFigure]:
    """Yield what our path takes over the encode and generate that it asks CTranslate2 for. Raises SpeechError."""
    contest.progress("overhead", 0.0)
    with _sides(contest, WINDOWS[:1], plain=False) as (ours,):
        audio, _ = sounds.speech(JUDGED_SECONDS)
        before = _prepare(ours, tokens_of(JUDGED_SECONDS))
        ways: dict[str, Callable[[], object]] = {ours.name: partial(ours.decode, audio), BARE: ours.model.again}
        times = in_turns(contest.watch, ways, contest.rounds, OVERHEAD_TAKES)
        decodes = contest.rounds * OVERHEAD_TAKES + 1
        passes = _check(ours.name, ours.model.tally.less(before), decodes, ours.model.tokens)
        _check(BARE, ours.model.bare, decodes, ours.model.tokens)
        claimed = paired("overhead.3s", "our decode over the same encode and generate", times, ours.name, BARE)
        facts = _parameters(ours, JUDGED_SECONDS, passes) | claimed.parameters
        yield judged(claimed.model_copy(update={"parameters": facts}), OVERHEAD_GOAL)


def tokens_of(seconds: float) -> int:
    """Return how many tokens speech of this length has."""
    return max(1, round(TOKENS_PER_SECOND * seconds))


def _of_length(contest: Contest, sides: Sequence[Side], seconds: int) -> Iterator[QuickFigure]:
    audio, _ = sounds.speech(seconds)
    before = [_prepare(side, tokens_of(seconds)) for side in sides]
    ways = {side.name: partial(side.decode, audio) for side in sides}
    times = in_turns(contest.watch, ways, contest.rounds, 1)
    decodes = contest.rounds + 1
    passes = [
        _check(side.name, side.model.tally.less(tally), decodes, side.model.tokens)
        for side, tally in zip(sides, before, strict=True)
    ]
    plain, *ours = sides
    for side, window, taken in zip(ours, WINDOWS, passes[1:], strict=True):
        title = f"{seconds} s, {window.title}: plain faster-whisper over ours"
        claimed = paired(f"delay.{seconds}s.{window.code}", title, times, plain.name, side.name)
        claimed = claimed.model_copy(update={"parameters": _parameters(side, seconds, taken) | claimed.parameters})
        yield judged(claimed, GOALS.get(window) if seconds == JUDGED_SECONDS else None)


def _prepare(side: Side, tokens: int) -> Tally:
    """Set how much is written; return what was counted so far."""
    side.model.tokens = tokens
    return replace(side.model.tally)


def _check(side: str, done: Tally, decodes: int, tokens: int) -> float:
    """Return how many encoder passes a decode took.

    Raises SpeechError unless that is one, and each wrote the number of tokens that was set.
    """
    if done != Tally(decodes, decodes, decodes * tokens):
        raise SpeechError(
            f"{side} took {done.encoder_passes} encoder passes and {done.decodes} decodes, and wrote {done.tokens} "
            f"tokens, for {decodes} utterances of {tokens}: the sides did not do the same work."
        )
    return done.encoder_passes / done.decodes


@contextmanager
def _sides(contest: Contest, windows: Sequence[Window], *, plain: bool) -> Iterator[list[Side]]:
    """Give plain faster-whisper, if wanted, and our engine with each window, all on the same model and device."""
    with even(1) as opened:
        # Ours first: it says what is wrong with a device or a type that cannot be used.
        engines = [_engine(contest, window) for window in windows]
        sides = [
            Side(f"ours, {window.title}", partial(_decode, engine), below)
            for engine, window, below in zip(engines, windows, opened[-len(windows) :], strict=True)
        ]
        if plain:
            decode = partial(_transcribe, _plain_model(contest))
            sides.insert(0, Side(PLAIN, decode, opened[-1]))
        try:
            yield sides
        finally:
            for engine in engines:
                engine.close()


def _engine(contest: Contest, window: Window) -> WhisperEngine:
    settings = contest.where.settings(
        window="adaptive", window_floor_seconds=window.floor_seconds, window_margin_seconds=window.margin_seconds
    )
    engine = WhisperEngine(settings, contest.model, verify=False)
    engine.load()
    return engine


def _decode(engine: WhisperEngine, audio: Samples) -> object:
    return engine.decode(audio, 0)


def _plain_model(contest: Contest) -> Any:
    from faster_whisper import WhisperModel

    settings = contest.where.settings()
    return WhisperModel(
        str(contest.model),
        device=settings.device,
        compute_type=settings.compute_type,
        cpu_threads=settings.threads or default_threads(),
        local_files_only=True,
    )


def _transcribe(model: Any, audio: Samples) -> object:
    settings = WhisperSettings()
    segments, _ = model.transcribe(
        audio.astype(np.float32) / FULL_SCALE,
        language=settings.language,
        beam_size=settings.beam_size,
        without_timestamps=True,
        condition_on_previous_text=False,
        temperature=0.0,
    )
    return list(segments)


def _parameters(side: Side, seconds: float, encoder_passes: float) -> dict[str, str | int | float | bool]:
    return {
        "seconds": seconds,
        "tokens": side.model.tokens,
        "window_seconds": window_seconds(side.model),
        "beam_size": WhisperSettings().beam_size,
        "threads": default_threads(),
        "encoder_passes": encoder_passes,
    }
