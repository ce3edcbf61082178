"""Checkpoints in the database and in their file."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.states import INFO, State
from tests.fakes.utterances import NOON
from voicebridge.domain.errors import StoreError, UnstorableError
from voicebridge.store.checkpoints import (
    FILE_NAME,
    MOST_RECORDS,
    THINNED_SECONDS,
    WHOLE_RECORDS,
    CheckpointLog,
    Row,
    drop_old,
    last_line,
    newest_checkpoints,
)
from voicebridge.store.database import transaction
from voicebridge.store.retention import SECONDS_PER_DAY
from voicebridge.store.sessions import begin_session, earlier_in_this_boot

DAY = SECONDS_PER_DAY


def row(state: State, at: float, **more: object) -> Row:
    return Row(state.session_id, at, "hearing", 5.0, 0.0, 900.0, 0.1, 1000, {"at": at, **more})


def filled(state: State, *moments: float) -> CheckpointLog:
    log = CheckpointLog(state.db, state.path, 1_000_000)
    for at in moments:
        log.add(row(state, at))
    return log


def count(state: State) -> int:
    number: int = state.db.conn.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
    return number


def lines(state: State) -> list[float]:
    return [json.loads(line)["at"] for line in (state.path / FILE_NAME).read_text().splitlines()]


def test_a_checkpoint_is_a_row_and_a_line_that_only_the_owner_reads(state: State) -> None:
    filled(state, NOON)
    assert newest_checkpoints(state.db, 5) == [{"at": NOON}]
    assert last_line(state.path) == {"at": NOON}
    assert (state.path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_adding_one_again_changes_nothing(state: State) -> None:
    log = filled(state, NOON)
    log.add(row(state, NOON))
    assert (count(state), lines(state)) == (1, [NOON])


def test_a_line_can_be_written_before_the_record_and_is_not_written_again(state: State) -> None:
    log = CheckpointLog(state.db, state.path, 1_000_000)
    for at in (NOON, NOON + 1, NOON):
        log.line(row(state, at))
    assert (count(state), lines(state)) == (0, [NOON, NOON + 1])
    for at in (NOON, NOON + 1, NOON + 2):
        log.add(row(state, at))
    assert (count(state), lines(state)) == (3, [NOON, NOON + 1, NOON + 2])


def test_the_file_is_begun_anew_at_its_bound_and_the_one_before_stays(state: State) -> None:
    log = CheckpointLog(state.db, state.path, 100)
    for second in range(8):
        log.add(row(state, NOON + second))
    before = state.path / (FILE_NAME + ".1")
    assert (state.path / FILE_NAME).stat().st_size <= 100
    assert before.stat().st_size <= 100
    assert len(list(state.path.glob("checkpoints.jsonl*"))) == 2
    assert lines(state)[-1] == NOON + 7


def test_a_file_that_cannot_be_written_costs_lines_and_no_record(state: State) -> None:
    (state.path / FILE_NAME).mkdir()
    log = filled(state, NOON, NOON + 1)
    assert (log.lines_failed, count(state)) == (2, 2)


def test_a_symbolic_link_in_its_place_is_not_followed(state: State, tmp_path: Path) -> None:
    target = tmp_path / "other"
    (state.path / FILE_NAME).symlink_to(target)
    assert filled(state, NOON).lines_failed == 1
    assert not target.exists()


def test_the_last_whole_line_counts(state: State) -> None:
    filled(state, NOON)
    with (state.path / FILE_NAME).open("a") as file:
        file.write('{"at": 17000')
    assert last_line(state.path) == {"at": NOON}
    (state.path / FILE_NAME).rename(state.path / (FILE_NAME + ".1"))
    assert last_line(state.path) == {"at": NOON}


def test_without_a_file_there_is_no_last_line(tmp_path: Path) -> None:
    assert last_line(tmp_path) is None


def test_the_newest_of_a_time_come_oldest_first(state: State) -> None:
    filled(state, *(NOON + second for second in range(5)))
    assert [record["at"] - NOON for record in newest_checkpoints(state.db, 2)] == [3, 4]
    assert [record["at"] - NOON for record in newest_checkpoints(state.db, 9, NOON + 1, NOON + 3)] == [1, 2]


def test_old_ones_are_thinned_and_older_ones_go(state: State) -> None:
    start = float(int((NOON - 5 * DAY) / THINNED_SECONDS) * THINNED_SECONDS)
    filled(state, NOON - 91 * DAY, *(start + 100 * number for number in range(6)), NOON - 60, NOON - 1)
    assert drop_old(state.db, 90, NOON) == 1 + 4
    kept = [record["at"] for record in newest_checkpoints(state.db, 100)]
    assert kept == [start, start + 300, NOON - 60, NOON - 1]


def test_of_five_minutes_the_worst_stays(state: State) -> None:
    start = float(int((NOON - 5 * DAY) / THINNED_SECONDS) * THINNED_SECONDS)
    log = CheckpointLog(state.db, state.path, 1_000_000)
    spells = [("hearing", 900.0), ("degraded", 100.0), ("degraded", 5000.0), ("degraded", None), ("hearing", 9000.0)]
    for second, (told, p95) in enumerate(spells):
        log.add(replace(row(state, start + second), state=told, delay_p95_ms=p95))
    assert drop_old(state.db, 90, NOON) == 4
    assert newest_checkpoints(state.db, 9) == [{"at": start + 2}]


def many(state: State, moments: Iterable[float]) -> None:
    with transaction(state.db):
        state.db.conn.executemany(
            "INSERT INTO checkpoints (session_id, at, state, uptime_seconds, backlog_seconds, record) "
            "VALUES (?, ?, 'hearing', 1.0, 0.0, '{}')",
            ((state.session_id, at) for at in moments),
        )


def test_one_a_second_is_thinned_before_it_is_a_day_old(state: State) -> None:
    many(state, (NOON - second for second in range(WHOLE_RECORDS + 3000)))
    drop_old(state.db, 90, NOON)
    assert WHOLE_RECORDS + 10 <= count(state) <= WHOLE_RECORDS + 12


def test_however_they_come_about_they_are_bounded(state: State) -> None:
    many(state, (NOON - THINNED_SECONDS * number for number in range(MOST_RECORDS + 5)))
    assert drop_old(state.db, 9999, NOON) == 5
    assert count(state) == MOST_RECORDS


def test_what_json_cannot_hold_is_left_out_of_a_record(state: State) -> None:
    odd = {"ratio": float("nan"), "parts": [float("inf"), {"why": "no \udcff model"}]}
    CheckpointLog(state.db, state.path, 1000).add(replace(row(state, NOON), record=odd))
    kept = {"ratio": None, "parts": [None, {"why": "no ? model"}]}
    assert newest_checkpoints(state.db, 1) == [kept]
    assert last_line(state.path) == kept


@pytest.mark.parametrize("odd", [{"record": {"at": object()}}, {"rss_bytes": 1 << 80}, {"state": "\udcff"}])
def test_a_record_that_can_never_be_kept_is_told_apart(state: State, odd: dict[str, Any]) -> None:
    with pytest.raises(UnstorableError):
        CheckpointLog(state.db, state.path, 1000).add(replace(row(state, NOON), **odd))
    assert count(state) == 0


def test_a_store_that_refuses_keeps_neither_row_nor_line(state: State) -> None:
    log = CheckpointLog(state.db, state.path, 1000)
    state.db.conn.execute("PRAGMA query_only=ON")
    with pytest.raises(StoreError):
        log.add(row(state, NOON))
    state.db.conn.execute("PRAGMA query_only=OFF")
    assert not (state.path / FILE_NAME).exists()
    log.add(row(state, NOON))
    assert lines(state) == [NOON]


def test_restarts_are_the_sessions_of_this_boot(state: State) -> None:
    assert earlier_in_this_boot(state.db, state.session_id) == 0
    second = begin_session(state.db, INFO, NOON)
    other = begin_session(state.db, replace(INFO, boot_id="another"), NOON)
    assert earlier_in_this_boot(state.db, second) == 1
    assert earlier_in_this_boot(state.db, other) == 0
