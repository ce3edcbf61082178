"""The command: what it takes, how it ends."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.cli import group
from voicebridge_bench.commands.soak import Duration, _left, _Lines, _status_of, _told
from voicebridge_bench.soak.journal import FILE_NAME, read_record
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import End
from voicebridge_bench.soak.running import Asked, Progress
from voicebridge_bench.soak.sampling import sampling_seconds
from voicebridge_bench.soak.verdict import Judgement, Outcome, Verdict

PROGRESS = Progress(0.25, 5400.0, "hearing", 12, 150_000_000, 0, 1, 1.0)
WAIT_SECONDS = 90.0


def verdict(outcome: Outcome) -> Verdict:
    return Verdict("a", "A", outcome, None, None, "", "")


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28_800), ("90m", 5400), ("300s", 300), ("1.5h", 5400)])
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-1h", "0s", "8 hours", "1h30m", ""])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter, match="8h, 90m or 300s"):
        Duration().convert(text, None, None)


def test_checkpoints_come_each_five_minutes_and_more_often_in_a_short_soak() -> None:
    office = profile_named("office")
    assert Asked(office, 8 * 3600).checkpoint_seconds == 300
    assert Asked(office, 300).checkpoint_seconds == 5
    assert Asked(office, 30).checkpoint_seconds == 1
    assert Asked(office, 8 * 3600, speed=32).checkpoint_seconds == 15


def test_samples_come_each_few_seconds() -> None:
    assert sampling_seconds(300) == 1.0
    assert sampling_seconds(8 * 3600) == pytest.approx(4.8)
    assert sampling_seconds(7 * 86_400) == 10.0


@pytest.mark.parametrize(
    ("outcome", "complete", "status"),
    [
        (Outcome.PASS, True, ExitCode.OK),
        (Outcome.INCONCLUSIVE, True, ExitCode.OK),
        (Outcome.FAIL, True, ExitCode.FAILURE),
        (Outcome.FAIL, False, ExitCode.FAILURE),
        (Outcome.PASS, False, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_status_says_how_it_was(outcome: Outcome, complete: bool, status: ExitCode) -> None:
    assert _status_of(Judgement([verdict(outcome)], complete), None) == status


def test_a_soak_that_could_not_be_done_has_failed() -> None:
    judgement = Judgement([verdict(Outcome.PASS)], complete=False)
    assert _status_of(judgement, End(1.0, "failed")) == ExitCode.FAILURE
    assert _status_of(judgement, End(1.0, "interrupted")) == ExitCode.INTERRUPTED


def test_what_is_shown_is_short() -> None:
    assert _told(PROGRESS) == "hearing, 12 utterances, 150 MB"
    assert _left(PROGRESS.left_seconds) == "1:30:00"


def test_what_is_shown_of_trouble_and_speed() -> None:
    told = _told(Progress(0.5, 60.0, "deaf", 1, 1_000_000, 3, 2, 24.6))
    assert told == "deaf, 1 utterance, 1 MB, 3 faults, 25 times as fast as time"


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    show = _Lines()
    show(PROGRESS)
    show(PROGRESS)
    assert capsys.readouterr().err == " 25.0%  1:30:00 left  hearing, 12 utterances, 150 MB\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "party"], "'party' is not one of"),
        (["--duration", "8"], "no time such as"),
        (["--speed", "0.5"], "0.5 is not in the range"),
        (["--attach", "--speed", "2"], "Time cannot be hurried with --attach"),
        (["--quick", "--duration", "8h"], "leave out --duration"),
        (["--state-dir", "/tmp"], "it goes with --attach"),
        (["--attach", "--engine", "sphinx", "--seed", "1"], "leave out --engine, --seed"),
        (["--attach", "--planted", "leak"], "leave out --planted"),
        (["--resume", "/tmp", "--profile", "office"], "takes no other option"),
    ],
)
def test_wrong_usage_is_told_in_a_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(group, ["soak", *arguments])
    assert result.exit_code == 2
    assert message in result.output


def test_a_planted_fault_that_there_is_not_is_told_before_anything_begins(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    words = ["soak", "--quick", "--planted", "leek", "--output", str(folder)]
    with pytest.raises(VoicebridgeError, match="no planted fault leek"):
        group.main(words, standalone_mode=False)
    assert not folder.exists()


@pytest.mark.slow
def test_sigterm_ends_it_early_with_reports_of_what_was_soaked(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    words = [sys.executable, "-c", "from voicebridge_bench.cli import main; main()", "soak", "--profile", "busy"]
    harness = subprocess.Popen([*words, "--duration", "5m", "--output", str(folder)], stdout=subprocess.PIPE, text=True)
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    path = folder / FILE_NAME
    while not (path.exists() and path.stat().st_size and read_record(folder).announced):
        assert harness.poll() is None
        assert time.monotonic() < deadline
        pause.wait(0.2)
    harness.send_signal(signal.SIGTERM)
    told, _ = harness.communicate(timeout=WAIT_SECONDS)
    assert harness.returncode == ExitCode.INTERRUPTED
    record = read_record(folder)
    assert record.end is not None
    assert record.end.reason == "interrupted"
    assert record.heard
    assert str(folder) in told
    assert (folder / "report.json").exists()
