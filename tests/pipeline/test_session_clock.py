import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.audio import Span
from voicebridge.pipeline.session_clock import SessionClock


class Clocks:
    """A ring's mark, a monotonic and a wall clock that the test moves."""

    def __init__(self) -> None:
        self.written = (0, 100.0)
        self.monotonic = 100.0
        self.realtime = 1_000_000.0

    def mark(self) -> tuple[int, float]:
        return self.written

    def advance(self, seconds: float, samples: int) -> None:
        self.monotonic += seconds
        self.realtime += seconds
        self.written = (self.written[0] + samples, self.monotonic)


def session_clock(clocks: Clocks, paced: bool = True) -> SessionClock:
    return SessionClock(clocks, paced, 60.0, lambda: clocks.monotonic, lambda: clocks.realtime)


def test_before_the_first_anchor_time_runs_from_the_session_start() -> None:
    assert session_clock(Clocks()).wall(16_000) == 1_000_001.0


def test_the_first_audio_sets_an_anchor() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clocks.advance(2.0, 320)  # the device took two seconds to begin
    anchor = clock.renew_if_due()
    assert anchor is not None
    assert anchor.sample_index == 320
    assert clock.wall(320) == 1_000_002.0
    assert clock.monotonic_of(320 + 16_000) == 103.0


def test_anchors_are_renewed_every_minute_and_follow_the_device_clock() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    assert clock.renew_if_due() is not None
    clocks.advance(59.0, 59 * 16_000)
    assert clock.renew_if_due() is None
    clocks.advance(1.0, 16_100)  # a device that runs fast
    anchor = clock.renew_if_due()
    assert anchor is not None
    assert clock.wall(anchor.sample_index) == 1_000_060.0


def test_a_step_of_the_wall_clock_does_not_move_the_monotonic_time() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clock.renew_if_due()
    clocks.realtime += 3600
    clocks.advance(60.0, 60 * 16_000)
    clock.renew()
    assert clock.monotonic_of(60 * 16_000) == 160.0
    assert clock.wall(60 * 16_000) == 1_003_660.0
    assert clock.wall(0) == 1_000_000.0


@pytest.mark.parametrize("step", [3600.0, -3600.0, 0.6])
def test_audio_after_a_step_of_the_wall_clock_has_its_time_within_a_second(step: float) -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clock.renew_if_due()
    clocks.advance(0.5, 8_000)
    clocks.realtime += step  # set by NTP, or a machine that was suspended
    assert clock.renew_if_due() is None
    clocks.advance(0.5, 8_000)
    anchor = clock.renew_if_due()
    assert anchor is not None
    assert anchor.realtime_seconds == 1_000_001.0 + step
    assert clock.wall(16_000 + 320) == 1_000_001.02 + step
    clocks.advance(1.0, 16_000)
    assert clock.renew_if_due() is None


def test_a_slow_drift_of_the_wall_clock_waits_for_the_minute() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clock.renew_if_due()
    clocks.realtime += 0.4
    clocks.advance(30.0, 30 * 16_000)
    assert clock.renew_if_due() is None


def test_an_unpaced_source_has_the_time_at_which_it_is_heard_and_no_monotonic_time() -> None:
    clocks = Clocks()
    clock = session_clock(clocks, paced=False)
    clocks.advance(0.01, 16_000 * 3600)
    assert clock.renew_if_due() is None
    assert clock.wall(16_000 * 3600) == 1_000_000.01
    assert clock.monotonic_of(0) is None


def test_an_utterance_of_a_paced_source_lasts_as_long_as_its_audio() -> None:
    clocks = Clocks()
    assert session_clock(clocks).wall_of_end(1_000_001.0, Span(16_000, 48_000)) == 1_000_003.0


def test_an_utterance_of_an_unpaced_source_does_not_end_before_it_began() -> None:
    clocks = Clocks()
    clock = session_clock(clocks, paced=False)
    clocks.realtime -= 3600
    assert clock.wall_of_end(1_000_000.0, Span(0, 48_000)) == 1_000_000.0


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10**6)), min_size=1, max_size=20))
def test_wall_times_of_an_unpaced_source_never_decrease_and_never_lie_in_the_future(
    heard: list[tuple[float, int]],
) -> None:
    clocks = Clocks()
    clock = session_clock(clocks, paced=False)
    before = clocks.realtime
    for seconds, samples in heard:
        start = clocks.written[0]
        clocks.advance(seconds, samples)
        started_at = clock.wall(start)
        ended_at = clock.wall_of_end(started_at, Span(start, start + samples))
        assert before <= started_at <= ended_at <= clocks.realtime
        before = ended_at


def test_audio_from_before_the_clock_was_made_has_its_true_time() -> None:
    clocks = Clocks()
    clocks.advance(1.0, 16_000)  # the source has run for a second already
    clock = session_clock(clocks)
    clocks.advance(0.5, 8_000)
    clock.renew_if_due()
    assert clock.first_sample_monotonic == 100.0
    assert clock.monotonic_of(0) == 100.0
    assert clock.wall(8_000) == 1_000_000.5


def test_audio_after_a_long_outage_has_an_anchor_at_once() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clock.renew_if_due()
    clocks.advance(5.0, 5 * 16_000)
    anchor = clock.renew_after_gap()
    assert anchor is not None
    assert anchor.sample_index == 5 * 16_000
    assert clock.put_off == 0


def test_gaps_at_every_block_get_one_anchor_a_second() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    taken = [clock.renew_if_due()]
    for _ in range(100):
        clocks.advance(0.125, 1600)  # a fifth of it is lost, and the index does not know
        taken += [clock.renew_after_gap(), clock.renew_if_due()]
    anchors = [anchor for anchor in taken if anchor is not None]
    assert len(anchors) == 1 + 100 // 8
    assert clock.put_off == 100 - 100 // 8
    assert clock.put_off > 0


def test_an_anchor_that_is_owed_since_a_gap_comes_within_a_second() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clock.renew_if_due()
    clocks.advance(0.5, 8_000)
    assert clock.renew_after_gap() is None
    clocks.advance(0.25, 4_000)
    assert clock.renew_if_due() is None
    clocks.advance(0.25, 4_000)
    assert clock.renew_if_due() is not None
    clocks.advance(2.0, 32_000)
    assert clock.renew_if_due() is None


def test_how_often_anchors_come_may_be_changed() -> None:
    clocks = Clocks()
    clock = session_clock(clocks)
    clock.renew_if_due()
    clock.anchor_seconds = 10.0
    clocks.advance(10.0, 160_000)
    assert clock.renew_if_due() is not None
