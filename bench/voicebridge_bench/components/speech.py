"""Suite speech: decodes by engine, model and length, and what our path costs over calling faster-whisper directly."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine
from voicebridge.domain.utterance import Transcript
from voicebridge.pipeline.gate import judge
from voicebridge.settings import GateSettings, SphinxSettings, WhisperSettings
from voicebridge.speech.models import installed
from voicebridge.speech.sphinx import SphinxEngine
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.speech.whisper_options import TEMPERATURES, default_threads
from voicebridge_bench.components import sounds
from voicebridge_bench.components.figure import Context, Figure, LeftOut, Ready, Suite, timed
from voicebridge_bench.components.measure import Stopwatch
from voicebridge_bench.models import WHISPER_COMMANDS

LENGTHS_SECONDS = (1, 3, 5, 10, 30)
SHARES = {1: 0.1, 3: 0.1, 5: 0.1, 10: 0.06, 30: 0.04}
"""Of the run's iterations, by length: what takes long is taken less often."""
OVERHEAD_SECONDS = 5
OVERHEAD_SHARE = 0.5
SPEECH_RATIO = 0.8
SHIPPED = "commands"
"""The name, in figures, of the model that ships with the bench."""
FULL_SCALE = 32768.0

Sound = Callable[[float], Samples]


@dataclass(frozen=True, slots=True)
class _Contestant:
    """An engine with its name in figures, and the material that suits it, best first."""

    name: str
    engine: Engine
    material: Sequence[tuple[str, Sound]]


@contextmanager
def _opened(context: Context) -> Iterator[Ready]:
    figures: list[Figure] = []
    left_out: list[LeftOut] = []
    with ExitStack() as stack:
        for contestant in _contestants(context.models_dir):
            try:
                figures += _decodes(context.watch, contestant, stack)
            except SpeechError as error:
                left_out.append(LeftOut(contestant.name, str(error)))
        try:
            figures += overhead(context.watch, stack)
        except SpeechError as error:
            left_out.append(LeftOut("overhead", str(error)))
        if not figures:
            raise SpeechError(
                "Nothing can be decoded here.", "; ".join(f"{one.what}: {one.reason}" for one in left_out)
            )
        yield Ready(figures, left_out, {"threads": default_threads(), "gate": True})


def _contestants(models_dir: Path) -> Iterator[_Contestant]:
    people = ("recordings of people", sounds.recorded_speech)
    commands = ("synthesised commands", sounds.command_speech)
    yield _Contestant("sphinx", SphinxEngine(SphinxSettings()), (people, commands))
    # It knows synthesised commands and nothing else.
    yield _Contestant(
        f"whisper.{SHIPPED}", WhisperEngine(WhisperSettings(), WHISPER_COMMANDS, verify=False), (commands, people)
    )
    for model in installed(models_dir):
        settings = WhisperSettings(language="en")
        # One that is called like ours keeps a name of its own.
        name = f"{model.name}.installed" if model.name == SHIPPED else model.name
        yield _Contestant(f"whisper.{name}", WhisperEngine(settings, model.path), (people, commands))


def _decodes(watch: Stopwatch, contestant: _Contestant, stack: ExitStack) -> list[Figure]:
    """Return a figure for each length; raises SpeechError when there is no speech, or the model cannot be used."""
    material, sound = _first_that_speaks(contestant.material)
    engine = contestant.engine
    stack.enter_context(closing(engine))
    engine.load()
    engine.decode(sound(LENGTHS_SECONDS[0]), 0)
    info = engine.info
    return [
        Figure(
            f"speech.{contestant.name}.{seconds}s",
            f"{contestant.name.replace('.', ' ', 1)}: decode {seconds} s",
            "ms",
            timed(watch, partial(_decode_and_judge, engine, sound(seconds))),
            SHARES[seconds],
            warm_up=0,
            parameters={
                "engine": info.engine,
                "model": info.model,
                "sound": material,
                "seconds": seconds,
                # PocketSphinx has one.
                "threads": default_threads() if info.engine == "whisper" else 1,
            },
            audio_seconds=seconds,
        )
        for seconds in LENGTHS_SECONDS
    ]


def _first_that_speaks(material: Sequence[tuple[str, Sound]]) -> tuple[str, Sound]:
    missing: SpeechError | None = None
    for name, sound in material:
        try:
            sound(LENGTHS_SECONDS[0])
        except SpeechError as error:
            missing = missing or error
        else:
            return name, sound
    assert missing is not None
    raise missing


def _decode_and_judge(engine: Engine, audio: Samples) -> Transcript:
    heard = engine.decode(audio, 0)
    judge(heard, SPEECH_RATIO, GateSettings())
    return heard


def overhead(watch: Stopwatch, stack: ExitStack) -> Iterator[Figure]:
    """Yield our time over faster-whisper's own on the same audio with the same options, turn and turn about."""
    # The same work on both sides: faster-whisper has no other window, and we look for words after the text.
    settings = WhisperSettings(window="full", word_timestamps=False)
    engine = WhisperEngine(settings, WHISPER_COMMANDS, verify=False)
    stack.enter_context(closing(engine))
    engine.load()
    material, sound = _first_that_speaks((("synthesised commands", sounds.command_speech),))
    audio = sound(OVERHEAD_SECONDS)
    plain = _plain_model(settings)
    ours, theirs = partial(_decode_and_judge, engine, audio), partial(_directly, plain, settings, audio)
    heard, said = ours(), theirs()
    if said is None or heard.temperature != 0 or heard.text != said.text.strip():
        raise SpeechError("Our path and faster-whisper's own found different words: there is nothing to compare.")
    yield Figure(
        "speech.overhead",
        "Our decode and gate over faster-whisper's first window",
        "ratio",
        _Turns(watch, ours, theirs),
        OVERHEAD_SHARE,
        warm_up=1,
        parameters={
            "model": engine.info.model,
            "sound": material,
            "seconds": OVERHEAD_SECONDS,
            "beam_size": settings.beam_size,
            "threads": default_threads(),
        },
    )


class _Turns:
    """A take: the ratio of two calls made one after the other; who is first changes each time."""

    def __init__(self, watch: Stopwatch, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
        self._watch = watch
        self._ours = ours
        self._theirs = theirs
        self._ours_first = False

    def __call__(self) -> float:
        """Return our time over theirs."""
        self._ours_first = not self._ours_first
        if self._ours_first:
            ours = self._watch.seconds(self._ours)
            return ours / self._watch.seconds(self._theirs)
        theirs = self._watch.seconds(self._theirs)
        return self._watch.seconds(self._ours) / theirs


def _plain_model(settings: WhisperSettings) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(
        str(WHISPER_COMMANDS),
        device=settings.device,
        compute_type=settings.compute_type,
        cpu_threads=default_threads(),
        local_files_only=True,
    )


def _directly(model: Any, settings: WhisperSettings, audio: Samples) -> Any:
    """Decode as a program would that calls faster-whisper, with the options that our engine uses.

    Only its first window: it would go on from the end of the last word with another encoder pass, which we do not make.
    """
    segments, _ = model.transcribe(
        audio.astype(np.float32) / FULL_SCALE,
        language=settings.language,
        beam_size=settings.beam_size,
        best_of=settings.beam_size,
        without_timestamps=True,
        word_timestamps=settings.word_timestamps,
        condition_on_previous_text=False,
        temperature=TEMPERATURES,
    )
    return next(segments, None)


SUITE = Suite(
    "speech",
    "Decodes by engine, model and length; overhead over faster-whisper",
    (
        *(f"speech.sphinx.{seconds}s" for seconds in LENGTHS_SECONDS),
        *(f"speech.whisper.*.{seconds}s" for seconds in LENGTHS_SECONDS),
        "speech.overhead",
    ),
    _opened,
)
