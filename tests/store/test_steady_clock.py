"""The time that retention goes by: a clock that jumps ahead deletes nothing before its time."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clocks import Clock
from tests.fakes.utterances import NOON
from voicebridge.store.steady_clock import DOUBT_SECONDS, NAME, TOLERANCE_SECONDS, RetentionClock, Trusted, stepped

HOUR, DAY = 3600.0, 86_400.0
YEAR = 365 * DAY


@pytest.mark.parametrize("drift", [0.0, 30.0, -30.0, TOLERANCE_SECONDS])
def test_a_clock_that_keeps_time_is_believed(drift: float) -> None:
    assert stepped(Trusted(NOON), NOON + 60 + drift, 60) == Trusted(NOON + 60 + drift)


@pytest.mark.parametrize("jump", [TOLERANCE_SECONDS + 1, DAY, YEAR])
def test_a_clock_that_jumps_ahead_is_doubted_and_time_goes_on_without_it(jump: float) -> None:
    assert stepped(Trusted(NOON), NOON + 60 + jump, 60) == Trusted(NOON + 60, doubted_seconds=60)


def test_a_clock_that_stays_ahead_for_a_day_is_believed() -> None:
    trusted = Trusted(NOON)
    for hour in range(1, 24):
        trusted = stepped(trusted, NOON + YEAR + hour * HOUR, HOUR)
        assert trusted == Trusted(NOON + hour * HOUR, hour * HOUR)
    assert stepped(trusted, NOON + YEAR + DAY, HOUR) == Trusted(NOON + YEAR + DAY)


def test_a_clock_that_comes_back_is_believed_at_once() -> None:
    doubted = stepped(Trusted(NOON), NOON + YEAR, HOUR)
    assert stepped(doubted, NOON + 2 * HOUR, HOUR) == Trusted(NOON + 2 * HOUR)


@pytest.mark.parametrize("jump", [-HOUR, -YEAR])
def test_a_clock_that_falls_behind_is_believed(jump: float) -> None:
    assert stepped(Trusted(NOON), NOON + jump, 60) == Trusted(NOON + jump)


@settings(max_examples=100, deadline=None)
@given(
    walls=st.lists(st.tuples(st.floats(0, 7200), st.floats(-2 * YEAR, 2 * YEAR)), max_size=12),
)
def test_no_jump_of_less_than_a_day_moves_retention_ahead(walls: list[tuple[float, float]]) -> None:
    """Twelve steps of two hours at most: whatever the clock says, it is never believed to be later than it can be."""
    trusted, true = Trusted(NOON), NOON
    for elapsed, offset in walls:
        true += elapsed
        trusted = stepped(trusted, true + offset, elapsed)
        assert trusted.wall_seconds <= true + len(walls) * TOLERANCE_SECONDS
        assert trusted.doubted_seconds < DOUBT_SECONDS


def test_what_is_believed_survives_a_restart(tmp_path: Path) -> None:
    wall, elapsed = Clock(NOON), Clock()
    RetentionClock(tmp_path, wall, elapsed).save()
    wall.pass_(YEAR)
    after = RetentionClock(tmp_path, wall, elapsed)
    elapsed.pass_(HOUR)
    wall.pass_(HOUR)
    assert after.now() == NOON + HOUR
    assert after.ahead_seconds == YEAR


def test_a_day_of_doubt_may_be_in_pieces(tmp_path: Path) -> None:
    wall, elapsed = Clock(NOON), Clock()
    RetentionClock(tmp_path, wall, elapsed).save()
    wall.pass_(YEAR)
    for _ in range(3):
        clock = RetentionClock(tmp_path, wall, elapsed)
        elapsed.pass_(8 * HOUR)
        wall.pass_(8 * HOUR)
        now = clock.now()
        clock.save()
    assert now == NOON + YEAR + DAY
    assert clock.ahead_seconds == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"wall_seconds": "late"}', '{"wall_seconds": null}', "\x00"])
def test_without_a_file_that_makes_sense_the_wall_clock_is_believed(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    assert RetentionClock(tmp_path, lambda: NOON, lambda: 0.0).now() == NOON


def test_a_disk_that_refuses_the_file_is_of_no_concern(tmp_path: Path) -> None:
    RetentionClock(tmp_path / "missing", lambda: NOON, lambda: 0.0).save()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    RetentionClock(tmp_path, lambda: NOON, lambda: 0.0).save()
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [(NAME, 0o600)]
