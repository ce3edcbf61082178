"""Wall time is derived from the sample index through anchors."""

from hypothesis import given
from hypothesis import strategies as st

from voicebridge.domain.timeline import Anchor, Timeline

FIRST = Anchor(0, 100.0, 1_000_000.0)


def test_time_runs_on_from_an_anchor_at_the_nominal_rate() -> None:
    timeline = Timeline(FIRST)
    assert timeline.monotonic_seconds(16_000) == 101.0
    assert timeline.realtime_seconds(8_000) == 1_000_000.5


def test_the_newest_anchor_before_an_index_counts() -> None:
    timeline = Timeline(FIRST)
    timeline.add(Anchor(16_000, 101.5, 1_000_001.5))
    assert timeline.monotonic_seconds(15_999) < 101.0
    assert timeline.monotonic_seconds(16_000) == 101.5
    assert timeline.realtime_seconds(32_000) == 1_000_002.5


def test_a_step_of_the_wall_clock_leaves_earlier_audio_where_it_was() -> None:
    timeline = Timeline(FIRST)
    before = timeline.realtime_seconds(8_000)
    timeline.add(Anchor(16_000, 101.0, 2_000_000.0))
    assert timeline.realtime_seconds(8_000) == before
    assert timeline.realtime_seconds(16_000) == 2_000_000.0


def test_an_anchor_at_or_before_the_newest_replaces_it() -> None:
    timeline = Timeline(FIRST)
    timeline.add(Anchor(32_000, 102.0, 1_000_002.0))
    timeline.add(Anchor(16_000, 105.0, 1_000_005.0))
    assert timeline.newest == Anchor(16_000, 105.0, 1_000_005.0)
    assert timeline.monotonic_seconds(32_000) == 106.0


def test_before_the_first_anchor_time_runs_backwards_from_it() -> None:
    assert Timeline(Anchor(16_000, 100.0, 50.0)).monotonic_seconds(0) == 99.0


def test_only_the_newest_anchors_are_kept() -> None:
    timeline = Timeline(FIRST, capacity=3)
    for minute in range(1, 10):
        timeline.add(Anchor(minute * 16_000, 100.0 + 2 * minute, 0.0))
    assert timeline.monotonic_seconds(7 * 16_000) == 114.0
    # The anchor of index 6 s is forgotten: its time is derived from the oldest that is left.
    assert timeline.monotonic_seconds(6 * 16_000) == 113.0


@given(st.lists(st.integers(1, 10_000), max_size=30), st.integers(0, 400_000))
def test_with_a_perfect_clock_anchors_change_nothing(steps: list[int], sample_index: int) -> None:
    timeline, index = Timeline(FIRST), 0
    for step in steps:
        index += step
        timeline.add(Anchor(index, 100.0 + index / 16_000, 1_000_000.0 + index / 16_000))
    assert abs(timeline.monotonic_seconds(sample_index) - (100.0 + sample_index / 16_000)) < 1e-6
