import json
import os
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.speech import models
from voicebridge_bench.models import WHISPER_COMMANDS


def test_a_name_is_looked_up_in_the_models_directory(model_folder: Path, models_dir: Path) -> None:
    added = models.add_folder(model_folder, models_dir)
    assert models.find("commands", models_dir) == added == models_dir / "commands"


def test_a_path_is_taken_as_it_is(models_dir: Path) -> None:
    assert models.find(str(WHISPER_COMMANDS), models_dir) == WHISPER_COMMANDS


def test_a_path_may_begin_at_home(models_dir: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> None:
    monkeypatch.setenv("HOME", str(model_folder.parent))
    assert models.find("~/commands", models_dir) == model_folder


def test_the_working_directory_decides_nothing(
    model_folder: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_folder.parent)
    assert models.find("commands", models_dir) is None


@pytest.mark.parametrize("name", ["", "..", ".hidden", "no such", "base.en", "/no/such/folder", "x.partial"])
def test_what_is_not_there_is_not_found(models_dir: Path, name: str) -> None:
    assert models.find(name, models_dir) is None


def test_no_directory_means_no_models(models_dir: Path) -> None:
    assert models.installed(models_dir) == []


def test_a_models_directory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "models"
    file.touch()
    with pytest.raises(SpeechError, match="Cannot read the models"):
        models.installed(file)


def test_models_are_listed_by_name_with_their_size(model_folder: Path, models_dir: Path) -> None:
    for name in ("second", "first"):
        models.add_folder(model_folder, models_dir, name)
    (models_dir / "left.partial").mkdir()
    (models_dir / "notes.txt").touch()
    listed = models.installed(models_dir)
    assert [model.name for model in listed] == ["first", "second"]
    assert listed[0].size_bytes > 2_700_000


def test_an_added_model_has_checksums_and_nothing_else_that_was_beside_it(model_folder: Path, models_dir: Path) -> None:
    (model_folder / "holiday.jpg").write_bytes(b"private")
    added = models.add_folder(model_folder, models_dir)
    assert not (added / "holiday.jpg").exists()
    assert set(models.read_checksums(added)) == {path.name for path in added.iterdir()} - {"checksums.json"}
    assert models.verify(added) == []


def test_a_changed_byte_is_found(model_folder: Path, models_dir: Path) -> None:
    added = models.add_folder(model_folder, models_dir)
    with (added / "model.bin").open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\x00\x01\x02\x03")
    assert models.verify(added) == ["model.bin differs from what was installed"]


def test_an_optional_file_that_vanished_is_found(model_folder: Path, models_dir: Path) -> None:
    added = models.add_folder(model_folder, models_dir)
    (added / "preprocessor_config.json").unlink()
    assert models.verify(added) == ["preprocessor_config.json is missing"]


def test_a_model_without_checksums_is_judged_by_its_structure(model_folder: Path) -> None:
    assert models.verify(model_folder) == []
    (model_folder / "model.bin").write_bytes(b"")
    (problem,) = models.verify(model_folder)
    assert "cut off" in problem


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"sha256": 3}'])
def test_damaged_checksums_are_told(model_folder: Path, content: str) -> None:
    (model_folder / "checksums.json").write_text(content)
    (problem,) = models.verify(model_folder)
    assert "checksums.json cannot be read" in problem


def test_a_folder_that_differs_from_its_own_checksums_is_not_added(model_folder: Path, models_dir: Path) -> None:
    (model_folder / "checksums.json").write_text(json.dumps({"sha256": {"model.bin": "0" * 64}}))
    with pytest.raises(SpeechError, match=r"damaged: model\.bin differs"):
        models.add_folder(model_folder, models_dir)


def test_a_folder_that_is_no_model_is_not_added(tmp_path: Path, models_dir: Path) -> None:
    with pytest.raises(SpeechError, match="is missing"):
        models.add_folder(tmp_path, models_dir)
    assert models.installed(models_dir) == []


def test_a_taken_name_is_refused(model_folder: Path, models_dir: Path) -> None:
    models.add_folder(model_folder, models_dir)
    with pytest.raises(SpeechError, match="already in"):
        models.add_folder(model_folder, models_dir)


@pytest.mark.parametrize("name", ["../up", ".hidden", "a b", "x.partial"])
def test_a_name_that_is_no_name_is_refused(model_folder: Path, models_dir: Path, name: str) -> None:
    with pytest.raises(SpeechError, match="cannot be the name of a model"):
        models.add_folder(model_folder, models_dir, name)


def test_a_model_that_does_not_fit_on_the_disk_is_refused_before_anything_is_written(models_dir: Path) -> None:
    with (
        pytest.raises(SpeechError, match=r"Not enough space for huge .* MB needed"),
        models.installing("huge", models_dir, 1 << 60),
    ):
        pytest.fail("nothing must be written")
    assert list(models_dir.iterdir()) == []


def test_what_was_interrupted_leaves_nothing(models_dir: Path) -> None:
    def install_half() -> None:
        with models.installing("half", models_dir, 0) as partial:
            (partial / "model.bin").write_bytes(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install_half()
    assert list(models_dir.iterdir()) == []


def test_what_a_killed_process_left_is_replaced(model_folder: Path, models_dir: Path) -> None:
    (models_dir / "commands.partial").mkdir(parents=True)
    (models_dir / "commands.partial" / "junk").touch()
    added = models.add_folder(model_folder, models_dir)
    assert models.verify(added) == []
    assert [path.name for path in models_dir.iterdir()] == ["commands"]


def test_a_directory_that_cannot_be_made_is_told(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpeechError, match="Cannot install a model") as caught:
        models.add_folder(model_folder, tmp_path / "file" / "models")
    assert caught.value.code == ExitCode.STORE


def test_a_disk_that_fails_while_writing_is_told(models_dir: Path) -> None:
    def install_on_a_full_disk() -> None:
        with models.installing("full", models_dir, 0):
            Path("/dev/full").write_text("x")

    with pytest.raises(SpeechError, match="No space left"):
        install_on_a_full_disk()


def test_a_removed_model_is_gone(model_folder: Path, models_dir: Path) -> None:
    added = models.add_folder(model_folder, models_dir)
    models.remove("commands", models_dir)
    assert not added.exists()


@pytest.mark.parametrize("name", ["commands", "../models", "/etc"])
def test_only_a_model_can_be_removed(models_dir: Path, name: str) -> None:
    models_dir.mkdir(parents=True)
    with pytest.raises(SpeechError, match="no model"):
        models.remove(name, models_dir)
    assert models_dir.is_dir()
