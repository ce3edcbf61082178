"""The measuring core, on made-up times."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.runs import stepping
from voicebridge_bench.components.measure import (
    median_interval,
    needed,
    ratio_of,
    shares,
    summarise,
    thinned,
)


def _rounds(
    generator: np.random.Generator, median: float = 1.0, count: int = 8, drift: float = 0.1
) -> list[list[float]]:
    """Return rounds that differ from each other by more than their samples do, as on a machine with other work."""
    return [
        [float(x) for x in median * np.exp(generator.normal(0, drift) + generator.normal(0, 0.02, 25))]
        for _ in range(count)
    ]


def test_what_timing_costs_is_taken_off() -> None:
    # The clock moves 50 ns while an empty call is timed.
    watch = stepping([50])
    assert watch.overhead_seconds == pytest.approx(50e-9)
    assert watch.seconds(lambda: None) == 0.0


def test_a_call_takes_what_the_clock_says_less_the_overhead() -> None:
    now = [0]

    def clock() -> int:
        now[0] += 50
        return now[0]

    from voicebridge_bench.components.measure import Stopwatch

    watch = Stopwatch(clock)

    def work() -> None:
        now[0] += 2000

    assert watch.seconds(work) == pytest.approx(2000e-9)


@pytest.mark.parametrize(("percentile", "samples"), [(50, 2), (95, 20), (99, 100)])
def test_a_percentile_needs_a_sample_beyond_it(percentile: int, samples: int) -> None:
    assert needed(percentile) == samples
    name = f"p{percentile}"
    enough = summarise([[float(x) for x in range(samples)]])
    too_few = summarise([[float(x) for x in range(samples - 1)]])
    assert enough.percentiles[name] is not None
    assert too_few.percentiles[name] is None
    assert str(samples) in too_few.withheld[name]


def test_percentiles_and_spread_are_those_of_all_samples() -> None:
    summary = summarise([[float(x) for x in range(1, 51)], [float(x) for x in range(51, 102)]])
    assert summary.count == 101
    assert summary.percentiles == {"p50": 51.0, "p95": 96.0, "p99": 100.0}
    assert summary.iqr == 50.0
    assert (summary.minimum, summary.maximum, summary.mean) == (1.0, 101.0, 51.0)


def test_few_rounds_give_no_interval_and_say_so() -> None:
    summary = summarise([[1.0, 2.0], [1.5, 2.5]])
    assert summary.median_interval is None
    assert "2 rounds" in summary.withheld["median_interval"]


def test_the_interval_of_the_median_holds_the_median() -> None:
    rounds = _rounds(np.random.default_rng(3))
    found = median_interval(rounds)
    assert found is not None
    assert 0 < found[0] < float(np.median(np.concatenate(rounds))) < found[1]


def test_the_interval_of_the_median_is_right_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    intervals = [median_interval(_rounds(generator)) for _ in range(60)]
    right = sum(1 for found in intervals if found is not None and found[0] <= 1.0 <= found[1])
    # 57 of 60 is 95 %; a bootstrap over samples is right about a third of the time here.
    assert right >= 53


def test_times_of_nothing_have_an_interval_of_nothing() -> None:
    found = median_interval([[0.0, 0.0]] * 4)
    assert found is not None
    assert max(found) < 1e-6


def test_equal_machines_are_seldom_called_different() -> None:
    generator = np.random.default_rng(5)
    ratios = [ratio_of(_rounds(generator), _rounds(generator), 0.99).interval for _ in range(80)]
    alarms = sum(1 for found in ratios if found is not None and not found[0] <= 1 <= found[1])
    # At 99 %, 0.8 are expected; more than 4 would come once in 500 suites.
    assert alarms <= 4


def test_a_slow_down_beyond_what_rounds_differ_by_is_seen() -> None:
    generator = np.random.default_rng(6)
    for _ in range(20):
        found = ratio_of(_rounds(generator, drift=0.02), _rounds(generator, 1.3, drift=0.02), 0.99)
        assert found.estimate == pytest.approx(1.3, rel=0.1)
        assert found.interval is not None
        assert found.interval[0] > 1.1


def test_a_ratio_and_its_inverse_have_inverse_intervals() -> None:
    a, b = _rounds(np.random.default_rng(7)), _rounds(np.random.default_rng(8), 1.2)
    there, back = ratio_of(a, b, 0.95), ratio_of(b, a, 0.95)
    assert there.interval is not None
    assert back.interval is not None
    assert there.interval[0] == pytest.approx(1 / back.interval[1], rel=0.05)


def test_one_round_gives_a_ratio_without_an_interval() -> None:
    assert ratio_of([[1.0, 1.0]], [[2.0, 2.0]], 0.99).interval is None


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5000))
def test_iterations_are_divided_evenly_and_none_is_lost(iterations: int) -> None:
    plan = shares(iterations)
    assert sum(plan) == iterations
    assert max(plan) - min(plan) <= 1
    assert len(plan) == min(8, iterations)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), min_size=1, max_size=8), st.integers(8, 100))
def test_thinned_rounds_keep_their_extremes_and_their_bound(rounds: list[list[float]], most: int) -> None:
    kept = thinned(rounds, most)
    assert len(kept) == len(rounds)
    assert sum(len(one) for one in kept) <= max(most, len(rounds))
    for before, after in zip(rounds, kept, strict=True):
        assert set(after) <= set(before)
        if len(after) >= 2:
            assert (min(after), max(after)) == (min(before), max(before))
