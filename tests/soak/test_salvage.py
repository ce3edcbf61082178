"""What is written down of a daemon's database: all of it after an orderly end, and what there is after another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebridge.store.database import open_database, transaction
from voicebridge_bench.soak.own import Load, OwnDaemon, Past
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.record import Entry, Happened, Heard


@pytest.fixture
def entries() -> list[Entry]:
    return []


@pytest.fixture
def daemon(tmp_path: Path, entries: list[Entry]) -> Iterator[OwnDaemon]:
    """One that was never started; nothing is played, so that nothing has to be spoken first."""
    load = Load(profile_named("silence"), seed=1, speed=1, audio_seconds=60, checkpoint_seconds=1)
    own = OwnDaemon(tmp_path, load, Past(), entries.append)
    yield own
    own.leave()


def store(database: Path, *statuses: str) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with open_database(database) as db, transaction(db):
        db.conn.execute(
            """INSERT INTO sessions (id, started_at, version, host, boot_id, source, settings_digest, pid)
               VALUES (1, 0, '', '', '', '', '', 1)"""
        )
        db.conn.executemany(
            """INSERT INTO utterances (session_id, status, start_sample, end_sample, speech_start, speech_end,
                speech_ratio, end_reason, started_at, ended_at, text)
               VALUES (1, ?, ?, 32000, 16000, 32000, 1, 'hangover', 0, 0, 'Yes.')""",
            [(status, number) for number, status in enumerate(statuses)],
        )


def kinds(entries: list[Entry]) -> list[str]:
    return [entry.kind for entry in entries if isinstance(entry, Happened) and entry.kind != "fed"]


def test_what_was_ended_at_once_with_everything_decoded_is_all_there(daemon: OwnDaemon, entries: list[Entry]) -> None:
    store(daemon.home.database, "done", "done")
    daemon.salvage()
    assert sum(isinstance(entry, Heard) for entry in entries) == 2
    assert kinds(entries) == ["integrity"]


def test_what_was_still_to_be_decoded_at_once_is_no_end_to_be_judged(daemon: OwnDaemon, entries: list[Entry]) -> None:
    store(daemon.home.database, "done", "pending")
    daemon.salvage()
    assert sum(isinstance(entry, Heard) for entry in entries) == 2
    assert kinds(entries) == ["unread"]


def test_what_was_still_to_be_decoded_after_an_orderly_end_is_judged(daemon: OwnDaemon, entries: list[Entry]) -> None:
    store(daemon.home.database, "done", "pending")
    daemon.finish()
    assert kinds(entries) == ["integrity"]


def test_a_daemon_that_was_ended_before_it_had_a_database_is_no_error(daemon: OwnDaemon, entries: list[Entry]) -> None:
    daemon.finish()
    assert kinds(entries) == []


def test_a_database_that_is_none_is_an_error_after_an_orderly_end_alone(
    daemon: OwnDaemon, entries: list[Entry]
) -> None:
    daemon.home.database.parent.mkdir(parents=True, exist_ok=True)
    daemon.home.database.write_bytes(b"nothing of the kind" * 100)
    daemon.salvage()
    assert kinds(entries) == ["unread"]
    daemon.finish()
    assert kinds(entries) == ["unread", "error"]
