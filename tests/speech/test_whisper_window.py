"""The encoder's window."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.domain.utterance import DecodeKind
from voicebridge.pipeline.gate import judge
from voicebridge.settings.schema import GateSettings, WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.speech.whisper_options import request_for
from voicebridge.speech.whisper_window import FULL_FRAMES, padded, spectrum, window_frames
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.recipe.export import Shape, export, random_weights
from voicebridge_bench.recipe.vocabulary import placeholder
from voicebridge_bench.speech_corpus import say

LIGHTS = "Turn on the kitchen lights."


def _frames(seconds: float, **settings: Any) -> int:
    wanted = WhisperSettings.model_validate({"window": "adaptive", **settings})
    return window_frames(round(seconds * 16_000), 80, wanted, wanted.window_floor_seconds)


def _loaded(path: Path = WHISPER_COMMANDS, **settings: Any) -> WhisperEngine:
    engine = WhisperEngine(WhisperSettings.model_validate({"threads": 1, **settings}), path)
    engine.load()
    return engine


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights, which never comes to an end."""
    folder = tmp_path_factory.mktemp("models") / "babble"
    vocabulary, shape = placeholder(("en",)), Shape(width=32, heads=2, encoder_layers=1, decoder_layers=1)
    export(random_weights(shape, vocabulary.size, seed=3), shape, vocabulary, folder)
    return folder


@pytest.mark.parametrize(
    ("seconds", "settings", "frames"),
    [
        (3.0, {}, 1000),
        (8.0, {}, 1000),
        (8.0, {"window_margin_seconds": 3.0}, 1100),
        (9.0, {}, 1100),
        (9.0001, {}, 1102),
        (9.01, {}, 1102),
        (27.99, {}, 3000),
        (30.0, {}, 3000),
        (3.0, {"window": "full"}, 3000),
        (1.0, {"window_floor_seconds": 30}, 3000),
        (0.1, {"window_floor_seconds": 1, "window_margin_seconds": 0}, 100),
    ],
)
def test_the_window_is_the_utterance_and_a_margin_or_the_floor(
    seconds: float, settings: dict[str, Any], frames: int
) -> None:
    assert _frames(seconds, **settings) == frames


@given(
    samples=st.integers(400, 480_000),
    bins=st.sampled_from([80, 128]),
    floor=st.floats(1, 30),
    margin=st.floats(0, 10),
)
def test_a_window_holds_the_audio_and_is_one_that_the_encoder_knows(
    samples: int, bins: int, floor: float, margin: float
) -> None:
    settings = WhisperSettings(window="adaptive", window_margin_seconds=margin)
    frames = window_frames(samples, bins, settings, floor)
    assert frames % 2 == 0
    assert frames // 2 != bins
    assert frames <= FULL_FRAMES
    assert frames >= min(FULL_FRAMES, samples / 160, floor * 100)


def test_as_many_positions_as_mel_bins_are_encoded_a_second_time_and_so_avoided() -> None:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(WHISPER_COMMANDS), device="cpu", cpu_threads=1, local_files_only=True)
    request = request_for(model, "en", WhisperSettings())

    def text(encoded: Any) -> str:
        return str(
            request.tokenizer.decode(model.model.generate(encoded, [request.prompt])[0].sequences_ids[0])
        ).strip()

    features = spectrum(model, say(LIGHTS))
    assert [text(model.encode(padded(features, frames))) for frames in (158, 162)] == [LIGHTS, LIGHTS]
    assert text(model.encode(padded(features, 160))) != LIGHTS, "CTranslate2 was mended: window_frames need not mind"
    assert _frames(1.0, window_floor_seconds=1.6, window_margin_seconds=0) == 162


def test_padding_is_what_follows_the_audio_in_the_full_window() -> None:
    features = np.ones((80, 50), np.float32)
    assert np.array_equal(padded(features, 100), padded(features, FULL_FRAMES)[:, :100])


@pytest.mark.parametrize("floor", [10.0, 4.0])
def test_a_transcript_tells_its_window(floor: float) -> None:
    transcript = _loaded(window_floor_seconds=floor).decode(say(LIGHTS), 0)
    assert (transcript.text, transcript.window_seconds, transcript.fallback) == (LIGHTS, floor, "")
    assert transcript.encoder_passes == 1
    assert transcript.kind is DecodeKind.FINAL


def test_an_utterance_that_fills_the_window_goes_the_ordinary_way() -> None:
    engine = _loaded()
    transcript = engine.decode(np.resize(say(LIGHTS), 29 * 16_000), 0)
    assert (transcript.window_seconds, transcript.encoder_passes) == (30.0, 1)
    assert (engine.counters.full, engine.counters.short) == (1, 0)


def test_what_is_not_believed_is_decoded_again_in_full(babbler: Path) -> None:
    engine = _loaded(babbler)
    audio = say(LIGHTS)
    transcript = engine.decode(audio, 0)
    assert transcript.fallback
    assert (transcript.window_seconds, transcript.encoder_passes) == (30.0, 2)
    code = transcript.fallback.split(" ", 1)[0]
    assert (engine.counters.short, engine.counters.full) == (1, 0)
    assert {reason: count for reason, count in engine.counters.fallbacks.items() if count} == {code: 1}


def test_what_the_gate_would_reject_is_decoded_again_in_full_and_what_it_believes_is_not() -> None:
    engine = _loaded()
    gate = GateSettings(no_speech_certain=0.0)
    engine.doubt_also(lambda transcript: judge(transcript, 1.0, gate))
    transcript = engine.decode(say(LIGHTS), 0)
    assert transcript.fallback.startswith("gate no_speech_prob 0.")
    assert (transcript.text, transcript.window_seconds, transcript.encoder_passes) == (LIGHTS, 30.0, 2)
    assert engine.counters.fallbacks["gate"] == 1
    engine.doubt_also(lambda transcript: judge(transcript, 1.0, GateSettings()))
    assert engine.decode(say(LIGHTS), 0).fallback == ""


def test_nothing_is_decoded_again_where_the_window_is_full(babbler: Path) -> None:
    engine = _loaded(babbler, window="full")
    transcript = engine.decode(say(LIGHTS), 0)
    assert (transcript.fallback, transcript.encoder_passes) == ("", 1)
    assert engine.counters.full == 1
    assert sum(engine.counters.fallbacks.values()) == 0


def test_a_partial_in_doubt_has_no_text_and_costs_one_pass(babbler: Path) -> None:
    engine = _loaded(babbler)
    partial = engine.decode_partial(say(LIGHTS), 0)
    assert (partial.text, partial.encoder_passes, partial.kind) == ("", 1, DecodeKind.PARTIAL)
    assert (engine.counters.partial, engine.counters.short) == (1, 0)


def test_the_beginning_of_a_command_is_heard_while_it_goes_on() -> None:
    audio = say(LIGHTS)
    assert _loaded().decode_partial(audio, 0).text == LIGHTS


@pytest.mark.parametrize(
    ("settings", "window_seconds"),
    [
        ({}, 5.0),
        ({"partial_floor_seconds": 8.0}, 8.0),
        ({"window_floor_seconds": 4.0}, 4.0),
        ({"window": "full"}, 30.0),
    ],
)
def test_what_is_still_being_said_is_heard_in_a_window_of_its_own(
    settings: dict[str, Any], window_seconds: float
) -> None:
    audio = say(LIGHTS)[: 16_000 * 2]
    assert _loaded(**settings).decode_partial(audio, 0).window_seconds == window_seconds


def test_a_partial_of_more_than_its_floor_holds_the_audio_and_the_margin() -> None:
    audio = np.resize(say(LIGHTS), 16_000 * 6)
    assert _loaded().decode_partial(audio, 0).window_seconds == 8.0


def test_the_window_changes_while_the_model_is_loaded() -> None:
    engine = _loaded()
    audio = say(LIGHTS)
    engine.decode(audio, 0)
    engine.apply(WhisperSettings(window="full", threads=1))
    assert engine.decode(audio, 0).window_seconds == 30.0
    engine.apply(WhisperSettings(window_floor_seconds=5.0, threads=1))
    assert engine.decode(audio, 0).window_seconds == 5.0


def test_words_of_a_short_window_stand_where_they_stand_in_the_full_one() -> None:
    audio = say(LIGHTS)
    found = []
    for settings in ({"window": "full"}, {}, {"window_floor_seconds": 4.0}):
        engine = _loaded(**settings)
        found.append(engine.find_words(engine.decode(audio, 0), audio, 0))
    full, *short = found
    for words in short:
        assert [word.text for word in words] == [word.text for word in full]
        for ours, theirs in zip(words, full, strict=True):
            assert abs(ours.start_sample - theirs.start_sample) <= 16_000 * 0.25


def test_words_of_an_older_transcript_cost_an_encoder_pass_and_those_of_the_newest_none() -> None:
    engine = _loaded()
    first, second = say(LIGHTS), say("Set a timer for twenty minutes.")
    transcript = engine.decode(first, 0)
    encoder = engine._decoder.loaded.encoder if engine._decoder else None
    assert encoder is not None
    engine.find_words(transcript, first, 0)
    assert encoder.passes == 1
    engine.decode(second, 0)
    engine.find_words(transcript, first, 0)
    assert encoder.passes == 3


def test_numpy_multiplies_in_one_thread_once_the_model_is_loaded() -> None:
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it comes without

    libraries = Path(np.__file__).parent.parent / "numpy.libs"
    if not libraries.is_dir():
        pytest.skip("this numpy brings no library of its own; the system's is left alone")
    _loaded()
    ours = [info for info in threadpool_info() if Path(info["filepath"]).parent == libraries]
    assert {info["num_threads"] for info in ours} == {1}
