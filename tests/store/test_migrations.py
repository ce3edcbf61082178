"""The tables, as named migrations."""

from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from tests.fakes.states import State
from voicebridge.domain.errors import StoreError
from voicebridge.domain.utterance import DecodeKind
from voicebridge.settings.paths import database_path
from voicebridge.store.database import open_database
from voicebridge.store.migrations import migrate, schema
from voicebridge.store.search import find

PATH = Path("/a.db")


@pytest.fixture
def steps() -> Migrations:
    """Two migrations, the second of which fails half-way."""
    steps = Migrations("voicebridge")

    @steps()
    def m001_good(db: Database) -> None:
        db.execute("CREATE TABLE good (id INTEGER)")

    @steps()
    def m002_bad(db: Database) -> None:
        db.execute("CREATE TABLE half (id INTEGER)")
        db.execute("INSERT INTO good VALUES (1)")
        raise RuntimeError("half-way")

    return steps


def tables(db: Database) -> set[str]:
    return {row[0] for row in db.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_migration_that_fails_leaves_nothing_behind(steps: Migrations, tmp_path: Path) -> None:
    with open_database(tmp_path / "a.db") as db:
        db.conn.execute("DELETE FROM _sqlite_migrations")
        with pytest.raises(RuntimeError, match="half-way"):
            migrate(db, PATH, steps)
        assert "half" not in tables(db)
        assert db.conn.execute("SELECT count(*) FROM good").fetchone()[0] == 0
        assert [done.name for done in steps.applied(db)] == ["m001_good"]
        assert not db.conn.in_transaction


def test_migrating_again_changes_nothing(state: State) -> None:
    before = state.db.schema
    migrate(state.db, PATH)
    assert state.db.schema == before


def test_a_database_from_a_newer_version_is_refused(state: State) -> None:
    state.db.conn.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('voicebridge', 'm999_dreams', '')"
    )
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"newer version .*m999_dreams"):
            open_database(database_path(state.path), read_only=read_only)


def test_a_reader_does_not_migrate(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    with pytest.raises(StoreError, match="older version"):
        open_database(path, read_only=True)
    assert path.read_bytes() == b""


def test_every_migration_is_recorded_by_name(state: State) -> None:
    assert [done.name for done in schema().applied(state.db)] == [
        "m001_first_tables",
        "m002_checkpoints",
        "m003_settled",
        "m004_how_it_was_decoded",
    ]


def test_forgetting_a_session_takes_all_of_it_along(state: State) -> None:
    state.hear()
    state.db.conn.execute("DELETE FROM sessions")
    assert state.db.conn.execute("SELECT count(*) FROM utterances").fetchone()[0] == 0
    assert state.db.conn.execute("SELECT count(*) FROM utterances_fts('light')").fetchone()[0] == 0


def test_an_id_never_comes_back(state: State) -> None:
    first = state.hear().utterance_id
    state.db.conn.execute("DELETE FROM utterances")
    assert state.hear().utterance_id > first


def test_what_an_older_version_heard_is_read_after_its_tables_were_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Database(path, execute_plugins=False) as old:
        schema().apply(old, stop_before="m004_how_it_was_decoded")
        old.conn.execute("PRAGMA foreign_keys = OFF")
        old.conn.execute(
            """INSERT INTO utterances (session_id, status, start_sample, end_sample, speech_start, speech_end,
                    speech_ratio, end_reason, started_at, ended_at, text, words)
                VALUES (1, 'done', 0, 9, 0, 9, 0.5, 'hangover', 1.0, 2.0, 'turn on the light', '[]')"""
        )
        old.conn.commit()
    with open_database(path) as db:
        record = find(db, 1)
        assert record is not None
        assert record.text == "turn on the light"
        assert (record.window_seconds, record.fallback, record.kind) == (None, "", DecodeKind.FINAL)
