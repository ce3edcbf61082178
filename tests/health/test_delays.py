import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clocks import Clock
from voicebridge.health.checkpoint import Delay
from voicebridge.health.delays import LATELY_MOST, LONGEST_MS, Delays


def test_without_utterances_there_is_no_delay() -> None:
    assert Delays().snapshot([]) == (Delay(0, 0, None, None, None, None),) * 2


def test_an_interval_begins_anew_and_the_session_goes_on() -> None:
    delays = Delays()
    for delay_ms in (100, 200, 300):
        delays.settled(delay_ms)
    assert delays.snapshot([])[0] == Delay(3, 0, 200, 300, 300, 300)
    delays.settled(1000)
    interval, session = delays.snapshot([])
    assert (interval.count, interval.p50, interval.max) == (1, 1000, 1000)
    assert (session.count, session.p50, session.max) == (4, 200, 1000)


def test_the_last_hour_forgets_what_a_long_session_remembers() -> None:
    clock = Clock()
    delays = Delays(clock)
    for delay_ms in range(100, 2001, 100):
        delays.settled(delay_ms)
    assert delays.lately([]) == Delay(20, 0, 1000, 1900, 2000, 2000)
    clock.pass_(3601)
    assert delays.lately([]) == Delay(0, 0, None, None, None, None)
    delays.settled(300)
    assert delays.lately([60_000]) == Delay(2, 1, 300, 60_000, 60_000, 60_000)
    assert delays.session([]).count == 21


def test_what_is_remembered_of_an_hour_is_bounded() -> None:
    delays = Delays(Clock())
    for _ in range(LATELY_MOST + 10):
        delays.settled(100)
    assert delays.lately([]).count == LATELY_MOST


def test_an_engine_that_stands_still_makes_the_delay_grow_although_nothing_is_settled() -> None:
    delays = Delays()
    for _ in range(20):
        delays.settled(100)
    delays.snapshot([])
    interval, session = delays.snapshot([60_000, 50_000])
    assert (interval.count, interval.still_waiting) == (2, 2)
    assert interval.max == pytest.approx(60_000, rel=0.001)
    assert session.max == pytest.approx(60_000, rel=0.001)
    assert session.p99 == pytest.approx(60_000, rel=0.001)


def test_what_waited_counts_once_when_it_is_settled() -> None:
    delays = Delays()
    delays.snapshot([5000])
    delays.settled(9000)
    interval, session = delays.snapshot([])
    assert (interval.count, session.count) == (1, 1)
    assert session.max == pytest.approx(9000, rel=0.001)


def test_delays_beyond_a_day_and_below_nothing_count_as_the_nearest() -> None:
    delays = Delays()
    delays.settled(-3)
    delays.settled(2.0 * LONGEST_MS)
    interval, _ = delays.snapshot([])
    assert interval.count == 2
    assert interval.max == pytest.approx(LONGEST_MS, rel=0.001)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100_000), min_size=1, max_size=50), st.lists(st.floats(0, 100_000), max_size=20))
def test_percentiles_are_those_of_all_to_a_thousandth(settled: list[float], waiting: list[float]) -> None:
    delays = Delays()
    for delay_ms in settled:
        delays.settled(delay_ms)
    interval, session = delays.snapshot(waiting)
    every = sorted(round(value) for value in settled + waiting)
    assert interval == session
    assert interval.count == len(every)
    assert interval.max == pytest.approx(every[-1], rel=0.001, abs=1)
    assert interval.p50 is not None
    assert every[0] * 0.999 - 1 <= interval.p50 <= every[-1] * 1.001 + 1
    at_most = sum(value <= interval.p50 for value in every)
    assert at_most >= len(every) / 2


def test_asking_for_the_session_leaves_the_interval_alone() -> None:
    delays = Delays()
    delays.settled(100)
    assert delays.session([500]).count == 2
    assert delays.session([]).count == 1
    assert delays.snapshot([])[0].count == 1


@given(st.lists(st.integers(0, 90_000_000), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_histogram(delays_ms: list[int]) -> None:
    delays, reference = Delays(), HdrHistogram(1, LONGEST_MS, 3)
    for delay_ms in delays_ms:
        delays.settled(delay_ms)
        reference.record_value(min(delay_ms, LONGEST_MS))
    told, _ = delays.snapshot([])
    found = reference.get_percentile_to_value_dict([50, 95, 99])
    assert (told.p50, told.p95, told.p99) == (found[50], found[95], found[99])
