"""Restoring: checked before anything is touched, and nothing is deleted."""

import io
import os
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.states import FOR_EVER, State, equal, state_in
from tests.fakes.utterances import noise
from voicebridge.domain.errors import ExitCode, StoreBusyError, StoreDamagedError, StoreError
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.settings.paths import database_path
from voicebridge.store.backup import Wish, backup, default_target
from voicebridge.store.copies import copies, delete_copies
from voicebridge.store.lock import StateLock
from voicebridge.store.restore import restore
from voicebridge.store.search import SearchQuery, search
from voicebridge.store.set_aside import set_aside

NOW = datetime(2026, 11, 21, 6, 30, 5, tzinfo=UTC)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup with audio: one done, one pending."""
    with state_in(tmp_path / "old", FOR_EVER) as old:
        old.hear("turn on the light", 1.0, seed=7)
        old.add(10.0, seed=8)
        backup(Wish(old.path, tmp_path / "all.tar", with_audio=True))
        backup(Wish(old.path, tmp_path / "text.db"))
    return tmp_path


def names(path: Path) -> set[str]:
    return {str(name.relative_to(path)) for name in path.rglob("*") if name.is_file()} - {"lock"}


def content(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in names(path)}


@pytest.mark.parametrize("name", ["text.db", "all.tar"])
def test_what_was_backed_up_is_there_again_and_new_things_are_heard(saved: Path, name: str) -> None:
    place = saved / "new"
    place.mkdir(mode=0o700)
    done = restore(saved / name, place, NOW)
    assert (done.utterances, done.set_aside) == (2, [])
    with state_in(place) as state:
        assert len(search(state.db, "light", SearchQuery())) == 1
        assert state.hear("and off again", 20.0).utterance_id == 3


def test_audio_comes_back_with_it(saved: Path) -> None:
    place = saved / "new"
    done = restore(saved / "all.tar", place, NOW)
    assert (done.with_audio, done.audio_files) == (True, 2)
    with state_in(place, FOR_EVER) as state:
        assert equal(state.kept.read("audio/00000001.wav"), noise(2, 7))
        recovery = state.recover()
        assert [pending.utterance_id for pending in recovery.pending] == [2]
        assert equal(state.spool.read(recovery.pending[0].ended.key), noise(2, 8))
    modes = {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_what_was_there_is_set_aside_and_named(saved: Path) -> None:
    place = saved / "new"
    with state_in(place, FOR_EVER) as state:
        state.hear("what was there", 1.0)
        state.add(10.0)
    done = restore(saved / "all.tar", place, NOW)
    stamp = "replaced-20261121T063005Z"
    assert done.set_aside == [place / f"voicebridge.db.{stamp}", place / f"spool.{stamp}", place / f"audio.{stamp}"]
    with closing(sqlite3.connect(done.set_aside[0])) as db:
        assert db.execute("SELECT text FROM utterances").fetchall() == [("what was there",), (None,)]
    assert names(place / f"spool.{stamp}") == {"00000001-000000160000.pcm"}
    assert names(place / f"audio.{stamp}") == {"00000001.wav"}


def test_without_audio_spool_and_kept_audio_are_left_alone(saved: Path) -> None:
    place = saved / "new"
    with state_in(place, FOR_EVER) as state:
        state.hear("what was there", 1.0)
        state.add(30.0, seed=5)
    restore(saved / "text.db", place, NOW)
    assert (place / "audio" / "00000001.wav").exists()
    with state_in(place) as state:
        # What waited is decoded into the restored database.
        assert UtteranceKey(1, 480_000) in [one.ended.key for one in state.recover().pending]


def test_the_log_of_what_was_there_does_not_get_into_the_restored_one(saved: Path) -> None:
    place = saved / "new"
    with state_in(place) as state:
        state.hear("what was there", 1.0)
        log = Path(f"{database_path(place)}-wal").read_bytes()
    Path(f"{database_path(place)}-wal").write_bytes(log)  # as a kill leaves it
    (aside,) = restore(saved / "text.db", place, NOW).set_aside
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT text FROM utterances").fetchall() == [("what was there",)]
    with state_in(place) as state:
        assert search(state.db, "there", SearchQuery()) == []
        assert len(search(state.db, "light", SearchQuery())) == 1


def test_what_cannot_be_opened_any_more_is_set_aside_all_the_same(saved: Path) -> None:
    place = saved / "new"
    with state_in(place):
        pass
    garbled(database_path(place))
    spoilt = database_path(place).read_bytes()
    (aside,) = restore(saved / "text.db", place, NOW).set_aside
    assert aside.read_bytes() == spoilt


def test_a_daemon_that_runs_must_be_stopped_first(saved: Path) -> None:
    place = saved / "new"
    with StateLock(place), pytest.raises(StoreBusyError, match="is in use"):
        restore(saved / "text.db", place, NOW)
    assert names(place) == set()


def test_what_is_not_there_cannot_be_restored(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.db", tmp_path):
        with pytest.raises(StoreError, match="There is no backup at") as caught:
            restore(path, tmp_path / "state", NOW)
        assert caught.value.code is ExitCode.NO_INPUT


def tar_of(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def garbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('voicebridge', 'm999_later', '')"
        )


def of_something_else(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE recipes (flour TEXT)")


def with_a_link(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("voicebridge.db")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut_off, "is damaged"),
        (garbled, "is damaged"),
        (newer, "newer version"),
        (of_something_else, "is no database of Voicebridge"),
        (with_a_link, "which no backup does"),
        (lambda path: path.write_bytes(b"a letter" * 1000), "is no backup"),
        (lambda path: path.write_bytes(b""), "is no backup"),
        (lambda path: tar_of(path, **{"../../etc/passwd": b""}), "which no backup does"),
        (lambda path: tar_of(path, **{"/voicebridge.db": b""}), "which no backup does"),
        (lambda path: tar_of(path, **{"audio/00000001.wav": b""}), "holds no database"),
    ],
)
def test_what_is_no_good_is_refused_and_nothing_is_touched(
    saved: Path, spoil: Callable[[Path], None], said: str
) -> None:
    place = saved / "new"
    with state_in(place, FOR_EVER) as state:
        state.hear("what was there", 1.0)
    before = content(place)
    spoil(saved / "text.db")
    with pytest.raises(StoreError, match=said):
        restore(saved / "text.db", place, NOW)
    assert content(place) == before
    assert not list(place.glob(".restore-*"))


def test_a_tar_that_was_cut_off_is_refused(saved: Path) -> None:
    data = (saved / "all.tar").read_bytes()
    (saved / "all.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError):
        restore(saved / "all.tar", saved / "new", NOW)
    assert names(saved / "new") == set()


def test_what_a_killed_restore_left_goes(saved: Path) -> None:
    left = saved / "new" / ".restore-abc"
    left.mkdir(parents=True)
    (left / "voicebridge.db").write_text("half of it")
    restore(saved / "text.db", saved / "new", NOW)
    assert not left.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_restores_belongs_to_the_daemon(saved: Path) -> None:
    place = saved / "new"
    place.mkdir(mode=0o700)
    os.chown(place, 1234, 1234)
    restore(saved / "all.tar", place, NOW)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in place.rglob("*")} == {(1234, 1234)}


def test_copies_in_the_state_directory_are_found_and_deleted_whole(state: State) -> None:
    state.hear("zanzibar")
    backup(Wish(state.path, default_target(state.path, NOW, with_audio=False)))
    (state.path / "spool.replaced-20261121T063005Z").mkdir()
    (state.path / "spool.replaced-20261121T063005Z" / "00000001-000000160000.pcm").write_bytes(b"audio")
    (state.path / "voicebridge.db.corrupt-20261121T063005Z").write_bytes(b"zanzibar")
    (state.path / "voicebridge.db.corrupt-20261121T063005Z-wal").write_bytes(b"zanzibar")
    found = copies(state.path)
    assert [path.name for path in found] == [
        "voicebridge-20261121T063005Z.db",
        "voicebridge.db.corrupt-20261121T063005Z",
        "spool.replaced-20261121T063005Z",
    ]
    delete_copies(found)
    assert copies(state.path) == []
    assert not list(state.path.glob("*2026*"))


def test_a_damaged_database_that_was_set_aside_is_no_backup(saved: Path) -> None:
    place = saved / "new"
    with state_in(place):
        pass
    garbled(database_path(place))
    with pytest.raises(StoreDamagedError):
        restore(set_aside(place, NOW), place, NOW)
