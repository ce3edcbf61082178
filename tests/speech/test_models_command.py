import json
from pathlib import Path

import pytest

from voicebridge.cli import group, guarded


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def _call(state: Path, *words: str) -> int:
    return guarded(group, ["--state-dir", str(state), "models", *words])


def _json(state: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert _call(state, "list", "--json") == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_without_models_the_list_says_what_can_be_pulled(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(state, "list") == 0
    out = capsys.readouterr().out
    assert out.startswith("No models in ")
    assert "base.en" in out


def test_an_added_model_is_listed(state: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(state, "add", str(model_folder), "--name", "base.en") == 0
    assert _call(state, "list") == 0
    assert "base.en" in capsys.readouterr().out.split("(whisper.model)")[0]


def test_the_list_for_programs_names_path_and_size(
    state: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _call(state, "add", str(model_folder))
    found = _json(state, capsys)
    assert isinstance(found["installed"], list)
    (model,) = found["installed"]
    assert (model["name"], model["chosen"]) == ("commands", False)
    assert Path(model["path"]).is_dir()
    assert model["bytes"] > 2_700_000


def test_a_whole_model_is_ok(state: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _call(state, "add", str(model_folder))
    capsys.readouterr()
    assert _call(state, "verify", "commands") == 0
    assert capsys.readouterr().out == "commands: ok\n"


def test_a_damaged_model_is_named_and_gives_status_1(
    state: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "bad"):
        _call(state, "add", str(model_folder), "--name", name)
    (state / "models" / "bad" / "model.bin").write_bytes(b"")
    capsys.readouterr()
    assert _call(state, "verify") == 1
    bad, good = capsys.readouterr().out.splitlines()
    assert bad.startswith("bad: damaged: ")
    assert good == "good: ok"


def test_a_model_without_checksums_is_said_to_have_none(
    state: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(state, "verify", str(model_folder)) == 0
    assert capsys.readouterr().out.startswith("commands: ok (no checksums were noted")


def test_verifying_nothing_is_not_a_fault(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(state, "verify") == 0
    assert capsys.readouterr().out.startswith("No models in ")


@pytest.mark.parametrize("verb", ["verify", "remove"])
def test_a_model_that_is_not_there_is_one_clear_line(
    state: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert _call(state, verb, "base.en") == 69
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no model base.en" in error


def test_a_removed_model_is_not_listed(state: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _call(state, "add", str(model_folder))
    assert _call(state, "remove", "commands") == 0
    assert _json(state, capsys)["installed"] == []


def test_an_unknown_model_cannot_be_pulled(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(state, "pull", "gigantic") == 69
    assert "Known are: tiny" in capsys.readouterr().err


def test_a_mistyped_model_is_guessed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _call(state, "pull", "base-en") == 69
    assert "did you mean base.en? Known are: tiny" in capsys.readouterr().err
    assert not state.exists()
