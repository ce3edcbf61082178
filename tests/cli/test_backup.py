"""`voicebridge backup`, `restore`, and what `forget` says of copies."""

import logging
import os
import pty
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.children import Home
from tests.fakes.commands import Said, on_state
from tests.fakes.states import FOR_EVER, State, state_in
from voicebridge.cli.backup import logged_in_journal
from voicebridge.cli.invocation import Invocation
from voicebridge.daemon.messages import BACKUP_FAILED, BACKUP_MADE
from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.store.backup import backups_in
from voicebridge.store.lock import StateLock

Run = Callable[..., Said]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with state_in(tmp_path / "state", FOR_EVER) as state:
        state.hear("turn on the light", 1.0)
        state.add(5.0)
        yield state


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return on_state(tmp_path / "state", capsys)


def test_a_backup_says_what_it_holds_and_where_it_is(state: State, run: Run, tmp_path: Path) -> None:
    said = run("backup", str(tmp_path / "copy.db"))
    size = f"{(tmp_path / 'copy.db').stat().st_size / 1e6:.1f} MB"
    assert (said.code, said.err) == (ExitCode.OK, "")
    assert said.out == f"2 utterances backed up to {tmp_path / 'copy.db'} ({size}), checked.\n"


def test_with_audio_it_says_how_many_files(state: State, run: Run, tmp_path: Path) -> None:
    said = run("backup", "--with-audio", str(tmp_path / "all.tar"))
    assert "2 utterances and 2 files of audio backed up" in said.out


def test_without_a_name_it_goes_into_the_state_directory_and_the_oldest_go(state: State, run: Run) -> None:
    folder = state.path / "backups"
    folder.mkdir(mode=0o700)
    for day in range(10, 19):
        (folder / f"voicebridge-202601{day}T000000Z.db").write_text("old")
    said = run("backup", "--keep", "3")
    assert said.lines[1] == "7 old backups deleted."
    assert [path.name[18:20] for path in backups_in(folder)][:2] == ["17", "18"]
    assert len(backups_in(folder)) == 3


def test_how_many_are_kept_is_a_setting(state: State, run: Run) -> None:
    folder = state.path / "backups"
    folder.mkdir(mode=0o700)
    for day in range(10, 17):
        (folder / f"voicebridge-202601{day}T000000Z.db").write_text("old")
    assert run("backup").lines[1] == "1 old backup deleted."


def test_a_file_that_is_there_is_not_written_over_unasked(state: State, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    said = run("backup", str(target))
    assert (said.code, target.read_text()) == (ExitCode.FAILURE, "precious")
    assert "Name another file, or add --force." in said.err
    assert run("backup", "--force", str(target)).code == ExitCode.OK


def test_keep_goes_with_the_state_directory_only(state: State, run: Run, tmp_path: Path) -> None:
    said = run("backup", "--keep", "3", str(tmp_path / "copy.db"))
    assert said.code == ExitCode.USAGE
    assert not (tmp_path / "copy.db").exists()


def test_without_a_database_there_is_nothing_to_back_up(run: Run, tmp_path: Path) -> None:
    said = run("backup")
    assert said.code == ExitCode.NO_INPUT
    assert not (tmp_path / "state").exists()


def test_a_place_that_cannot_be_written_is_told(state: State, run: Run) -> None:
    said = run("backup", "/proc/nowhere/copy.db")
    assert said.code == ExitCode.STORE
    assert "/proc" in said.err


def test_on_a_terminal_the_progress_is_shown(state: State, home: Home) -> None:
    ours, theirs = pty.openpty()
    with closing(os.fdopen(ours, "rb", 0)):
        done = home.run("backup", stderr=theirs, capture_output=False, stdout=subprocess.PIPE)
        shown = os.read(ours, 100_000).decode()
        os.close(theirs)
    assert done.returncode == ExitCode.OK
    assert "2 utterances backed up" in done.stdout
    assert "backup" in shown


def test_a_backup_is_put_back_and_what_was_there_is_named(state: State, run: Run, tmp_path: Path) -> None:
    run("backup", "--with-audio", str(tmp_path / "all.tar"))
    state.hear("said since", 20.0)
    said = run("restore", "--yes", str(tmp_path / "all.tar"))
    assert said.lines[0] == "2 utterances and 2 files of audio restored."
    assert [line.split(" is in ")[0] for line in said.lines[1:]] == ["What was there before"] * 3
    assert len(run("history").lines) == 2
    (aside,) = state.path.glob("voicebridge.db.replaced-*Z")
    assert str(aside) in said.out


def test_nothing_is_replaced_without_a_yes(state: State, home: Home, tmp_path: Path) -> None:
    home.run("backup", tmp_path / "copy.db")
    said = home.run("restore", tmp_path / "copy.db", stdin=b"n\n")
    assert said.returncode == ExitCode.INTERRUPTED
    assert "Replace the database in" in said.stderr
    assert not list(state.path.glob("*.replaced-*"))


def test_into_an_empty_place_nothing_need_be_asked(state: State, run: Run, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))
    said = Home(tmp_path / "other").run("restore", tmp_path / "copy.db")
    assert (said.returncode, said.stdout) == (ExitCode.OK, "2 utterances restored.\n")


@pytest.mark.parametrize(("name", "code"), [("missing.db", ExitCode.NO_INPUT), ("voicebridge.toml", ExitCode.STORE)])
def test_what_is_no_backup_is_told(state: State, run: Run, tmp_path: Path, name: str, code: ExitCode) -> None:
    assert run("restore", "--yes", str(tmp_path / name)).code == code
    assert len(run("history").lines) == 2


def test_the_daemon_must_be_stopped_first(state: State, run: Run, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))
    with StateLock(state.path):
        said = run("restore", "--yes", str(tmp_path / "copy.db"))
    assert said.code == ExitCode.BUSY
    assert "systemctl stop voicebridge" in said.err


def test_forgetting_names_the_copies_that_may_still_hold_it(state: State, run: Run) -> None:
    run("backup")
    (copy,) = backups_in(state.path / "backups")
    said = run("forget", "--yes", "1")
    assert "These copies may still hold it; --copies deletes them whole:" in said.lines
    assert f"  {copy}" in said.lines
    assert copy.exists()


def test_forgetting_with_copies_deletes_them(state: State, run: Run) -> None:
    run("backup")
    (copy,) = backups_in(state.path / "backups")
    said = run("forget", "--copies", "--yes", "1")
    assert "Deleted, too:" in said.lines
    assert not copy.exists()
    assert "1 utterance forgotten" in said.out


def test_copies_alone_can_be_deleted_and_are_asked_for(state: State, run: Run, home: Home) -> None:
    run("backup")
    said = home.run("forget", "--copies", "99", stdin=b"n\n")
    assert said.returncode == ExitCode.INTERRUPTED
    assert "Delete 0 utterances and 1 copy of the database or the audio for good?" in said.stderr
    assert run("forget", "--copies", "--yes", "99").code == ExitCode.OK
    assert run("forget", "--copies", "--yes", "99").code == ExitCode.FAILURE


# ---- in the journal


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """journald's socket, as a unit of systemd finds it that has its standard error there."""
    about = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{about.st_dev}:{about.st_ino}")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as journald:
        journald.bind(str(tmp_path / "socket"))
        journald.settimeout(20)
        yield journald


def fields_of(entry: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in entry.decode().splitlines() if "=" in line)


def invocation_in(folder: Path, text: str = "") -> Invocation:
    config = folder / "voicebridge.toml"
    config.write_text(text)
    return Invocation(config)


def test_a_backup_that_a_unit_makes_is_an_event_in_the_journal(tmp_path: Path, journal: socket.socket) -> None:
    with logged_in_journal(invocation_in(tmp_path), tmp_path / "socket") as log_made:
        log_made(tmp_path / "copy.db")
    entry = fields_of(journal.recv(65_536))
    assert (entry["MESSAGE_ID"], entry["VB_EVENT"]) == (BACKUP_MADE.message_id, "backup_made")
    assert entry["VB_PATH"] == str(tmp_path / "copy.db")


@pytest.mark.parametrize("text", ["", "[store\n"])
def test_so_is_one_that_it_could_not_make(tmp_path: Path, journal: socket.socket, text: str) -> None:
    with (
        pytest.raises(StoreError, match=r"The disk is full\."),
        logged_in_journal(invocation_in(tmp_path, text), tmp_path / "socket"),
    ):
        raise StoreError("The disk is full.")
    entry = fields_of(journal.recv(65_536))
    assert (entry["MESSAGE_ID"], entry["VB_DETAIL"]) == (BACKUP_FAILED.message_id, "The disk is full.")


def test_what_a_person_makes_is_not_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    with logged_in_journal(invocation_in(tmp_path), tmp_path / "nowhere") as log_made:
        assert logging.getLogger("voicebridge").level == logging.NOTSET
        log_made(tmp_path / "copy.db")
