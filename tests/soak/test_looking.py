"""What a soak sees of a daemon from outside, and what it puts inside: where there is little to see, too."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from voicebridge.domain.errors import StoreError
from voicebridge.store.database import open_database, transaction
from voicebridge_bench.soak.harvest import Checkpoints, Ending
from voicebridge_bench.soak.home import environment_of, make_home, settings_of
from voicebridge_bench.soak.inside import patching
from voicebridge_bench.soak.own import end_leftover
from voicebridge_bench.soak.profiles import profile_named
from voicebridge_bench.soak.sampling import Sampler

WALL_OF_ZERO = 1_800_000_000.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a session, anchors that a clock step lies between, an utterance and a gap."""
    path = tmp_path / "voicebridge.db"
    with open_database(path) as db, transaction(db):
        db.conn.execute(
            """INSERT INTO sessions (id, started_at, version, host, boot_id, source, settings_digest, pid)
               VALUES (3, 0, '', '', '', '', '', 1)"""
        )
        db.conn.executemany(
            "INSERT INTO anchors (session_id, sample_index, monotonic_seconds, realtime_seconds) VALUES (3, ?, ?, ?)",
            [(0, 100.0, WALL_OF_ZERO + 100), (160_000, 110.0, WALL_OF_ZERO + 3710)],
        )
        db.conn.execute(
            """INSERT INTO utterances (id, session_id, status, start_sample, end_sample, speech_start, speech_end,
                speech_ratio, end_reason, started_at, ended_at, text, delay_ms, settled_at)
               VALUES (9, 3, 'done', 16000, 32000, 16000, 32000, 1, 'hangover', 0, 0, 'Yes.', 900, ?)""",
            [WALL_OF_ZERO + 103],
        )
        db.conn.execute(
            """INSERT INTO gaps (session_id, start_sample, end_sample, reason, noted_at)
               VALUES (3, 168000, 176000, 'overflow', ?)""",
            [WALL_OF_ZERO + 3711],
        )
        db.conn.execute(
            """INSERT INTO checkpoints (session_id, at, state, uptime_seconds, backlog_seconds, record)
               VALUES (3, 0, 'hearing', 1, 0, ?)""",
            [json.dumps({"session_id": 3, "monotonic_seconds": 105.0, "memory": {"heap_bytes": 77}})],
        )
    return path


def test_utterances_are_those_of_their_life_and_moment(database: Path) -> None:
    [heard] = Ending(database, {3: 2}, WALL_OF_ZERO).heard({})
    assert (heard.utterance, heard.session, heard.life, heard.text) == (9, 3, 2, "Yes.")
    assert heard.at == pytest.approx(103.0)


def test_when_an_utterance_was_announced_is_believed_before_a_wall_clock(database: Path) -> None:
    [heard] = Ending(database, {3: 2}, WALL_OF_ZERO).heard({9: 103.25})
    assert heard.at == 103.25


def test_the_moment_of_a_gap_does_not_depend_on_the_wall_clock(database: Path) -> None:
    [lost] = Ending(database, {3: 2}, WALL_OF_ZERO).lost()
    assert (lost.life, lost.reason, lost.start_sample, lost.end_sample) == (2, "overflow", 168_000, 176_000)
    assert lost.at == pytest.approx(111.0)


def test_a_gap_without_an_anchor_has_the_moment_at_which_it_was_noted(database: Path) -> None:
    with open_database(database) as db, transaction(db):
        db.conn.execute("DELETE FROM anchors")
    [lost] = Ending(database, {}, WALL_OF_ZERO).lost()
    assert lost.at == pytest.approx(3711.0)
    assert lost.life == 0


def test_the_database_is_checked(database: Path) -> None:
    assert Ending(database, {}, 0).integrity == "ok"


def test_a_database_that_is_damaged_is_told(database: Path) -> None:
    with open_database(database) as db:
        db.conn.execute("DROP TABLE anchors")
    with pytest.raises(StoreError, match="SQLite says of"):
        Ending(database, {}, 0)


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Ending(tmp_path / "none.db", {}, 0)


def test_checkpoints_are_read_once(database: Path) -> None:
    checkpoints = Checkpoints(database)
    [found] = checkpoints.new()
    assert found.at == 105.0
    assert checkpoints.heap_of(3) == 77
    assert checkpoints.new() == []


def test_the_heap_of_a_session_that_is_over_is_not_that_of_the_next(database: Path) -> None:
    checkpoints = Checkpoints(database)
    checkpoints.new()
    assert checkpoints.heap_of(4) is None


def test_checkpoints_that_the_record_has_are_left_out(database: Path) -> None:
    earlier = Checkpoints(database).new()
    checkpoints = Checkpoints(database)
    checkpoints.skip(earlier)
    assert checkpoints.new() == []


def test_checkpoints_that_cannot_be_read_now_are_read_later(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none.db").new() == []
    (tmp_path / "broken.db").write_bytes(b"nothing of the kind" * 100)
    assert Checkpoints(tmp_path / "broken.db").new() == []


def test_a_process_is_seen_from_outside(tmp_path: Path) -> None:
    (tmp_path / "voicebridge.db").write_bytes(bytes(4096))
    found = Sampler(tmp_path).sample(os.getpid(), 5, 6)
    assert found is not None
    assert (found.pid, found.heap_bytes, found.log_bytes) == (os.getpid(), 5, 6)
    assert (found.database_bytes, found.wal_bytes) == (4096, 0)
    assert found.uss_bytes is not None
    assert 0 < found.uss_bytes <= found.rss_bytes
    assert found.own_bytes is not None
    assert 0 < found.own_bytes <= found.uss_bytes
    assert min(found.threads, found.open_files, found.disk_free_bytes) > 0


def test_a_process_that_is_gone_has_no_sample(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    sampler = Sampler(tmp_path)
    assert sampler.sample(child.pid, None, 0) is None
    child.wait()
    assert sampler.sample(child.pid, None, 0) is None


def test_a_daemon_without_faults_has_nothing_of_the_soak_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEBRIDGE_AUDIO__DEVICE", "mine")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/mine")
    home = make_home(tmp_path)
    environment, why = environment_of(home, orders=False)
    home.leave()
    assert not {"LD_PRELOAD", "VB_SOAK_ORDERS", "VB_SOAK_PLANTED", "VOICEBRIDGE_AUDIO__DEVICE"} & set(environment)
    assert str(tmp_path) in environment["XDG_CONFIG_HOME"]
    assert why == ""


def test_the_settings_of_a_soak_are_those_of_its_profile_and_a_place_of_its_own(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    settings = settings_of(profile_named("chaos").with_engine("sphinx"), home, 5)
    home.leave()
    assert settings["engine.kind"] == "sphinx"
    assert "whisper.model" not in settings
    assert settings["health.interval_seconds"] == "5"
    assert settings["engine.decode_deadline_seconds"] == "10"
    assert settings["http.bind"].startswith("unix:")


def test_what_a_harness_that_died_has_left_is_removed(tmp_path: Path) -> None:
    left = make_home(tmp_path)
    again = make_home(tmp_path)
    assert not left.runtime.exists()
    assert again.runtime.exists()
    again.leave()


def test_a_note_that_names_another_directory_removes_nothing(tmp_path: Path) -> None:
    precious = tmp_path / "voicebridge-soak-precious"
    precious.mkdir()
    (tmp_path / "runtime").write_text(str(precious))
    make_home(tmp_path).leave()
    assert precious.exists()


def test_only_a_daemon_on_that_very_state_directory_is_ended(tmp_path: Path) -> None:
    home, other = make_home(tmp_path / "one"), make_home(tmp_path / "other")
    words = [sys.executable, "-c", "import time; time.sleep(60)", "voicebridge", "run", "--stdin"]
    left, spared = (subprocess.Popen([*words, str(place.state)]) for place in (home, other))
    try:
        end_leftover(home)
        assert not psutil.pid_exists(left.pid)
        assert spared.poll() is None
    finally:
        for child in (left, spared):
            child.kill()
            child.wait()
    home.leave()
    other.leave()


def test_a_module_is_changed_when_it_is_imported_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "soaked_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[str] = []

    def change(module: ModuleType) -> None:
        seen.append(module.__name__)
        module.value = 2  # type: ignore[attr-defined]

    patching.after_import("soaked_module", change)
    assert seen == []
    import soaked_module  # type: ignore[import-not-found]

    assert soaked_module.value == 2
    patching.after_import("soaked_module", change)
    assert seen == ["soaked_module", "soaked_module"]
    del sys.modules["soaked_module"]
