import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.pipeline.decode_pace import DecodePace, is_worthwhile


def pace_of(*decodes: tuple[float, float]) -> DecodePace:
    pace = DecodePace()
    for audio_seconds, decode_seconds in decodes:
        pace.note(audio_seconds, decode_seconds)
    return pace


def test_before_the_first_decode_nothing_is_known() -> None:
    assert DecodePace().expected_seconds(3.0) is None


def test_a_time_in_proportion_is_learnt() -> None:
    pace = pace_of(*[(seconds, 0.2 * seconds) for seconds in (1.0, 4.0, 2.0, 8.0)])
    assert pace.expected_seconds(5.0) == pytest.approx(1.0)


def test_a_time_that_is_always_the_same_is_learnt() -> None:
    pace = pace_of(*[(seconds, 0.5) for seconds in (1.0, 4.0, 2.0, 8.0)])
    assert pace.expected_seconds(20.0) == pytest.approx(0.5)
    assert pace.expected_seconds(0.5) == pytest.approx(0.5)


def test_a_fixed_part_and_one_in_proportion_are_told_apart() -> None:
    pace = pace_of(*[(seconds, 0.3 + 0.1 * seconds) for seconds in (1.0, 4.0, 2.0, 8.0)])
    assert pace.expected_seconds(6.0) == pytest.approx(0.9)


def test_after_decodes_of_one_length_longer_audio_is_expected_to_take_longer_and_shorter_as_long() -> None:
    pace = pace_of((2.0, 0.4), (2.0, 0.4))
    assert pace.expected_seconds(8.0) == pytest.approx(1.6)
    assert pace.expected_seconds(1.0) == pytest.approx(0.4)


def test_a_machine_that_becomes_slower_is_noticed_within_some_decodes() -> None:
    pace = pace_of(*[(2.0, 0.2)] * 50, *[(2.0, 2.0)] * 15)
    expected = pace.expected_seconds(2.0)
    assert expected is not None
    assert expected > 1.5


def test_more_audio_is_never_expected_to_take_less() -> None:
    pace = pace_of((1.0, 2.0), (8.0, 0.5))
    assert pace.expected_seconds(1.0) == pace.expected_seconds(8.0)


def test_decodes_of_no_audio_tell_nothing_of_audio() -> None:
    assert pace_of((0.0, 0.1)).expected_seconds(5.0) == pytest.approx(0.1)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 28), st.floats(0, 60)), min_size=1, max_size=20),
    st.floats(0.1, 28),
    st.floats(0.1, 28),
)
def test_it_is_finite_not_negative_and_grows_with_the_audio(
    decodes: list[tuple[float, float]], one: float, other: float
) -> None:
    pace = pace_of(*decodes)
    shorter, longer = pace.expected_seconds(min(one, other)), pace.expected_seconds(max(one, other))
    assert shorter is not None
    assert longer is not None
    assert 0 <= shorter <= longer + 1e-9 < float("inf")


@pytest.mark.parametrize(
    ("expected_seconds", "ordered_with_seconds", "left_seconds", "worthwhile"),
    [
        (None, 0.5, 0.5, True),
        (1.5, 0.5, 0.5, True),
        (1.51, 0.5, 0.5, False),
        (1.5, 0.5, 0.01, True),  # it waited behind a partial: begun now it is still there sooner than begun later
        (0.1, 0.5, 0.0, False),
        (None, 0.5, -1.0, False),
    ],
)
def test_a_speculative_decode_is_worthwhile(
    expected_seconds: float | None, ordered_with_seconds: float, left_seconds: float, worthwhile: bool
) -> None:
    assert is_worthwhile(expected_seconds, ordered_with_seconds, left_seconds) is worthwhile
