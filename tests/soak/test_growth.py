import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.soak.records import Numbers, ar1, memory
from voicebridge_bench.soak.growth import Bins, Growth, Life, Limit, Told, autocorrelation, binned, grown, theil_sen

HOURS: Numbers = np.arange(0, 8, 60 / 3600)
LIMIT = Limit(50.0, 1.0)
seeds = st.integers(0, 10_000)
modest = settings(max_examples=15, deadline=None)


def noise(seed: int, hours: Numbers = HOURS, deviation: float = 60.0) -> Numbers:
    return ar1(np.random.default_rng(seed), len(hours), float(hours[1] - hours[0]), 1 / 6, deviation)


def of(values: Numbers, hours: Numbers = HOURS, limit: Limit = LIMIT) -> Growth:
    return grown([Life(hours, values)], limit)


def ends(growth: Growth) -> list[float]:
    found = [growth.per_hour, growth.low, growth.high]
    return [number for number in found if number is not None]


@modest
@given(seeds, st.floats(-1e6, 1e6), st.floats(-100, 100))
def test_where_a_series_begins_changes_nothing(seed: int, up: float, later: float) -> None:
    values = noise(seed)
    moved = grown([Life(HOURS + later, values + up)], LIMIT)
    assert ends(moved) == pytest.approx(ends(of(values)), rel=1e-6, abs=1e-4)


@modest
@given(seeds, st.floats(0.01, 1000))
def test_scaling_a_series_scales_its_slope_and_its_interval(seed: int, factor: float) -> None:
    values = noise(seed)
    assert ends(of(factor * values)) == pytest.approx([factor * end for end in ends(of(values))], rel=1e-6)


@modest
@given(seeds, st.floats(-500, 500))
def test_a_drift_adds_itself_to_the_slope(seed: int, drift: float) -> None:
    bins = binned([Life(HOURS, noise(seed))], 1.0)
    drifting = Bins(bins.hours, bins.values + drift * bins.hours, bins.life)
    assert theil_sen(drifting) == pytest.approx(theil_sen(bins) + drift, abs=1e-6)


@modest
@given(seeds)
def test_a_series_upside_down_has_the_opposite_slope(seed: int) -> None:
    values = noise(seed)
    assert ends(of(-values))[0] == pytest.approx(-ends(of(values))[0], abs=1e-6)


@modest
@given(seeds)
def test_the_order_of_bins_does_not_matter_to_the_slope(seed: int) -> None:
    bins = binned([Life(HOURS, noise(seed) + 30 * HOURS)], 1.0)
    mixed = np.random.default_rng(seed).permutation(len(bins.hours))
    rank = np.argsort(bins.hours[mixed])
    again = Bins(bins.hours[mixed][rank], bins.values[mixed][rank], bins.life[mixed][rank])
    assert theil_sen(again) == theil_sen(bins)


@modest
@given(seeds, st.floats(-1e9, 1e9))
def test_a_tenth_of_wild_readings_does_not_carry_the_slope_away(seed: int, wild: float) -> None:
    values = noise(seed)
    struck = np.random.default_rng(seed).random(len(values)) < 0.1
    assert abs(ends(of(np.where(struck, wild, values)))[0]) < 60.0


@modest
@given(seeds)
def test_the_slope_lies_in_its_interval(seed: int) -> None:
    slope, low, high = ends(of(noise(seed)))
    assert low <= slope <= high


def test_intervals_of_95_percent_hold_the_truth_in_at_least_52_of_60() -> None:
    held = 0
    for seed in range(60):
        _, low, high = ends(of(noise(seed) + 30 * HOURS))
        held += low <= 30 <= high
    assert held >= 52


def test_blocks_are_longer_where_the_noise_is_slower() -> None:
    quick = ar1(np.random.default_rng(1), len(HOURS), 1 / 60, 1 / 60, 60.0)
    slow = ar1(np.random.default_rng(1), len(HOURS), 1 / 60, 0.5, 60.0)
    assert of(slow).block_bins > of(quick).block_bins


def test_what_is_left_of_a_straight_line_by_rounding_is_no_noise() -> None:
    assert autocorrelation(np.zeros(50)) == 0.0
    growth = of(7.0 * HOURS)
    assert ends(growth) == pytest.approx([7.0, 7.0, 7.0])
    assert growth.told is Told.WITHIN


def test_a_growth_above_the_bound_by_its_whole_interval_is_told() -> None:
    assert of(noise(1) + 150 * HOURS).told is Told.ABOVE


def test_a_growth_at_the_bound_is_uncertain() -> None:
    assert of(noise(1) + 50 * HOURS).told is Told.UNCERTAIN


def test_a_short_run_is_uncertain_however_quiet_it_is() -> None:
    hours = np.arange(0, 1 / 12, 1 / 3600)
    assert of(np.zeros(len(hours)), hours).told is Told.UNCERTAIN


def test_too_few_readings_give_no_slope() -> None:
    hours = np.arange(0, 8, 0.2)
    growth = of(np.zeros(len(hours)), hours)
    assert (growth.told, growth.per_hour, growth.tellable_per_hour) == (Told.UNCERTAIN, None, None)


@pytest.mark.parametrize("lives", [[], [Life(np.array([]), np.array([]))], [Life(np.full(500, 2.0), np.zeros(500))]])
def test_nothing_to_look_at_is_uncertain(lives: list[Life]) -> None:
    assert grown(lives, LIMIT).told is Told.UNCERTAIN


def test_a_count_whose_growth_would_not_show_one_step_is_never_within() -> None:
    assert of(np.full(len(HOURS), 31.0), limit=Limit(0.1, 1.0)).told is Told.UNCERTAIN
    assert of(np.full(len(HOURS), 31.0), limit=Limit(0.25, 1.0)).told is Told.WITHIN


def test_the_settling_of_a_young_process_is_no_leak() -> None:
    hours = np.arange(0, 1 / 12, 1 / 3600)
    young = -6e6 * np.exp(-hours * 6)
    assert of(young, hours, Limit(50e3, 4096)).told is Told.ABOVE
    assert of(young, hours, Limit(50e3, 4096, settling=8e6)).told is Told.UNCERTAIN


@pytest.mark.parametrize(("pace", "told"), [(1.0, Told.WITHIN), (20.0, Told.UNCERTAIN)])
def test_a_process_settles_by_the_clock_however_fast_its_load_goes_by(pace: float, told: Told) -> None:
    clock = np.arange(0, 8 / pace, 10 / 3600)
    growth = grown([Life(clock * pace, -6e6 * np.exp(-clock * 6))], Limit(50e3, 4096, settling=12e6), pace)
    assert growth.told is told


def test_lives_of_a_process_are_judged_together_and_their_beginnings_left_out() -> None:
    hours = np.arange(0, 2, 60 / 3600)
    chance = np.random.default_rng(5)
    lives = [Life(hours + 2 * life, memory(chance, hours) + 1e7 * life + 300e3 * hours) for life in range(4)]
    growth = grown(lives, Limit(50e3, 4096))
    assert growth.told is Told.ABOVE
    assert growth.judged_hours == pytest.approx(4 * 1.6, rel=0.1)


def test_the_smallest_slope_that_can_be_told_is_told_19_times_in_20() -> None:
    least = of(noise(100)).tellable_per_hour
    assert least is not None
    found = [of(noise(seed) + least * HOURS).told is Told.ABOVE for seed in range(40)]
    assert sum(found) >= 36


def test_the_same_series_is_judged_the_same_again() -> None:
    assert of(noise(3)) == of(noise(3))
