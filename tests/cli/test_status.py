"""`voicebridge status`: what it believes, and its exit status."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.commands import Said, on_state
from voicebridge.domain.errors import ExitCode
from voicebridge.health.status import Status, StatusFile
from voicebridge.store.lock import StateLock

Run = Callable[..., Said]

WELL = Status(
    pid=os.getpid(),
    session_id=1,
    started_at=0.0,
    written_at=time.time() + 3600,
    state="hearing",
    source="Desk\x1b[2J",
    engine="whisper",
    model="base.en",
    engine_state="ready",
    first_sample_after_seconds=0.4,
    engine_ready_after_seconds=2.0,
    trouble="",
    heard_seconds=7200.0,
    speech_seconds=90.0,
    level=328.0,
    listener_lag_ms=0.0,
    utterances=4,
    done=2,
    rejected=1,
    failed=1,
    waiting=3,
    backlog_seconds=12.0,
    gaps=1,
    gap_seconds=0.5,
    counters={},
)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory that this process holds."""
    with StateLock(tmp_path / "state"):
        yield tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return on_state(tmp_path / "state", capsys)


def write(state: Path, status: Status) -> None:
    StatusFile([state / "status.json"]).write(status)


def test_without_a_daemon_it_says_so(run: Run, tmp_path: Path) -> None:
    said = run("status")
    assert (said.code, said.out) == (ExitCode.NOT_RUNNING, f"not running (state directory {tmp_path / 'state'})\n")
    assert json.loads(run("status", "--json").out)["running"] is False


def test_a_daemon_that_hears_is_well(run: Run, state: Path) -> None:
    write(state, WELL)
    said = run("status")
    assert said.code == ExitCode.OK
    told = dict(line.strip().split("  ", 1) for line in said.lines)
    assert told["state"] == "hearing"
    assert told["source"] == "Desk [2J, level -40 dBFS"
    assert told["engine"] == "whisper (base.en), ready"
    assert told["heard"] == "2 h 0 min, 1 min 30 s of speech"
    assert told["text"] == "2 done, 1 rejected, 1 failed"
    assert told["waiting"] == "3 utterances, 12 s of audio"
    assert told["gaps"] == "1, 0.5 s lost"
    assert f"process {os.getpid()}" in told["process"]


def test_one_that_waits_is_one_utterance(run: Run, state: Path) -> None:
    write(state, replace(WELL, waiting=1))
    assert "waiting  1 utterance, 12 s of audio" in run("status").out


def test_digital_silence_has_no_level(run: Run, state: Path) -> None:
    write(state, replace(WELL, level=0.0))
    assert "level silence" in run("status").out


def test_programs_read_all_of_it(run: Run, state: Path) -> None:
    write(state, WELL)
    said = run("status", "--json")
    assert said.code == ExitCode.OK
    assert json.loads(said.out)["status"]["backlog_seconds"] == 12.0


@pytest.mark.parametrize(
    ("ill", "code"),
    [
        (replace(WELL, state="degraded", trouble="The disk is full."), ExitCode.DEGRADED),
        (replace(WELL, trouble="The disk is full."), ExitCode.DEGRADED),
        (replace(WELL, state="deaf"), ExitCode.DEAF),
        (replace(WELL, state="starting"), ExitCode.STARTING),
        (replace(WELL, state="stopping"), ExitCode.STOPPING),
    ],
)
def test_the_exit_status_says_the_state(run: Run, state: Path, ill: Status, code: ExitCode) -> None:
    write(state, ill)
    said = run("status")
    assert said.code == code
    assert said.lines[0].endswith(f"{ill.state}: {ill.trouble}" if ill.trouble else ill.state)


def test_a_deaf_daemon_says_for_how_long(run: Run, state: Path) -> None:
    write(state, replace(WELL, state="deaf", deaf_seconds=41.7, trouble="The disk is full."))
    said = run("status")
    assert said.lines[0].strip() == "state  deaf for 41 s: The disk is full."
    assert "Desk [2J, nothing arrives" in said.out
    assert json.loads(run("status", "--json").out)["status"]["deaf_seconds"] == 41.7


def test_an_old_status_is_not_believed(run: Run, state: Path) -> None:
    write(state, replace(WELL, written_at=time.time() - 100))
    said = run("status")
    assert said.code == ExitCode.STALE
    assert "stale: The status is 100 s old: the daemon may be stuck." in said.out


def test_a_daemon_that_has_not_spoken_yet_is_starting(run: Run, state: Path) -> None:
    said = run("status")
    assert said.code == ExitCode.STARTING
    assert said.out.startswith(f"starting: process {os.getpid()}")


def test_the_status_of_a_process_that_was_killed_is_not_believed(run: Run, state: Path) -> None:
    write(state, replace(WELL, pid=os.getpid() + 1))
    assert run("status").out.startswith("starting: ")
