"""The one-pass decode against faster-whisper's own: a new version that changes something is noticed here."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from voicebridge.domain.audio import Samples
from voicebridge.domain.utterance import Transcript
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.speech.whisper_options import TEMPERATURES
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import Clip, commands, say

KNOWN = (
    "Turn on the kitchen lights.",
    "Set a timer for twenty minutes.",
    "What is the weather like tomorrow?",
    "Open the garage door.",
    "Add milk and eggs to the shopping list.",
)
"""Commands in the voice that the model knows best, so that neither side has to guess."""


@pytest.fixture(scope="module")
def plain() -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(WHISPER_COMMANDS), device="cpu", cpu_threads=1, local_files_only=True)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return commands(5, seed=700)


def _transcribe(plain: Any, samples: Samples, **options: Any) -> Any:
    segments, _info = plain.transcribe(
        samples.astype(np.float32) / 32768.0,
        language="en",
        without_timestamps=True,
        word_timestamps=True,
        condition_on_previous_text=False,
        temperature=TEMPERATURES,
        **options,
    )
    # It would go on from the end of the last word, with another encoder pass. Nothing at all means no text.
    return next(segments, None)


def _decode(engine: WhisperEngine, clip: Clip) -> Transcript:
    transcript = engine.decode(clip.samples, 0)
    return replace(transcript, words=engine.find_words(transcript, clip.samples, 0))


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (WhisperSettings(window="full", threads=1), {"beam_size": 5}),
        (WhisperSettings(window="full", threads=1, beam_size=1), {"beam_size": 1}),
        (WhisperSettings(window="full", threads=1, hotwords="lights"), {"hotwords": "lights"}),
    ],
    ids=["default", "greedy", "hotwords"],
)
def test_text_figures_and_words_equal_those_of_transcribe(
    plain: Any, clips: list[Clip], settings: WhisperSettings, options: dict[str, Any]
) -> None:
    engine = WhisperEngine(settings, WHISPER_COMMANDS)
    engine.load()
    pairs = [(_decode(engine, clip), _transcribe(plain, clip.samples, **options), clip) for clip in clips]
    # Sampling draws at random; nothing could be compared.
    compared = [pair for pair in pairs if pair[1] is not None and pair[1].temperature == pair[0].temperature == 0]
    assert len(compared) >= 3
    for ours, theirs, clip in compared:
        assert ours.text == theirs.text.strip()
        assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-3)
        assert ours.no_speech_prob == pytest.approx(theirs.no_speech_prob, abs=1e-3)
        assert ours.compression_ratio == pytest.approx(theirs.compression_ratio)
        assert [word.text for word in ours.words] == [word.word.strip() for word in theirs.words]
        starts = [min(word.start, len(clip.samples) / 16_000) for word in theirs.words]
        assert [word.start_sample / 16_000 for word in ours.words] == pytest.approx(starts, abs=0.05)


@pytest.mark.parametrize("floor_seconds", [10.0, 4.0])
def test_a_short_window_gives_the_text_of_transcribe_in_one_encoder_pass(plain: Any, floor_seconds: float) -> None:
    engine = WhisperEngine(WhisperSettings(window_floor_seconds=floor_seconds, threads=1), WHISPER_COMMANDS)
    engine.load()
    clips = [say(text) for text in KNOWN]
    for text, samples in zip(KNOWN, clips, strict=True):
        ours, theirs = engine.decode(samples, 0), _transcribe(plain, samples, beam_size=5)
        assert ours.text == theirs.text.strip() == text
        assert (ours.encoder_passes, ours.fallback) == (1, "")
        assert ours.window_seconds == pytest.approx(max(floor_seconds, len(samples) / 16_000 + 2), abs=0.02)
