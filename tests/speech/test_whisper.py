import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voicebridge.domain.errors import SpeechError
from voicebridge.domain.utterance import Word
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge.speech.whisper_options import CHANGEABLE, default_threads, max_new_tokens
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.recipe.export import Shape, export, random_weights
from voicebridge_bench.recipe.vocabulary import placeholder
from voicebridge_bench.speech_corpus import commands, say

MULTILINGUAL = ("en", "de", "fr", "haw")


def _loaded(path: Path = WHISPER_COMMANDS, **settings: object) -> WhisperEngine:
    engine = WhisperEngine(WhisperSettings.model_validate({"threads": 1, **settings}), path)
    engine.load()
    return engine


@pytest.fixture(scope="module")
def engine() -> WhisperEngine:
    return _loaded()


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual model with random weights: it babbles, in a language it detects."""
    folder = tmp_path_factory.mktemp("models") / "babble"
    vocabulary, shape = placeholder(MULTILINGUAL), Shape(width=32, heads=2, encoder_layers=1, decoder_layers=1)
    export(random_weights(shape, vocabulary.size, seed=3), shape, vocabulary, folder)
    return folder


@functools.cache
def _odd_clips() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    seconds = np.arange(30 * 16_000) / 16_000
    lights = say("Turn on the kitchen lights.")
    return {
        "silence": np.zeros(48_000, np.int16),
        "faint": random.integers(-2, 3, 32_000).astype(np.int16),
        "noise": random.integers(-20_000, 20_000, 48_000).astype(np.int16),
        "clipped": np.where(np.sin(seconds * 2000) > 0, 32_767, -32_768).astype(np.int16)[:40_000],
        "offset": np.full(16_000, 20_000, np.int16),
        "tone": (10_000 * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16)[:80_000],
        "click": np.eye(1, 8_000, 4_000, dtype=np.int16)[0] * 32_767,
        "shortest": random.integers(-9_000, 9_000, 400).astype(np.int16),
        "two commands": np.concatenate([lights, np.zeros(32_000, np.int16), lights]),
        "longest": np.resize(lights, 480_000),
    }


@pytest.mark.parametrize("name", _odd_clips())
def test_any_audio_costs_one_encoder_pass_and_what_is_doubted_a_second(engine: WhisperEngine, name: str) -> None:
    transcript = engine.decode(_odd_clips()[name], 0)
    assert transcript.encoder_passes == (2 if transcript.fallback else 1)


def test_commands_cost_one_encoder_pass_each(engine: WhisperEngine) -> None:
    transcripts = [engine.decode(clip.samples, 0) for clip in commands(6, seed=40)]
    assert [made.encoder_passes for made in transcripts if not made.fallback] == [1] * 6


def test_detecting_the_language_and_falling_back_cost_no_more_encoder_passes(multilingual: Path) -> None:
    transcript = _loaded(multilingual, language="", window="full").decode(_odd_clips()["noise"], 0)
    assert transcript.encoder_passes == 1
    assert transcript.temperature is not None
    assert transcript.temperature > 0


def test_most_words_of_unheard_voices_are_right(engine: WhisperEngine) -> None:
    clips = commands(10, seed=900)
    right = sum(engine.decode(clip.samples, 0).text == clip.text for clip in clips)
    assert right >= 6


def test_the_language_is_detected_where_the_setting_is_empty(multilingual: Path) -> None:
    transcript = _loaded(multilingual, language="").decode(_odd_clips()["tone"], 0)
    assert transcript.language in MULTILINGUAL
    assert transcript.language_probability is not None
    assert 1 / len(MULTILINGUAL) <= transcript.language_probability <= 1


def test_a_language_that_is_set_is_not_detected(multilingual: Path) -> None:
    transcript = _loaded(multilingual, language="fr").decode(_odd_clips()["tone"], 0)
    assert (transcript.language, transcript.language_probability) == ("fr", None)


def test_an_english_only_model_needs_no_detection() -> None:
    transcript = _loaded(language="").decode(_odd_clips()["tone"], 0)
    assert (transcript.language, transcript.language_probability) == ("en", None)


@pytest.mark.parametrize("language", ["de", "xx", "english"])
def test_a_language_the_model_does_not_speak_is_refused(language: str) -> None:
    with pytest.raises(SpeechError, match=f"'{language}' is not spoken by an English-only model"):
        _loaded(language=language)


def test_an_unknown_language_is_refused(multilingual: Path) -> None:
    with pytest.raises(SpeechError, match="'xx' is an unknown language"):
        _loaded(multilingual, language="xx")


def test_silence_has_a_high_no_speech_probability(engine: WhisperEngine) -> None:
    probability = engine.decode(_odd_clips()["silence"], 0).no_speech_prob
    assert probability is not None
    assert probability > 0.6


def test_speech_has_a_low_no_speech_probability(engine: WhisperEngine) -> None:
    probability = engine.decode(say("Turn on the kitchen lights."), 0).no_speech_prob
    assert probability is not None
    assert probability < 0.1


def test_figures_are_numbers_or_nothing(multilingual: Path) -> None:
    for beam_size in (1, 5):
        engine = _loaded(multilingual, beam_size=beam_size)
        for audio in _odd_clips().values():
            transcript = engine.decode(audio, 0)
            assert transcript.avg_logprob is None or transcript.avg_logprob <= 0


def test_words_are_left_out_when_nobody_wants_them() -> None:
    audio = say("Turn on the kitchen lights.")
    engine = _loaded(word_timestamps=False)
    transcript = engine.decode(audio, 0)
    assert transcript.text == "Turn on the kitchen lights."
    assert engine.find_words(transcript, audio, 0) == ()


def test_audio_under_25_ms_costs_nothing(engine: WhisperEngine) -> None:
    transcript = engine.decode(np.ones(399, np.int16), 0)
    assert (transcript.text, transcript.encoder_passes) == ("", 0)


def test_more_than_30_seconds_are_refused(engine: WhisperEngine) -> None:
    with pytest.raises(SpeechError, match="at most 30 s"):
        engine.decode(np.zeros(480_001, np.int16), 0)


@pytest.mark.parametrize("compute_type", ["float16", "int7"])
def test_an_impossible_compute_type_is_refused_with_those_that_are_possible(compute_type: str) -> None:
    with pytest.raises(SpeechError, match=r"compute type.*processor here can do .*float32"):
        _loaded(device="cpu", compute_type=compute_type)


def test_a_missing_graphics_card_is_refused_with_a_way_on() -> None:
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a graphics card")
    with pytest.raises(SpeechError, match=r'(?i)cuda.*whisper\.device = "cpu"'):
        _loaded(device="cuda")


def test_a_broken_folder_is_refused(model_folder: Path) -> None:
    (model_folder / "tokenizer.json").unlink()
    with pytest.raises(SpeechError, match=r"missing tokenizer\.json"):
        _loaded(model_folder)


def test_a_tokenizer_that_is_none_is_refused(model_folder: Path) -> None:
    (model_folder / "tokenizer.json").write_text("{}")
    with pytest.raises(SpeechError, match=r"Cannot load.*models verify"):
        _loaded(model_folder)


def test_mel_bins_that_do_not_fit_are_refused(model_folder: Path) -> None:
    (model_folder / "preprocessor_config.json").write_text('{"feature_size": 128}')
    with pytest.raises(SpeechError, match=r"80 mel bins.*gives 128"):
        _loaded(model_folder)


def test_a_model_that_cannot_find_words_is_refused_only_where_words_are_wanted(model_folder: Path) -> None:
    config = json.loads((model_folder / "config.json").read_text())
    del config["alignment_heads"]
    (model_folder / "config.json").write_text(json.dumps(config))
    _loaded(model_folder, word_timestamps=False)
    with pytest.raises(SpeechError, match="word_timestamps = false"):
        _loaded(model_folder)


def test_a_prompt_reaches_the_model(engine: WhisperEngine) -> None:
    audio = say("Turn on the kitchen lights.")
    prompted = _loaded(initial_prompt="Good morning.").decode(audio, 0)
    assert prompted.no_speech_prob != engine.decode(audio, 0).no_speech_prob


def test_a_prompt_that_would_be_cut_off_is_refused() -> None:
    with pytest.raises(SpeechError, match=r"\d{3} tokens long.*takes 223"):
        _loaded(initial_prompt="kitchen lights " * 60, hotwords="garage door " * 60)


def test_a_prompt_of_the_full_length_leaves_room_for_text() -> None:
    transcript = _loaded(hotwords="one " * 200).decode(say("Turn on the kitchen lights."), 0)
    assert transcript.encoder_passes == 1


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4), (8, 4), (64, 4)])
def test_all_cores_but_one_decode_and_four_at_the_most(cores: int, threads: int) -> None:
    assert default_threads(cores) == threads


def test_the_cores_that_count_are_those_that_this_process_may_use() -> None:
    assert default_threads() == default_threads(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("prompt_tokens", [1, 4, 100, 224])
@pytest.mark.parametrize("seconds", [0.025, 2.0, 9.6, 30.0])
def test_a_decoder_may_write_what_speech_needs_and_no_more(seconds: float, prompt_tokens: int) -> None:
    total = max_new_tokens(seconds, prompt_tokens) + prompt_tokens
    granted = min(total // 2, total - prompt_tokens)  # CTranslate2, src/models/whisper.cc
    assert total <= 448
    assert min(7 * seconds, 200) <= granted <= max(33 + 20 * seconds, prompt_tokens)


def _words(engine: WhisperEngine, audio: np.ndarray) -> tuple[Word, ...]:
    return engine.find_words(engine.decode(audio, 0), audio, 0)


def test_settings_of_a_decode_change_while_the_model_is_loaded() -> None:
    audio = say("Turn on the kitchen lights.")
    engine = _loaded()
    before = _words(engine, audio)
    assert before
    changed = WhisperSettings(beam_size=1, initial_prompt="Good morning.", word_timestamps=False, threads=1)
    assert engine.apply(changed)
    after = engine.decode(audio, 0)
    assert engine.find_words(after, audio, 0) == ()
    assert (
        after.no_speech_prob == _loaded(**changed.model_dump(include=set(CHANGEABLE))).decode(audio, 0).no_speech_prob
    )
    engine.apply(WhisperSettings(threads=1))
    assert _words(engine, audio) == before


def test_the_language_changes_while_the_model_is_loaded(multilingual: Path) -> None:
    engine = _loaded(multilingual)
    engine.apply(WhisperSettings(language="de"))
    assert engine.decode(_odd_clips()["tone"], 0).language == "de"


@pytest.mark.parametrize("change", [{"language": "xx"}, {"hotwords": "kitchen lights " * 120}])
def test_a_change_that_the_model_cannot_do_with_changes_nothing(change: dict[str, str]) -> None:
    audio = say("Turn on the kitchen lights.")
    engine = _loaded()
    before = _words(engine, audio)
    with pytest.raises(SpeechError, match=r"whisper\."):
        engine.apply(WhisperSettings.model_validate({"word_timestamps": False, **change}))
    assert _words(engine, audio) == before


def test_words_cannot_be_asked_for_of_a_model_that_cannot_find_them(model_folder: Path) -> None:
    config = json.loads((model_folder / "config.json").read_text())
    del config["alignment_heads"]
    (model_folder / "config.json").write_text(json.dumps(config))
    engine = _loaded(model_folder, word_timestamps=False)
    with pytest.raises(SpeechError, match="word_timestamps = false"):
        engine.apply(WhisperSettings())
    (model_folder / "config.json").unlink()
    with pytest.raises(SpeechError, match=r"config\.json cannot be read"):
        engine.apply(WhisperSettings())


def test_a_change_before_the_load_is_checked_by_the_load() -> None:
    engine = WhisperEngine(WhisperSettings(threads=1), WHISPER_COMMANDS)
    engine.apply(WhisperSettings(language="de"))
    with pytest.raises(SpeechError, match="'de' is not spoken"):
        engine.load()


STARVED = f"""
import resource
import numpy as np
import psutil
from pathlib import Path
from voicebridge.domain.errors import EngineStarvedError
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.whisper import WhisperEngine

engine = WhisperEngine(WhisperSettings(threads=1, window="full"), Path({str(WHISPER_COMMANDS)!r}))
engine.load()
audio = np.zeros(480_000, np.int16)
engine.decode(audio, 0)
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms, before[1]))
try:
    engine.decode(np.concatenate([audio[240_000:], audio[:240_000]]), 0)
except EngineStarvedError as error:
    told = str(error)
resource.setrlimit(resource.RLIMIT_AS, before)
print(engine.decode(audio, 0).encoder_passes, told)
"""


def test_a_decode_without_memory_is_nobodys_fault_and_the_next_one_with_memory_is_well() -> None:
    done = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("1 Whisper got too little memory to decode."), done.stderr
