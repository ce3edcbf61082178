"""`voicebridge config`."""

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from voicebridge.cli import group, guarded
from voicebridge.cli.config import MASK, rows_of
from voicebridge.domain.errors import ExitCode
from voicebridge.settings.describe import described


@pytest.fixture
def empty(tmp_path: Path) -> str:
    file = tmp_path / "empty.toml"
    file.touch()
    return str(file)


def test_show_prints_each_value_and_where_it_came_from(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["-c", empty, "-s", "vad.mode=silero", "config", "show"]) == ExitCode.OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == list(described())
    assert ["vad.mode", '"silero"', "command", "line"] in lines
    assert ["audio.rate", "0", "default"] in lines


def test_show_can_be_read_by_programs(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-c", empty, "-s", "store.state_dir=/data", "config", "show", "--json", "--changed"]
    assert guarded(group, arguments) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {
        "settings": [{"key": "store.state_dir", "value": "/data", "default": None, "origin": "command line"}],
        "notices": [],
    }


def test_show_prints_nothing_when_nothing_is_changed(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["-c", empty, "config", "show", "--changed"]) == ExitCode.OK
    assert capsys.readouterr().out == ""


def test_show_makes_values_harmless(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    guarded(group, ["-c", empty, "-s", "audio.device=a\x1b[2J\u202eb", "config", "show", "--changed"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("arguments", [["show"], ["check"]])
def test_what_was_ignored_is_said(
    arguments: list[str], empty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOICEBRIDGE_HOUSE", "x")
    assert guarded(group, ["-c", empty, "config", *arguments]) == ExitCode.OK
    assert "VOICEBRIDGE_HOUSE is no setting and is ignored." in capsys.readouterr().err


def test_a_secret_is_masked() -> None:
    class Web(BaseModel):
        token: SecretStr = SecretStr("old")

    class Toy(BaseModel):
        web: Web = Web()

    origins = {"web.token": "default"}
    rows = rows_of(Toy(web=Web(token=SecretStr("hush"))), origins, changed=True)
    assert rows == [{"key": "web.token", "value": MASK, "default": MASK, "origin": "default"}]


def test_check_says_ok(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["config", "check", empty]) == ExitCode.OK
    assert capsys.readouterr().out == f"{empty}: ok\n"


def test_check_without_a_file_checks_what_is_in_force(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["-c", empty, "config", "check"]) == ExitCode.OK
    assert capsys.readouterr().out == "The settings: ok\n"


def test_check_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text("[audio]\nrate = -1\nmod = 1\n")
    assert guarded(group, ["config", "check", str(file)]) == ExitCode.SETTINGS
    shown = capsys.readouterr().err
    assert f"audio.rate = -1 ({file}:2): must be a whole number from 0 to 384000." in shown
    assert f"'audio.mod' ({file}:3): there is no such setting" in shown


def test_template_prints_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["config", "template"]) == ExitCode.OK
    assert set(tomllib.loads(capsys.readouterr().out)) == {key.split(".")[0] for key in described()}


def test_template_prints_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["config", "template", "--markdown"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("# Configuration\n")


def test_template_overwrites_only_when_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "voicebridge.toml"
    file.write_text("mine")
    assert guarded(group, ["config", "template", "--output", str(file)]) == ExitCode.SETTINGS
    assert "Give --force to overwrite it." in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert guarded(group, ["config", "template", "--output", str(file), "--force"]) == ExitCode.OK
    assert guarded(group, ["config", "check", str(file)]) == ExitCode.OK


def test_template_says_when_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["config", "template", "--output", str(tmp_path / "no" / "x")]) == ExitCode.FAILURE
    assert "cannot be written: No such file or directory." in capsys.readouterr().err
