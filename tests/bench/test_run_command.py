"""`voicebridge-bench run` as a person runs it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import psutil
import pytest
from click.testing import CliRunner, Result

from voicebridge.cli import guarded
from voicebridge_bench.cli import group
from voicebridge_bench.components.figure import SUITE_NAMES
from voicebridge_bench.components.results import SCHEMA_FILE

CALL = [sys.executable, "-P", "-c", "from voicebridge_bench.cli import main; main()"]


def _list(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["run", *arguments], standalone_mode=False)


def _targets(folder: Path, most: float) -> str:
    names = ("config.defaults", "config.file", "config.environment", "config.all")
    entry = f'statistic = "p50"\nunit = "ms"\nx86-2core = {{ most = {most}, reason = "a test" }}\n'
    path = folder / "targets.toml"
    path.write_text("".join(f'["{name}"]\n{entry}' for name in names), encoding="utf-8")
    return str(path)


def _config_run(folder: Path, most: float) -> int:
    call = ["--suite", "config", "--iterations", "3", "--class", "x86-2core", "--targets", _targets(folder, most)]
    return guarded(group, ["run", *call, "--scratch", str(folder)])


def test_the_list_names_every_suite_and_figure() -> None:
    lines = _list("--list").output.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == list(SUITE_NAMES)
    assert "  vad.hot_loop.speech" in lines


def test_it_runs_from_any_directory_and_tells_a_pipe_no_progress(tmp_path: Path) -> None:
    call = [*CALL, "run", "--suite", "config", "--suite", "text", "--iterations", "2"]
    done = subprocess.run(
        [*call, "--json", "out.json", "--html", "out.html"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert "config.defaults" in done.stdout
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    jsonschema.validate(written, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert [suite["name"] for suite in written["suites"]] == ["config", "text"]
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    # The scratch directory is gone.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.html", "out.json"]


def test_a_terminal_is_told_how_far_it_is(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    call = [*CALL, "run", "--suite", "config", "--iterations", "2"]
    environ = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs, env=environ) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # what a terminal says when its other side has gone
                break
        child.wait()
    os.close(ours)
    assert b"config" in shown


def test_the_exit_status_says_whether_targets_were_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _config_run(tmp_path, 60_000) == 0
    assert "PASSED" in capsys.readouterr().out
    assert _config_run(tmp_path, 1e-6) == 1
    assert "missed: config.defaults" in capsys.readouterr().out


def test_too_few_iterations_to_judge_are_an_exit_status_of_their_own(tmp_path: Path) -> None:
    call = ["--suite", "config", "--iterations", "1", "--class", "x86-2core"]
    assert guarded(group, ["run", *call, "--scratch", str(tmp_path)]) == 69


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--suite", "speach"], "speach"),
        (["--iterations", "0"], "0"),
        (["--iterations", "many"], "many"),
        (["--class", "vax"], "vax"),
        (["--html", "-"], "--json alone"),
        (["--json", "/none/such/out.json"], "cannot be written"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_measured(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(group, ["run", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_mistake_in_the_targets_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "targets.toml"
    file.write_text('["audio.lewel"]\n', encoding="utf-8")
    assert guarded(group, ["run", "--targets", str(file), "--scratch", str(tmp_path)]) == 2
    assert 'perhaps "audio.level"' in capsys.readouterr().err


def test_where_nothing_can_be_written_it_measures_in_the_temporary_directory(tmp_path: Path) -> None:
    call = [*CALL, "run", "--suite", "store", "--iterations", "2", "--utterances", "20"]
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*call, "--json", str(tmp_path / "out.json")], cwd="/proc", env=environ, capture_output=True, check=False
    )
    assert done.stderr == b""
    [suite] = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["suites"]
    assert suite["facts"]["scratch"].startswith(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.slow
def test_without_espeak_the_first_text_is_left_out_and_the_run_incomplete(tmp_path: Path) -> None:
    call = [*CALL, "run", "--suite", "start", "--iterations", "1", "--json", "out.json"]
    done = subprocess.run(call, cwd=tmp_path, env=os.environ | {"PATH": "/none"}, capture_output=True, check=False)
    # Or a target is missed, on a machine that is busy with something else, which is said first.
    assert done.returncode in {69, 1}
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    [suite] = written["suites"]
    assert "espeak-ng" in suite["left_out"]["first text"]
    assert [figure["name"] for figure in suite["figures"]] == ["start.first_sample", "start.ready"]
    assert written["outcome"] in {"incomplete", "failed"}


def test_a_file_that_cannot_be_written_costs_no_result(tmp_path: Path) -> None:
    call = [*CALL, "run", "--suite", "config", "--iterations", "2", "--scratch", str(tmp_path), "--json", "/dev/full"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 74
    assert "config.defaults" in done.stdout
    assert "/dev/full cannot be written" in done.stderr


def test_the_result_can_be_printed_as_json(tmp_path: Path) -> None:
    call = [*CALL, "run", "--suite", "config", "--iterations", "2", "--json", "-"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["suites"][0]["name"] == "config"
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_no_scratch_and_tells_what_was_measured(tmp_path: Path) -> None:
    call = [*CALL, "run", "--suite", "config", "--iterations", "20000", "--json", "out.json"]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 60
        # The first suite's directory is made when its preparation begins.
        while not list(tmp_path.glob(".voicebridge-bench-*/0-config")) and time.monotonic() < deadline:
            os.sched_yield()
        child.terminate()
        told, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "INCOMPLETE" in told
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["interrupted"] is True


def _words_of(process: psutil.Process) -> list[str]:
    """Return the command line of a process; none of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_daemon_that_a_run_has_started_goes_with_it(tmp_path: Path, number: signal.Signals) -> None:
    call = [*CALL, "run", "--suite", "start", "--iterations", "1"]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        begun, deadline = psutil.Process(child.pid), time.monotonic() + 60
        daemons: list[psutil.Process] = []
        while not daemons and time.monotonic() < deadline:
            daemons = [each for each in begun.children() if "--realtime" in _words_of(each)]
        child.send_signal(number)
    assert len(daemons) == 1
    _, alive = psutil.wait_procs(daemons, 30)
    assert alive == []


def test_a_scratch_directory_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    assert guarded(group, ["run", "--suite", "config", "--scratch", str(file / "below")]) == 74
    assert "--scratch" in capsys.readouterr().err
