"""Backups: made beside a running daemon, checked, and complete or not there at all."""

import os
import sqlite3
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.states import State
from tests.fakes.utterances import NOON, done, noise
from voicebridge.domain.errors import ExitCode, StoreDamagedError, StoreError, StoreFullError
from voicebridge.domain.utterance import Status, UtteranceKey
from voicebridge.settings.paths import audio_dir, backups_dir, database_path
from voicebridge.store.backup import (
    LEFT_SECONDS,
    Wish,
    backup,
    backups_in,
    default_target,
    require_intact,
    rotate,
)
from voicebridge.store.database import give_to_owner, transaction
from voicebridge.store.sessions import SqliteSessionLog

NOW = datetime(2026, 11, 21, 6, 30, 5, tzinfo=UTC)


def texts(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT text FROM utterances ORDER BY id")]


def members(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return sorted(tar.getnames())


def fatten(state: State) -> None:
    """Make the database larger than one step of a backup."""
    with transaction(state.db):
        state.db.conn.executemany("INSERT INTO anchors VALUES (NULL, 1, 0, 0, 0)", [()] * 60_000)


@pytest.fixture
def full(keeping: State) -> State:
    """One that has something of everything."""
    keeping.hear("turn on the light", 1.0)
    keeping.hear(start=5.0, status=Status.FAILED)
    keeping.add(10.0)
    return keeping


def test_a_backup_holds_what_was_heard_and_says_so(state: State, tmp_path: Path) -> None:
    state.hear("turn on the light", 1.0)
    state.hear("and off again", 5.0)
    target = tmp_path / "out" / "copy.db"
    made = backup(Wish(state.path, target))
    assert (made.path, made.utterances, made.audio_files) == (target, 2, 0)
    assert made.length_bytes == target.stat().st_size
    assert texts(target) == ["turn on the light", "and off again"]


def test_a_backup_is_one_private_file_without_a_log(state: State, tmp_path: Path) -> None:
    target = tmp_path / "out" / "copy.db"
    backup(Wish(state.path, target))
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_is_there_is_not_written_over_unless_that_is_meant(state: State, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StoreError, match="exists") as caught:
        backup(Wish(state.path, target))
    assert caught.value.code is ExitCode.FAILURE
    assert target.read_text() == "precious"
    backup(Wish(state.path, target, force=True))
    assert texts(target) == []


def test_commits_go_on_while_a_backup_is_made_and_are_not_in_it(state: State, tmp_path: Path) -> None:
    log = SqliteSessionLog(state.db, state.session_id)
    for number in range(30):
        log.add_event("before", "x" * 1900 + str(number))
    fatten(state)
    steps: list[tuple[int, int]] = []

    def meanwhile(copied: int, total: int) -> None:
        steps.append((copied, total))
        log.add_event("meanwhile", str(copied))

    backup(Wish(state.path, tmp_path / "copy.db"), progress=meanwhile)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as db:
        assert db.execute("SELECT kind, count(*) FROM events GROUP BY kind").fetchall() == [("before", 30)]
    # It did not begin again at any of them.
    assert len(steps) > 1
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]


def test_a_database_that_is_not_there_cannot_be_backed_up(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database at") as caught:
        backup(Wish(tmp_path / "state", tmp_path / "copy.db"))
    assert caught.value.code is ExitCode.NO_INPUT
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_is_damaged_gets_no_name(state: State, tmp_path: Path) -> None:
    for number in range(40):
        state.hear(f"word{number} " * 40, 5.0 * number)
    state.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with database_path(state.path).open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xa5" * 4096)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        backup(Wish(state.path, tmp_path / "out" / "copy.db"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_backup_that_breaks_off_leaves_nothing(full: State, tmp_path: Path) -> None:
    def break_off(_: int, __: int) -> None:
        raise KeyboardInterrupt

    for with_audio in (False, True):
        with pytest.raises(KeyboardInterrupt):
            backup(Wish(full.path, tmp_path / "out" / "copy", with_audio), progress=break_off)
        assert list((tmp_path / "out").iterdir()) == []


def test_what_a_kill_left_is_written_over(state: State, tmp_path: Path) -> None:
    (tmp_path / ".copy.db.partial").write_text("half of it")
    backup(Wish(state.path, tmp_path / "copy.db"))
    assert texts(tmp_path / "copy.db") == []
    assert not (tmp_path / ".copy.db.partial").exists()


def test_a_backup_does_not_fill_the_disk(state: State, tmp_path: Path) -> None:
    with database_path(state.path).with_name("voicebridge.db-shm").open("ab") as file:
        file.truncate(1 << 43)  # what has holes counts whole: nobody knows how it will be copied
    with pytest.raises(StoreFullError, match="MB free; the backup may take"):
        backup(Wish(state.path, tmp_path / "copy.db"))
    assert not (tmp_path / "copy.db").exists()


def test_with_audio_everything_is_in_it(full: State, tmp_path: Path) -> None:
    counted: list[tuple[int, int]] = []
    made = backup(Wish(full.path, tmp_path / "all.tar", with_audio=True), progress=lambda *at: counted.append(at))
    assert members(tmp_path / "all.tar") == [
        "audio/00000001.wav",
        "spool/00000001-000000080000.pcm",
        "spool/00000001-000000160000.pcm",
        "voicebridge.db",
    ]
    assert (made.utterances, made.audio_files) == (3, 3)
    assert counted[-1] == (1, 1)
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert {(member.mode, member.uname, member.uid) for member in tar} == {(0o600, "", 0)}
        audio = tar.extractfile("spool/00000001-000000160000.pcm")
        assert audio is not None
        assert audio.read() == full.spool.file_of(UtteranceKey(1, 160_000)).read_bytes()


def test_an_utterance_that_is_open_is_in_the_backup_as_far_as_it_goes(state: State, tmp_path: Path) -> None:
    state.spool.append(UtteranceKey(1, 0), NOON, noise(1))
    backup(Wish(state.path, tmp_path / "all.tar", with_audio=True))
    assert "spool/00000001-000000000000.pcm" in members(tmp_path / "all.tar")


def test_audio_that_goes_meanwhile_is_left_out(full: State, tmp_path: Path) -> None:
    def settle(_: int, __: int) -> None:
        for path in audio_dir(full.path).iterdir():
            path.unlink()
        full.store.settle(done(3))

    made = backup(Wish(full.path, tmp_path / "all.tar", with_audio=True), progress=settle)
    # What was pending in the snapshot is there, although it was decoded since.
    assert "spool/00000001-000000160000.pcm" in members(tmp_path / "all.tar")
    assert not any(name.startswith("audio/") for name in members(tmp_path / "all.tar"))
    assert made.audio_files == 2


def test_a_state_without_any_audio_makes_a_tar_with_the_database(state: State, tmp_path: Path) -> None:
    state.spool.path.rmdir()
    backup(Wish(state.path, tmp_path / "all.tar", with_audio=True))
    assert members(tmp_path / "all.tar") == ["voicebridge.db"]


@pytest.mark.parametrize(("with_audio", "end"), [(False, "db"), (True, "tar")])
def test_backups_in_the_state_directory_are_named_by_their_time(tmp_path: Path, with_audio: bool, end: str) -> None:
    target = default_target(tmp_path, NOW.astimezone(None), with_audio=with_audio)
    assert target == tmp_path / "backups" / f"voicebridge-20261121T063005Z.{end}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = backups_dir(tmp_path)
    folder.mkdir()
    for day in range(5):
        default_target(tmp_path, NOW + timedelta(days=day), with_audio=day == 2).write_text("old")
    (folder / "my own.db").write_text("precious")
    return folder


def test_the_oldest_backups_go_and_other_files_stay(folder: Path) -> None:
    gone = rotate(folder, 2, NOW)
    assert [path.name[18:20] for path in gone] == ["21", "22", "23"]
    assert [path.name[18:20] for path in backups_in(folder)] == ["24", "25"]
    assert (folder / "my own.db").exists()
    assert rotate(folder, 2, NOW) == []


def test_what_a_kill_left_long_ago_goes_and_what_is_being_made_stays(folder: Path) -> None:
    old, new = folder / ".voicebridge-20261101T000000Z.db.partial", folder / ".voicebridge-20261121T000000Z.db.partial"
    for path, age in ((old, LEFT_SECONDS + 1), (new, 60)):
        path.write_text("half of it")
        os.utime(path, (NOW.timestamp() - age,) * 2)
    rotate(folder, 9, NOW)
    assert (old.exists(), new.exists()) == (False, True)


def test_without_a_folder_there_are_no_backups(tmp_path: Path) -> None:
    assert backups_in(tmp_path / "missing") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_backs_up_belongs_to_the_daemon(state: State) -> None:
    os.chown(state.path, 1234, 1234)
    target = default_target(state.path, NOW, with_audio=False)
    backup(Wish(state.path, target))
    assert [(path.stat().st_uid, path.stat().st_gid) for path in (target, target.parent)] == [(1234, 1234)] * 2
    give_to_owner(state.path)


def test_a_check_tells_what_is_wrong(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        require_intact(db, tmp_path / "a.db")
        db.execute("CREATE TABLE t (x NOT NULL)")
        db.execute("INSERT INTO t VALUES (1)")
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE t (x, y NOT NULL)'")
        db.commit()
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, pytest.raises(StoreDamagedError, match="NULL value"):
        require_intact(db, tmp_path / "a.db")


def test_two_backups_at_once_do_not_disturb_the_daemon(state: State, tmp_path: Path) -> None:
    fatten(state)
    threads = [threading.Thread(target=backup, args=(Wish(state.path, tmp_path / f"{n}.db"),)) for n in range(2)]
    for thread in threads:
        thread.start()
    for number in range(20):
        state.hear(f"word{number}", 5.0 * number)
    for thread in threads:
        thread.join()
    for number in range(2):
        # What is pending in a snapshot has no text yet.
        copied = [text for text in texts(tmp_path / f"{number}.db") if text]
        assert copied == [f"word{word}" for word in range(len(copied))]
