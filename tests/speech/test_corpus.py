import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge_bench.recipe.grammar import number, sentence
from voicebridge_bench.recipe.synthesis import HELD_OUT_VARIANTS, TRAINING_VARIANTS
from voicebridge_bench.speech_corpus import TEST_DATA, commands, human_recordings, say


def test_the_same_seed_gives_the_same_clips() -> None:
    first, second = commands(3, seed=7), commands(3, seed=7)
    assert [(clip.text, clip.voice) for clip in first] == [(clip.text, clip.voice) for clip in second]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, second, strict=True))


def test_a_clip_depends_on_its_own_seed_only() -> None:
    assert commands(3, seed=7)[2].text == commands(1, seed=9)[0].text


def test_held_out_voices_are_not_those_of_the_training() -> None:
    assert not set(HELD_OUT_VARIANTS) & set(TRAINING_VARIANTS)
    assert {clip.voice.split("+")[1] for clip in commands(20, seed=0)} <= set(HELD_OUT_VARIANTS)
    assert {clip.voice.split("+")[1] for clip in commands(20, 0, "training")} <= set(TRAINING_VARIANTS)


def test_speech_is_audible_and_of_the_length_of_speech() -> None:
    samples = say("Turn on the kitchen lights.")
    assert samples.dtype == np.int16
    assert 16_000 < len(samples) < 48_000
    assert np.abs(samples).max() > 3000


def test_a_voice_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SpeechError, match="could not speak with voice xx-none"):
        say("Hello.", "xx-none")


def test_without_espeak_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SpeechError, match="apt install espeak-ng"):
        say("Hello.")


def test_sentences_begin_with_a_capital_and_end_with_a_mark() -> None:
    random = Random(1)
    sentences = {sentence(random) for _ in range(300)}
    assert len(sentences) > 150
    assert all(text[0].isupper() and text[-1] in ".?" for text in sentences)


@pytest.mark.parametrize(("value", "words"), [(0, "zero"), (13, "thirteen"), (40, "forty"), (99, "ninety nine")])
def test_numbers_are_spelled(value: int, words: str) -> None:
    assert number(Random(0), value, value) == words


def test_every_recording_of_people_is_found_with_its_text() -> None:
    texts = {recording.name: recording.text for recording in human_recordings()}
    assert len(texts) == 14
    assert texts["003.wav"] == "seven of clubs"
    assert texts["sense_and_sensibility_01_austen_64kb-0880.wav"] == "he was not an ill disposed young man"
    assert [name for name, text in texts.items() if text is None] == ["something.raw", "numbers.raw"]


def test_without_the_recordings_it_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="apt install pocketsphinx-testdata") as caught:
        human_recordings(tmp_path / "none")
    assert caught.value.code == ExitCode.NO_INPUT


def test_a_damaged_recording_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(TEST_DATA, folder)
    (folder / "cards" / "002.wav").write_bytes(b"RIFF")
    with pytest.raises(SpeechError, match=r"Cannot read .*002\.wav"):
        human_recordings(folder)
