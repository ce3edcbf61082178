"""The lock on a state directory."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode, StoreBusyError
from voicebridge.store.lock import LOCK_NAME, Holder, StateLock, boot_id, holder, told_command

CHILD = """
import sys
from pathlib import Path
from voicebridge.store.lock import StateLock
StateLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the directory until its standard input ends."""
    command = [sys.executable, "-c", CHILD, str(tmp_path / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_holds_the_directory(other: "subprocess.Popen[str]", tmp_path: Path) -> None:
    pauses: list[float] = []
    with pytest.raises(StoreBusyError, match=rf"is in use by process {other.pid} \(-c") as caught:
        StateLock(tmp_path / "state", pauses.append).acquire()
    assert caught.value.code is ExitCode.BUSY
    assert 0 < sum(pauses) < 1


def test_the_holder_can_be_asked_for(other: "subprocess.Popen[str]", tmp_path: Path) -> None:
    found = holder(tmp_path / "state")
    assert found is not None
    assert (found.pid, found.boot_id) == (other.pid, boot_id())


def test_a_killed_holder_holds_nothing(other: "subprocess.Popen[str]", tmp_path: Path) -> None:
    other.kill()
    other.wait()
    assert holder(tmp_path / "state") is None
    with StateLock(tmp_path / "state"):
        found = holder(tmp_path / "state")
        assert found is not None
        assert found.pid == os.getpid()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()
    assert holder(tmp_path) is None
    with StateLock(tmp_path):
        pass


def test_nobody_holds_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None


def test_lock_and_directory_are_private(tmp_path: Path) -> None:
    with StateLock(tmp_path / "state"):
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "state" / LOCK_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "no JSON", "[1, 2]", '{"colour": "blue"}', "null"])
def test_a_holder_that_has_not_said_who_it_is_is_another_process(tmp_path: Path, content: str) -> None:
    with StateLock(tmp_path):
        (tmp_path / LOCK_NAME).write_text(content)
        assert str(holder(tmp_path)) == "another process"


def test_stale_content_is_written_over(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("x" * 10_000)
    with StateLock(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_somebody_who_only_looks_does_not_keep_a_start_from_succeeding(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / LOCK_NAME).touch()
    descriptor = os.open(tmp_path / LOCK_NAME, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    lock = StateLock(tmp_path, pause=lambda _: os.close(descriptor))
    lock.acquire()
    lock.release()


def test_a_holder_tells_its_command_and_since_when() -> None:
    assert str(Holder(7, 1_700_000_000.0, "voicebridge run", "b")).startswith("process 7 (voicebridge run, since 2023-")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/usr/bin/voicebridge", "run"], "voicebridge run"),
        (["voicebridge", "-s", "whisper.model=secret", "run", "--device", "secret"], "voicebridge run"),
        (["voicebridge", "--state-dir", "secret", "transcribe", "secret.wav"], "voicebridge transcribe"),
        (["-c", "secret"], "-c"),
    ],
)
def test_nothing_that_may_be_a_secret_is_told_of_a_command_line(words: list[str], told: str) -> None:
    assert told_command(words) == told
