"""The command line's frame: lazy commands, errors told as they should be."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from voicebridge import __version__
from voicebridge.cli import COMMANDS, group, guarded
from voicebridge.domain.errors import DeviceError, ExitCode

VOICEBRIDGE = Path(sys.executable).with_name("voicebridge")


def leaving_with(error: BaseException) -> click.Command:
    @click.command("try")
    def command() -> None:
        raise error

    return command


def test_a_users_mistake_gets_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    status = guarded(leaving_with(DeviceError("Mic\x1b[2J is gone.", "Plug it in.")), [])
    assert status == ExitCode.UNAVAILABLE
    assert capsys.readouterr().err == "try: Mic [2J is gone. Plug it in.\n"


def test_the_lines_of_a_longer_message_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(leaving_with(DeviceError("one\n  two\n  three")), [])
    assert capsys.readouterr().err == "try: one\n  two\n  three\n"


def test_our_mistake_gets_a_traceback_and_its_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(leaving_with(ZeroDivisionError("ours")), []) == ExitCode.INTERNAL
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: ours" in shown
    assert "please report" in shown


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_says_so_by_its_status(error: BaseException) -> None:
    assert guarded(leaving_with(error), []) == ExitCode.INTERRUPTED


def test_wrong_usage_is_told_by_click(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["no-such-command"]) == ExitCode.USAGE
    assert "No such command 'no-such-command'" in capsys.readouterr().err


def test_a_command_may_return_its_status() -> None:
    @click.command("try")
    def command() -> int:
        return 3

    assert guarded(command, []) == 3


def test_help_names_every_command_without_importing_one() -> None:
    child = "import sys, voicebridge.cli as c; c.guarded(c.group, ['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"  {name}" in done.stdout
    modules = done.stdout.splitlines()[-1]
    for heavy in ("pydantic", "numpy", "sounddevice", "asyncio"):
        assert f"'{heavy}'" not in modules


def test_the_version_is_told() -> None:
    done = subprocess.run([VOICEBRIDGE, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"voicebridge, version {__version__}\n"


def test_a_reader_that_has_gone_gets_no_traceback() -> None:
    out, into = os.pipe()
    os.close(out)
    done = subprocess.run([VOICEBRIDGE, "config", "template"], stdout=into, stderr=subprocess.PIPE, check=False)
    os.close(into)
    assert (done.returncode, done.stderr) == (ExitCode.FAILURE, b"")


def test_every_command_is_there_and_described() -> None:
    context = click.Context(group)
    for name, line in COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert line.endswith(".")
        assert command.help


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_voicebridge(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(group, ["completion", shell]) == ExitCode.OK
    script = capsys.readouterr().out
    assert f"_VOICEBRIDGE_COMPLETE={shell}_complete" in script


def test_bash_completion_completes_commands() -> None:
    environ = os.environ | {
        "_VOICEBRIDGE_COMPLETE": "bash_complete",
        "COMP_WORDS": "voicebridge config te",
        "COMP_CWORD": "2",
    }
    done = subprocess.run([VOICEBRIDGE], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,template"]


def test_a_state_directory_before_the_command_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert guarded(group, ["--state-dir", "here", "config", "show", "--changed"]) == ExitCode.OK
    assert f'store.state_dir  "{tmp_path}/here"  command line' in capsys.readouterr().out


@pytest.mark.parametrize("command", [("config", "show"), ("--help",)])
def test_a_full_disk_behind_standard_output_is_told(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "voicebridge", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == ExitCode.FAILURE
    assert done.stderr == "voicebridge: the output cannot be written: No space left on device.\n"
