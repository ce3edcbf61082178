import importlib.util
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from voicebridge.cli import guarded
from voicebridge.domain.errors import SpeechError
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.structure import verify_structure
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.recipe import clips as clip_files
from voicebridge_bench.recipe import vocabulary as vocabularies
from voicebridge_bench.recipe.__main__ import command
from voicebridge_bench.recipe.augment import draw
from voicebridge_bench.recipe.export import SHAPES, Shape, export, random_weights
from voicebridge_bench.recipe.grammar import sentence
from voicebridge_bench.recipe.synthesis import Clip, commands

SMALL = Shape(width=32, heads=2, encoder_layers=1, decoder_layers=1)


@pytest.fixture(scope="module")
def vocabulary() -> vocabularies.Vocabulary:
    random = Random(2)
    return vocabularies.train(sentence(random) for _ in range(500))


def test_a_sentence_comes_back_from_its_tokens(vocabulary: vocabularies.Vocabulary) -> None:
    text = "Remind me to water the plants on Monday."
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_the_special_tokens_stand_in_whispers_order(vocabulary: vocabularies.Vocabulary) -> None:
    names = ("endoftext", "startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech")
    ids = [vocabulary.special(name) for name in (*names, "notimestamps", "0.00")]
    assert ids == list(range(ids[0], ids[0] + 9))
    assert vocabulary.size == vocabulary.timestamp(30.0) + 1


def test_the_shipped_model_speaks_the_recipes_vocabulary() -> None:
    shipped = vocabularies.load(WHISPER_COMMANDS / "tokenizer.json")
    random = Random(3)
    for _ in range(50):
        text = sentence(random)
        assert shipped.decode(shipped.encode(text)) == text


def test_an_exported_model_is_whole_and_decodes(vocabulary: vocabularies.Vocabulary, tmp_path: Path) -> None:
    export(random_weights(SMALL, vocabulary.size), SMALL, vocabulary, tmp_path / "model")
    verify_structure(tmp_path / "model")
    engine = WhisperEngine(WhisperSettings(beam_size=1, threads=1, window="full"), tmp_path / "model")
    engine.load()
    assert engine.decode(np.zeros(16_000, np.int16), 0).encoder_passes == 1


def test_a_missing_weight_is_named(vocabulary: vocabularies.Vocabulary, tmp_path: Path) -> None:
    weights = dict(random_weights(SMALL, vocabulary.size))
    del weights["decoder.0.cross_attention.key.weight"]
    with pytest.raises(SpeechError, match=r"cross_attention\.key\.weight should have the shape \(32, 32\), not None"):
        export(weights, SMALL, vocabulary, tmp_path)


def test_a_weight_of_another_size_is_named(vocabulary: vocabularies.Vocabulary, tmp_path: Path) -> None:
    weights = random_weights(SHAPES["commands"], vocabulary.size)
    with pytest.raises(SpeechError, match="should have the shape"):
        export(weights, SMALL, vocabulary, tmp_path)


def test_clips_come_back_from_disk(tmp_path: Path) -> None:
    spoken = commands(3, seed=1)
    clip_files.save(spoken, tmp_path / "clips.npz")
    for before, after in zip(spoken, clip_files.load(tmp_path / "clips.npz"), strict=True):
        assert (before.text, before.voice) == (after.text, after.voice)
        assert np.array_equal(before.samples, after.samples)


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_clips_that_cannot_be_read_are_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clips.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpeechError, match="Cannot read the clips"):
        clip_files.load(path)


def test_examples_hold_their_speech_within_bounds_and_noise_without_text() -> None:
    random = np.random.default_rng(1)
    clips = [Clip("Yes.", (8000 * np.sin(np.arange(8000) / 8)).astype(np.int16), "tone")]
    examples = [draw(clips, random) for _ in range(200)]
    assert any(example.text is None for example in examples)
    for example in examples:
        assert example.audio.dtype == np.float32
        assert np.isfinite(example.audio).all()
        assert 0 <= example.start_seconds <= example.end_seconds <= len(example.audio) / 16_000


def test_a_model_of_a_real_size_with_random_weights_can_be_made(tmp_path: Path) -> None:
    assert guarded(command, ["random", "tiny", str(tmp_path / "tiny")]) == 0
    verify_structure(tmp_path / "tiny")


def test_speech_for_training_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(command, ["synth", str(tmp_path / "clips.npz"), "--count", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 clips, ")
    assert len(clip_files.load(tmp_path / "clips.npz")) == 2


def test_exporting_before_training_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(command, ["export", str(tmp_path), str(tmp_path / "model")]) == 69
    assert "Train first." in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_training_without_pytorch_is_told(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "voicebridge_bench.recipe", "train", "clips.npz", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert "pip install torch" in done.stderr
