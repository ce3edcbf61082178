"""When faults are made: drawn beforehand, and the same again from the same seed."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge_bench.soak.profiles import PROFILES
from voicebridge_bench.soak.trouble import BY_KIND, CALM_SECONDS, LAST_CALM_SECONDS, WARM_UP_SECONDS, schedule

FAULTS = PROFILES["chaos"].faults


def test_the_same_seed_makes_the_same_faults() -> None:
    assert schedule(FAULTS, 5, 1800) == schedule(FAULTS, 5, 1800)
    assert schedule(FAULTS, 5, 1800) != schedule(FAULTS, 6, 1800)


def test_each_kind_comes_once_before_any_comes_again() -> None:
    kinds = [fault.kind for fault in schedule(FAULTS, 1, 1800)]
    assert set(kinds[: len(BY_KIND)]) == set(BY_KIND)
    assert len(kinds) > len(BY_KIND)


def test_a_profile_without_faults_makes_none() -> None:
    assert schedule(PROFILES["office"].faults, 1, 28_800) == []


def test_a_soak_that_is_too_short_has_no_fault() -> None:
    assert schedule(FAULTS, 1, 30) == []


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), duration=st.floats(10, 20_000))
def test_there_is_calm_before_between_and_after(seed: int, duration: float) -> None:
    planned = schedule(FAULTS, seed, duration)
    for fault in planned:
        assert fault.at >= WARM_UP_SECONDS
        assert fault.at + fault.seconds + fault.allowance_seconds + LAST_CALM_SECONDS <= duration
        least, most = BY_KIND[fault.kind].seconds
        assert least <= fault.seconds <= most
    for before, after in pairwise(planned):
        assert after.at - before.at - before.seconds >= CALM_SECONDS[0]
