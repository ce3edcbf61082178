import os
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.domain.ports import Engine
from voicebridge.settings import Settings, WhisperSettings
from voicebridge.speech import models
from voicebridge.speech.choose import choose_engine
from voicebridge.speech.unchanged import verify_unchanged
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.models import WHISPER_COMMANDS


@pytest.fixture
def added(model_folder: Path, models_dir: Path) -> Path:
    """An installed model, with checksums."""
    return models.add_folder(model_folder, models_dir, "base.en")


def flip_a_bit(file: Path, keep_time: bool = False) -> None:
    before = file.stat()
    with file.open("r+b") as stream:
        stream.seek(-5000, os.SEEK_END)
        (byte,) = stream.read(1)
        stream.seek(-5000, os.SEEK_END)
        stream.write(bytes([byte ^ 0x40]))
    if keep_time:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_model_as_it_was_installed_is_loaded(added: Path) -> None:
    WhisperEngine(WhisperSettings(threads=1), added).load()


def test_a_flipped_bit_is_found_before_the_model_is_loaded_and_the_way_on_is_told(added: Path) -> None:
    flip_a_bit(added / "model.bin")
    with pytest.raises(SpeechError, match=r"model\.bin differs from what was installed") as caught:
        WhisperEngine(WhisperSettings(threads=1), added).load()
    assert str(added) in caught.value.message
    assert "`voicebridge models remove base.en`, then `voicebridge models pull base.en`" in caught.value.advice
    assert "models verify" in caught.value.advice
    assert caught.value.code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize("left_bytes", [0, 100, 1_000_000])
def test_a_truncated_file_is_found_and_named(added: Path, left_bytes: int) -> None:
    os.truncate(added / "model.bin", left_bytes)
    with pytest.raises(SpeechError, match=r"model\.bin that (is cut off|is no CTranslate2)"):
        WhisperEngine(WhisperSettings(threads=1), added).load()
    with pytest.raises(SpeechError, match=r"model\.bin differs"):
        verify_unchanged(added)


def test_a_tail_that_is_missing_from_a_table_is_found(added: Path) -> None:
    file = added / "vocabulary.json"
    file.write_text("[]")
    with pytest.raises(SpeechError, match=r"vocabulary\.json differs"):
        verify_unchanged(added)


def test_a_missing_file_is_named(added: Path) -> None:
    (added / "preprocessor_config.json").unlink()
    with pytest.raises(SpeechError, match=r"preprocessor_config\.json is missing"):
        verify_unchanged(added)


def test_a_file_that_cannot_be_read_is_named(added: Path) -> None:
    (added / "preprocessor_config.json").unlink()
    (added / "preprocessor_config.json").mkdir()
    with pytest.raises(SpeechError, match=r"preprocessor_config\.json cannot be read \(Is a directory\)"):
        verify_unchanged(added)


def test_a_model_of_ones_own_is_to_be_added_again(model_folder: Path, models_dir: Path) -> None:
    added = models.add_folder(model_folder, models_dir, "kitchen")
    flip_a_bit(added / "model.bin")
    with pytest.raises(SpeechError, match=r"models remove kitchen`, then `voicebridge models add FOLDER`"):
        verify_unchanged(added)


def test_a_folder_without_checksums_is_taken_as_it_is(model_folder: Path) -> None:
    verify_unchanged(WHISPER_COMMANDS)
    flip_a_bit(model_folder / "model.bin")
    verify_unchanged(model_folder)


def test_a_file_is_read_once_and_again_when_it_was_written(added: Path) -> None:
    verify_unchanged(added)
    flip_a_bit(added / "model.bin", keep_time=True)
    verify_unchanged(added)  # nobody looks into it: its size and time are the same
    os.utime(added / "model.bin")
    with pytest.raises(SpeechError, match=r"model\.bin differs"):
        verify_unchanged(added)


def test_a_model_that_was_installed_again_is_well(added: Path, model_folder: Path, models_dir: Path) -> None:
    flip_a_bit(added / "model.bin")
    engine = WhisperEngine(WhisperSettings(threads=1), added)
    with pytest.raises(SpeechError):
        engine.load()
    models.remove("base.en", models_dir)
    models.add_folder(model_folder, models_dir, "base.en")
    engine.load()


def chosen(models_dir: Path, verify: bool) -> Engine:
    settings = Settings.model_validate({"engine": {"kind": "whisper", "verify_model": verify}})
    return choose_engine(settings, models_dir).engine


def test_the_setting_decides(added: Path, models_dir: Path) -> None:
    flip_a_bit(added / "model.bin")
    with pytest.raises(SpeechError, match="differs"):
        chosen(models_dir, verify=True).load()
    chosen(models_dir, verify=False).load()
