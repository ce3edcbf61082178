import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.pipeline.loudness import FLOOR_DB, Loudness, below_full_scale


def frame(*values: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    return np.array(values, dtype=np.int16)


@pytest.mark.parametrize(("peak", "decibels"), [(32768, 0), (32767, 0), (16384, 6), (3277, 19), (1, 90), (0, FLOOR_DB)])
def test_a_peak_is_so_many_whole_decibels_below_full_scale(peak: int, decibels: int) -> None:
    assert below_full_scale(peak) == decibels


def test_the_lowest_negative_sample_is_a_peak_like_any_other() -> None:
    loudness = Loudness()
    loudness.add(frame(0, -32768, 5), 3, 18918.0)
    assert loudness.peaks[0] == 1
    assert loudness.clipped == 1


def test_only_samples_at_full_scale_are_clipped() -> None:
    loudness = Loudness()
    loudness.add(frame(32767, 32766, -32767, -32766), 4, 32766.0)
    assert (loudness.clipped, loudness.samples) == (2, 4)


@settings(max_examples=30)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=20))
def test_sums_only_grow_and_each_frame_is_counted_once(values: list[int]) -> None:
    loudness = Loudness()
    for number in (1, 2):
        before = loudness.squares
        loudness.add(frame(*values), len(values), 10.0)
        assert sum(loudness.peaks) == number
        assert loudness.squares > before
