import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicebridge.domain.errors import SpeechError
from voicebridge.speech.structure import verify_structure
from voicebridge_bench.models import WHISPER_COMMANDS

MODEL_BYTES = (WHISPER_COMMANDS / "model.bin").read_bytes()


def test_a_whole_model_is_accepted() -> None:
    verify_structure(WHISPER_COMMANDS)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match=r"no model folder .*nowhere"):
        verify_structure(tmp_path / "nowhere")


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match=r"missing model\.bin, config\.json, tokenizer\.json, vocabulary\.json"):
        verify_structure(tmp_path)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_missing_file_is_named(model_folder: Path, name: str) -> None:
    (model_folder / name).unlink()
    with pytest.raises(SpeechError, match=f"missing {name}"):
        verify_structure(model_folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "vocabulary.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"", b'{"cut": ', b"\xff\xfe\x00"])
def test_a_damaged_text_file_is_named(model_folder: Path, name: str, content: bytes) -> None:
    (model_folder / name).write_bytes(content)
    with pytest.raises(SpeechError, match=name):
        verify_structure(model_folder)


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_a_file_the_system_cannot_read_is_named(model_folder: Path, name: str) -> None:
    (model_folder / name).unlink()
    (model_folder / name).symlink_to("/proc/self/mem")  # a file that opens and whose first page cannot be read
    with pytest.raises(SpeechError, match=f"{name} that cannot be read: Input/output error"):
        verify_structure(model_folder)


def test_a_vocabulary_in_plain_text_is_accepted(model_folder: Path) -> None:
    tokens = json.loads((model_folder / "vocabulary.json").read_text())
    (model_folder / "vocabulary.json").unlink()
    (model_folder / "vocabulary.txt").write_text("\n".join(tokens))
    verify_structure(model_folder)


def test_an_empty_plain_text_vocabulary_is_refused(model_folder: Path) -> None:
    (model_folder / "vocabulary.txt").write_text("\n")
    with pytest.raises(SpeechError, match=r"empty vocabulary\.txt"):
        verify_structure(model_folder)


def test_a_model_of_another_kind_is_named(model_folder: Path) -> None:
    (model_folder / "model.bin").write_bytes(MODEL_BYTES.replace(b"WhisperSpec", b"ElectraSpec", 1))
    with pytest.raises(SpeechError, match=r"another kind \(ElectraSpec\)"):
        verify_structure(model_folder)


def test_a_file_of_another_format_is_refused(model_folder: Path) -> None:
    (model_folder / "model.bin").write_bytes(b"PK\x03\x04" + bytes(1000))
    with pytest.raises(SpeechError, match="no CTranslate2 model"):
        verify_structure(model_folder)


def test_an_impossible_number_of_variables_is_refused(model_folder: Path) -> None:
    (model_folder / "model.bin").write_bytes(MODEL_BYTES[:22] + b"\xff\xff\xff\xff" + MODEL_BYTES[26:])
    with pytest.raises(SpeechError, match="damaged"):
        verify_structure(model_folder)


def test_an_impossible_rank_is_refused(model_folder: Path) -> None:
    rank_at = 26 + 2 + MODEL_BYTES[26]
    (model_folder / "model.bin").write_bytes(MODEL_BYTES[:rank_at] + b"\xff" + MODEL_BYTES[rank_at + 1 :])
    with pytest.raises(SpeechError, match="damaged"):
        verify_structure(model_folder)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(length=st.integers(0, len(MODEL_BYTES) - 1))
def test_a_model_cut_off_anywhere_is_refused(model_folder: Path, length: int) -> None:
    (model_folder / "model.bin").write_bytes(MODEL_BYTES[:length])
    with pytest.raises(SpeechError, match="cut off"):
        verify_structure(model_folder)
