"""Digital silence, frozen devices and peaks are told from the raw blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.audio.signal_check import SignalCheck

RATE = 16_000
NOISE = np.random.default_rng(3).integers(-3000, 3000, (640, 1)).astype(np.int16)


def check(dtype: str = "int16") -> SignalCheck:
    made = SignalCheck()
    made.begin(RATE, dtype)
    return made


def constant(
    value: float, samples: int = 640, dtype: str = "int16", channels: int = 1
) -> "np.ndarray[tuple[int, int]]":
    return np.full((samples, channels), value, dtype=dtype)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_zeros_are_counted_in_seconds_and_are_not_frozen(dtype: str) -> None:
    signal = check(dtype)
    for _ in range(50):
        signal.take(constant(0, dtype=dtype))
    assert signal.zero_seconds == pytest.approx(2.0)
    assert signal.frozen_seconds == 0
    assert signal.peak == 0


def test_the_first_sample_that_is_not_zero_ends_digital_silence() -> None:
    signal = check()
    signal.take(constant(0))
    block = constant(0)
    block[100] = 1
    signal.take(block)
    assert signal.zero_seconds == 0


def test_zeros_go_on_over_a_reopening_at_another_rate() -> None:
    signal = check()
    signal.take(constant(0, 16_000))
    signal.begin(48_000, "float32")
    signal.take(constant(0, 24_000, "float32"))
    assert signal.zero_seconds == pytest.approx(1.5)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_a_constant_value_is_frozen_whatever_the_length_of_the_blocks(dtype: str) -> None:
    signal = check(dtype)
    for samples in (640, 320, 640, 1600):
        signal.take(constant(0.5 if dtype == "float32" else -7, samples, dtype))
    assert signal.frozen_seconds == pytest.approx(2560 / RATE)


def test_another_constant_value_is_not_the_same() -> None:
    signal = check()
    signal.take(constant(5))
    signal.take(constant(6))
    assert signal.frozen_seconds == 0


def test_channels_may_be_constant_each_with_its_own_value() -> None:
    signal = check()
    block = constant(3, channels=2)
    block[:, 1] = 9
    signal.take(block)
    signal.take(block[:320])
    assert signal.frozen_seconds == pytest.approx(320 / RATE)


def test_a_repeated_block_is_frozen_until_another_one_comes() -> None:
    signal = check()
    for _ in range(26):
        signal.take(NOISE)
    assert signal.frozen_seconds == pytest.approx(1.0)
    signal.take(NOISE[::-1])
    assert signal.frozen_seconds == 0


def test_a_float_zero_with_a_sign_is_silence_too() -> None:
    signal = check("float32")
    for _ in range(3):
        signal.take(constant(-0.0, dtype="float32"))
    assert signal.zero_seconds == pytest.approx(0.12)
    assert signal.frozen_seconds == 0


def test_an_empty_block_says_nothing() -> None:
    signal = check()
    signal.take(constant(0, 0))
    assert (signal.zero_seconds, signal.frozen_seconds, signal.peak) == (0, 0, 0)


@pytest.mark.parametrize(
    ("value", "dtype", "peak"), [(-32768, "int16", 32768), (-0.5, "float32", 16384), (9, "f4", 32768)]
)
def test_the_peak_is_that_of_the_newest_block(value: float, dtype: str, peak: int) -> None:
    signal = check(dtype)
    signal.take(constant(0, dtype=dtype))
    signal.take(constant(value, dtype=dtype))
    assert signal.peak == peak


@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=60))
def test_what_is_told_is_how_long_the_latest_run_of_equal_blocks_was(kinds: list[int]) -> None:
    blocks = (constant(0), NOISE, NOISE[::-1])
    signal = check()
    for kind in kinds:
        signal.take(blocks[kind])
    run = next((n for n, kind in enumerate(reversed(kinds)) if kind != kinds[-1]), len(kinds))
    assert signal.zero_seconds == pytest.approx(0.04 * run if kinds[-1] == 0 else 0)
    assert signal.frozen_seconds == pytest.approx(0.04 * (run - 1) if kinds[-1] else 0)
