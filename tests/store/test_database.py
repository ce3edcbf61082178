"""How the database is opened, and how its errors are told."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.states import State
from voicebridge.domain.errors import ExitCode, StoreBusyError, StoreError, StoreUnavailableError
from voicebridge.settings.paths import database_path
from voicebridge.store.database import make_directory, open_database, told, transaction
from voicebridge.store.sessions import SqliteSessionLog


def pragma(path: Path, name: str) -> object:
    db = open_database(path)
    try:
        value: object = db.conn.execute(f"PRAGMA {name}").fetchone()[0]
        return value
    finally:
        db.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1), ("busy_timeout", 5000)],
)
def test_a_database_for_writing_is_durable_and_deletes_really(tmp_path: Path, name: str, value: object) -> None:
    assert pragma(tmp_path / "a.db", name) == value


def test_only_the_owner_can_read_what_is_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.db"
    db = open_database(path)
    db.conn.execute("UPDATE sessions SET pid = 1")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    db.close()
    assert set(modes) == {"a.db", "a.db-wal", "a.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_reader_of_a_missing_database_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database at") as caught:
        open_database(tmp_path / "a.db", read_only=True)
    assert caught.value.code is ExitCode.NO_INPUT
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(state: State) -> None:
    reader = open_database(database_path(state.path), read_only=True)
    with pytest.raises(StoreUnavailableError, match="cannot be opened or written"), told(reader):
        reader.conn.execute("DELETE FROM sessions")
    reader.close()


def test_a_reader_reads_while_a_write_is_under_way(state: State) -> None:
    with transaction(state.db):
        state.db.conn.execute("UPDATE sessions SET pid = 99")
        reader = open_database(database_path(state.path), 0, read_only=True)
        assert reader.conn.execute("SELECT pid FROM sessions").fetchone()[0] == 42
        reader.close()


def test_something_else_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"This is a letter, not a database." * 100)
    with pytest.raises(StoreError, match="is not a database") as caught:
        open_database(path)
    assert not caught.value.transient


def test_a_damaged_database_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_database(path).close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    content[100:4096] = os.urandom(3996)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged") as caught:
        open_database(path)
    assert not caught.value.transient


def test_a_locked_database_is_busy(state: State) -> None:
    other = open_database(database_path(state.path), busy_timeout_ms=0)
    with transaction(state.db), pytest.raises(StoreBusyError, match="Another process holds"), transaction(other):
        pass
    other.close()
    assert StoreBusyError.transient


def test_a_full_disk_is_told_so_and_nothing_of_the_write_stays(state: State) -> None:
    pages = state.db.conn.execute("PRAGMA page_count").fetchone()[0]
    state.db.conn.execute(f"PRAGMA max_page_count = {pages}")
    log = SqliteSessionLog(state.db, state.session_id)
    with pytest.raises(StoreUnavailableError, match="The disk is full"), transaction(state.db):
        state.db.conn.executemany(
            "INSERT INTO events (session_id, noted_at, kind, detail) VALUES (1, 0, 'a', ?)", [("x" * 9000,)] * 100
        )
    assert state.db.conn.execute("SELECT count(*) FROM events").fetchone()[0] == 0
    state.db.conn.execute(f"PRAGMA max_page_count = {pages + 10}")
    log.add_event("space", "is there again")


def test_a_transaction_that_breaks_off_leaves_nothing(state: State) -> None:
    def break_off() -> None:
        with transaction(state.db):
            state.db.conn.execute("UPDATE sessions SET pid = 7")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert state.db.conn.execute("SELECT pid FROM sessions").fetchone()[0] == 42


def test_our_own_mistakes_are_not_told_as_trouble_of_the_disk(state: State) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), transaction(state.db):
        state.db.conn.execute("SELECT * FROM nowhere")


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        open_database(tmp_path / "a.db")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match="is not what it should be"):
        make_directory(tmp_path / "state" / "spool")


def as_nobody(code: str, *arguments: str) -> str:
    """Run a piece of Python as a user without rights and return what it prints."""
    script = f"import os, sys\nfrom pathlib import Path\n{code}"
    drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    # Imports first: the package itself may lie where that user cannot read.
    load = (
        "from voicebridge.store import database, migrations, rows, search\n"
        "from voicebridge.domain.errors import StoreError\nimport sqlite_utils, sqlite3\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", load + drop + script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


OPEN = """
try:
    db = database.open_database(Path(sys.argv[1]), read_only=sys.argv[2] == "ro")
    print(db.conn.execute("SELECT count(*) FROM sessions").fetchone()[0])
except StoreError as error:
    print(error, error.transient)
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@needs_root
def test_a_directory_without_the_right_to_write_is_told(shared: Path) -> None:
    assert "cannot be opened or written" in as_nobody(OPEN, str(shared / "a.db"), "rw")


@needs_root
def test_a_reader_without_the_right_to_write_is_told_what_to_do(shared: Path) -> None:
    open_database(shared / "a.db").close()
    (shared / "a.db").chmod(0o644)
    told_ = as_nobody(OPEN, str(shared / "a.db"), "ro")
    assert "-wal and -shm" in told_
    assert "sudo -u" in told_


@needs_root
def test_a_reader_with_the_right_to_read_reads_while_the_daemon_runs(shared: Path) -> None:
    db = open_database(shared / "a.db")
    db.conn.execute("UPDATE sessions SET pid = 1")
    for name in ("a.db", "a.db-wal", "a.db-shm"):
        (shared / name).chmod(0o644)
    assert as_nobody(OPEN, str(shared / "a.db"), "ro") == "0"
    db.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [(28, "disk is full"), (30, "cannot be opened or written"), (5, "cannot be used"), (122, "disk is full")],
)
def test_errors_of_the_file_system_are_told_and_may_pass(number: int, words: str) -> None:
    with pytest.raises(StoreUnavailableError, match=words), told(Path("/spool/a")):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY_SNAPSHOT])
def test_extended_codes_of_sqlite_are_understood(code: int) -> None:
    error = sqlite3.OperationalError("trouble")
    error.sqlite_errorcode = code
    with pytest.raises(StoreError) as caught, told(Path("/a.db")):
        raise error
    assert caught.value.transient
    assert caught.value.advice
