"""A damaged database is found at the start and set aside; nothing of it is deleted."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.states import State, state_in
from voicebridge.domain.errors import StoreDamagedError, StoreError
from voicebridge.settings.paths import database_path
from voicebridge.store.database import open_database
from voicebridge.store.search import SearchQuery, search
from voicebridge.store.sessions import end_session
from voicebridge.store.set_aside import (
    MARK_NAME,
    MAX_SET_ASIDE,
    WORD,
    delete_with_log,
    moved_away,
    note_damage,
    open_checked,
    quick_check,
    set_aside,
)

NOW = datetime(2026, 11, 21, 6, 30, 5, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A state directory whose last session did not end, with enough in it to be damaged."""
    with state_in(tmp_path) as state:
        for number in range(40):
            state.hear(f"word{number} " * 40, 5.0 * number)
    return tmp_path


def overwrite(path: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def break_a_page(content: bytearray) -> None:
    # The newest, which opening does not look at.
    content[-4096:] = b"\xa5" * 4096


def break_every_page(content: bytearray) -> None:
    for start in range(4096, len(content), 4096):
        content[start : start + 100] = b"\xa5" * 100


def break_header(content: bytearray) -> None:
    content[:16] = b"x" * 16


def cut(content: bytearray) -> None:
    del content[len(content) // 3 :]


@pytest.mark.parametrize("damage", [break_a_page, break_every_page, break_header, cut])
def test_a_damage_is_found_after_an_unclean_end(place: Path, damage: Callable[[bytearray], None]) -> None:
    overwrite(database_path(place), damage)
    with pytest.raises(StoreDamagedError) as caught:
        open_checked(place, 1000)
    assert not caught.value.transient


def test_a_sound_database_is_opened(place: Path) -> None:
    db, unchecked = open_checked(place, 1000)
    assert unchecked == ""
    assert db.conn.execute("SELECT count(*) FROM utterances").fetchone() == (40,)
    db.close()


def test_after_an_orderly_end_nothing_is_checked(tmp_path: Path) -> None:
    with state_in(tmp_path) as state:
        end_session(state.db, state.session_id, "clean", 0.0)
    db, unchecked = open_checked(tmp_path, 1000, check_seconds=0)
    assert unchecked == ""
    db.close()


def test_a_check_that_takes_too_long_is_given_up_and_told(place: Path) -> None:
    with sqlite3.connect(database_path(place)) as db:
        db.execute("CREATE TABLE big (x BLOB)")
        db.executemany("INSERT INTO big VALUES (?)", ((bytes(3000),) for _ in range(20_000)))
    db.close()
    opened, unchecked = open_checked(place, 1000, check_seconds=0)
    assert unchecked == "the database could not be checked within 0 s"
    assert opened.conn.execute("SELECT count(*) FROM big").fetchone() == (20_000,)
    opened.close()


def test_a_check_that_is_not_interrupted_tells(place: Path) -> None:
    db = open_database(database_path(place))
    assert quick_check(db, 30) == "ok"
    db.close()


def test_a_database_of_a_newer_version_is_not_damaged(place: Path) -> None:
    with closing(sqlite3.connect(database_path(place))) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('voicebridge', 'm999_later', '')"
        )
    with pytest.raises(StoreError, match="newer version") as caught:
        open_checked(place, 1000)
    assert not isinstance(caught.value, StoreDamagedError)


def test_a_database_without_our_tables_is_damaged(place: Path) -> None:
    with closing(sqlite3.connect(database_path(place))) as db, db:
        db.execute("DROP TABLE gaps")
    with pytest.raises(StoreDamagedError, match="lacks the table gaps"):
        open_checked(place, 1000)


def test_a_database_with_other_tables_is_damaged(tmp_path: Path) -> None:
    with closing(sqlite3.connect(database_path(tmp_path))) as db, db:
        db.execute("CREATE TABLE sessions (something_else TEXT)")
    with pytest.raises(StoreDamagedError, match="are not ours"):
        open_checked(tmp_path, 1000)


def test_what_is_set_aside_has_its_time_in_its_name_and_is_whole(place: Path) -> None:
    content = database_path(place).read_bytes()
    Path(f"{database_path(place)}-wal").write_bytes(b"log")
    note_damage(place)
    target = set_aside(place, NOW)
    assert target == place / "voicebridge.db.corrupt-20261121T063005Z"
    assert target.read_bytes() == content
    assert Path(f"{target}-wal").read_bytes() == b"log"
    assert not database_path(place).exists()
    assert not (place / MARK_NAME).exists()


def test_a_name_that_is_taken_is_not_used_again(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        database_path(tmp_path).write_bytes(content)
        set_aside(tmp_path, NOW)
    assert [path.read_bytes() for path in moved_away(database_path(tmp_path), WORD)] == [b"first", b"second"]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for day in range(1, MAX_SET_ASIDE + 3):
        database_path(tmp_path).write_bytes(b"%d" % day)
        Path(f"{database_path(tmp_path)}-wal").write_bytes(b"log")
        set_aside(tmp_path, NOW.replace(day=day))
    kept = moved_away(database_path(tmp_path), WORD)
    assert [path.read_bytes() for path in kept] == [b"3", b"4", b"5"]
    assert len(list(tmp_path.iterdir())) == 2 * MAX_SET_ASIDE
    delete_with_log(kept[0])
    assert len(list(tmp_path.iterdir())) == 2 * MAX_SET_ASIDE - 2


def test_a_damage_that_was_met_is_looked_for_after_an_orderly_end_too(tmp_path: Path) -> None:
    with state_in(tmp_path) as state:
        for number in range(40):
            state.hear(f"word{number} " * 40, 5.0 * number)
        end_session(state.db, state.session_id, "clean", 0.0)
    overwrite(database_path(tmp_path), break_a_page)
    db, _ = open_checked(tmp_path, 1000)
    db.close()
    note_damage(tmp_path)
    with pytest.raises(StoreDamagedError):
        open_checked(tmp_path, 1000)


def test_a_damage_in_the_index_of_words_is_mended(state: State) -> None:
    state.hear("turn on the light")
    state.db.conn.execute("UPDATE utterances_fts_data SET block = x'00'")
    state.db.conn.execute("DELETE FROM utterances_fts_idx")
    note_damage(state.path)
    db, _ = open_checked(state.path, 1000)
    assert len(search(db, "light", SearchQuery())) == 1
    assert not (state.path / MARK_NAME).exists()
    db.close()


def test_a_mark_that_cannot_be_made_is_no_new_trouble(tmp_path: Path) -> None:
    note_damage(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []
