"""Units of audio time."""

from hypothesis import given
from hypothesis import strategies as st

from voicebridge.domain import units


def test_a_frame_is_twenty_milliseconds() -> None:
    assert units.FRAME_SAMPLES == 320
    assert units.samples_to_ms(units.FRAME_SAMPLES) == units.FRAME_MS
    assert units.FRAMES_PER_SECOND * units.FRAME_SAMPLES == units.SAMPLE_RATE


def test_durations_are_rounded_to_the_nearest_sample() -> None:
    assert units.ms_to_samples(0.04) == 1
    assert units.ms_to_samples(0.03) == 0
    assert units.seconds_to_samples(1.5) == 24_000
    assert units.samples_to_seconds(8000) == 0.5


@given(st.integers(0, 10**12))
def test_samples_survive_every_unit_for_years(samples: int) -> None:
    assert units.ms_to_samples(units.samples_to_ms(samples)) == samples
    assert units.seconds_to_samples(units.samples_to_seconds(samples)) == samples
