"""Gaps, sessions and events of a time."""

from typing import Any

import pytest

from tests.fakes.states import State
from tests.fakes.utterances import NOON
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge.store.timeline import MAX_ROWS, happened

HOUR = 3600.0


def anchor(state: State, seconds: float, realtime: float) -> None:
    with state.db.atomic():
        state.db.conn.execute(
            "INSERT INTO anchors (session_id, sample_index, monotonic_seconds, realtime_seconds) VALUES (1, ?, ?, ?)",
            (int(seconds * SAMPLE_RATE), seconds, realtime),
        )


def gaps(state: State, *found: tuple[float, float], noted_after: float = 0.0) -> None:
    """Store gaps: begin, in seconds since noon, which is where the samples begin; and length."""
    with state.db.atomic():
        state.db.conn.executemany(
            "INSERT INTO gaps (session_id, start_sample, end_sample, reason, noted_at) VALUES (1, ?, ?, 'overflow', ?)",
            [
                (int(begin * SAMPLE_RATE), int((begin + length) * SAMPLE_RATE), NOON + begin + length + noted_after)
                for begin, length in found
            ],
        )


def told(state: State, since: float, until: float) -> dict[str, Any]:
    return happened(state.db, NOON + since, NOON + until)


def test_an_outage_before_many_newer_gaps_is_found_at_its_time(state: State) -> None:
    gaps(state, (0.0, 100.0), *((HOUR + second, 0.01) for second in range(MAX_ROWS + 1)))
    found = told(state, 0, 200)
    assert [gap["seconds"] for gap in found["gaps"]] == [100.0]
    assert (found["totals"]["gaps"], found["totals"]["gap_seconds"]) == (1, pytest.approx(100.0))


def test_of_too_many_gaps_the_longest_come_and_all_of_them_count(state: State) -> None:
    gaps(state, (0.0, 100.0), *((HOUR + second, 0.01) for second in range(MAX_ROWS + 1)))
    found = told(state, -HOUR, 24 * HOUR)
    assert (len(found["gaps"]), found["gaps"][0]["seconds"]) == (MAX_ROWS, 100.0)
    starts = [gap["started_at"] for gap in found["gaps"]]
    assert starts == sorted(starts)
    assert found["totals"]["gaps"] == MAX_ROWS + 2
    assert found["totals"]["gap_seconds"] == pytest.approx(100 + 0.01 * (MAX_ROWS + 1))


def test_what_was_lost_counts_with_its_part_of_the_time(state: State) -> None:
    gaps(state, (0.0, 100.0))
    assert told(state, 90, 200)["totals"]["gap_seconds"] == pytest.approx(10.0)
    assert told(state, -50, 40)["totals"]["gap_seconds"] == pytest.approx(40.0)
    assert told(state, 20, 30)["totals"]["gap_seconds"] == pytest.approx(10.0)


def test_a_gap_has_the_time_of_the_newest_anchor_before_it(state: State) -> None:
    anchor(state, 0.0, NOON)
    anchor(state, 60.0, NOON + 61.0)
    anchor(state, 120.0, NOON + 500.0)
    gaps(state, (10.0, 1.0), (60.0, 1.0), (90.0, 1.0), noted_after=7.0)
    assert [gap["started_at"] - NOON for gap in told(state, 0, 400)["gaps"]] == [10.0, 61.0, 91.0]


def test_without_an_anchor_a_gap_ends_when_it_was_noted(state: State) -> None:
    gaps(state, (10.0, 1.0), noted_after=7.0)
    assert [gap["started_at"] - NOON for gap in told(state, 0, 400)["gaps"]] == [17.0]


def test_a_time_without_anything_has_totals_of_nothing(state: State) -> None:
    found = told(state, -HOUR, -HOUR / 2)
    assert found == {
        "gaps": [],
        "sessions": [],
        "events": [],
        "totals": {"gaps": 0, "gap_seconds": 0.0, "sessions": 0, "events": 0},
    }


def test_of_too_many_events_the_newest_come_and_all_of_them_count(state: State) -> None:
    with state.db.atomic():
        state.db.conn.executemany(
            "INSERT INTO events (session_id, noted_at, kind, detail) VALUES (1, ?, 'health', 'x')",
            [(NOON + second,) for second in range(MAX_ROWS + 5)],
        )
    found = told(state, 0, HOUR)
    assert (found["totals"]["events"], len(found["events"])) == (MAX_ROWS + 5, MAX_ROWS)
    assert (found["events"][0]["at"], found["events"][-1]["at"]) == (NOON + 5, NOON + MAX_ROWS + 4)


def test_a_day_of_one_gap_a_second_is_told_in_one_pass(state: State) -> None:
    for minute in range(24 * 60):
        anchor(state, 60.0 * minute, NOON + 60.0 * minute)
    gaps(state, *((float(second), 0.5) for second in range(86_400)))
    seen = 0

    def step() -> int:
        nonlocal seen
        seen += 1
        return 0

    state.db.conn.set_progress_handler(step, 1000)
    assert told(state, 0, 24 * HOUR)["totals"]["gaps"] == 86_400
    # To go through the anchors for each gap takes 60 million rows, and some steps for each.
    assert seen < 30_000, seen
