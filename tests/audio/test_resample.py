"""Any audio becomes 16 kHz mono int16, the same whatever the blocks."""

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.audio.resample import Resampler
from voicebridge.domain.audio import Samples


def sine(rate: int, seconds: float, hertz: float = 440.0, amplitude: float = 0.5) -> npt.NDArray[np.float32]:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def resampled(audio: npt.NDArray[np.generic], rate: int, block_samples: int) -> Samples:
    channels = 1 if audio.ndim == 1 else audio.shape[1]
    resampler = Resampler(rate, channels, audio.dtype)
    pieces = [resampler.process(audio[i : i + block_samples]) for i in range(0, len(audio), block_samples)]
    return np.concatenate([*pieces, resampler.flush()])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([8000, 11025, 44_100, 48_000, 96_000]), st.integers(37, 5000), st.integers(1, 3))
def test_the_samples_are_the_same_whatever_the_blocks(rate: int, block_samples: int, channels: int) -> None:
    audio = np.random.default_rng(3).normal(0, 0.2, (6000, channels)).astype(np.float32)
    assert np.array_equal(resampled(audio, rate, block_samples), resampled(audio, rate, len(audio)))


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
def test_a_sine_has_no_click_at_block_borders(rate: int) -> None:
    audio = sine(rate, 1.0)
    blocks = resampled(audio, rate, rate // 50).astype(float)
    one_shot = soxr.resample(audio, rate, 16_000) * 32768
    assert len(blocks) == len(one_shot)
    assert np.abs(blocks - one_shot).max() <= 0.5


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_sine_keeps_its_pitch_level_and_place(rate: int) -> None:
    heard = resampled(sine(rate, 1.0), rate, rate // 50).astype(float)
    wanted = sine(16_000, 1.0) * 32768
    middle = slice(1600, -1600)
    assert np.abs(heard[middle] - wanted[middle]).max() < 4


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_an_hour_has_no_drift(rate: int) -> None:
    resampler = Resampler(rate, 1, np.float32)
    second = np.zeros(rate, dtype=np.float32)
    heard = sum(len(resampler.process(second)) for _ in range(3600))
    assert 3600 * 16_000 - 2000 <= heard <= 3600 * 16_000  # 125 ms: what the filter holds
    assert heard + len(resampler.flush()) == 3600 * 16_000


def test_mono_int16_at_16_khz_passes_untouched() -> None:
    audio = np.random.default_rng(1).integers(-32768, 32768, 1000).astype(np.int16)
    resampler = Resampler(16_000, 1, np.int16)
    assert np.shares_memory(resampler.process(audio.reshape(-1, 1)), audio)
    assert np.array_equal(resampler.process(audio), audio)
    assert resampler.flush().size == 0


def test_channels_are_mixed_by_their_mean() -> None:
    block = np.array([[100, 300, 200], [-100, -100, -103]], dtype=np.int16)
    assert Resampler(16_000, 3, np.int16).process(block).tolist() == [200, -101]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("uint8", [0, 128, 192]),
        ("int16", [-32768, 0, 16384]),
        ("int32", [-(2**31), 0, 2**30]),
        ("float32", [-1.0, 0.0, 0.5]),
        ("float64", [-1.0, 0.0, 0.5]),
    ],
)
def test_every_sample_type_has_the_same_scale(dtype: str, values: list[float]) -> None:
    block = np.array([[value, value] for value in values], dtype=dtype)
    assert Resampler(16_000, 2, dtype).process(block).tolist() == [-32768, 0, 16384]


def test_what_is_too_loud_is_clipped() -> None:
    block = np.array([1.0, 1.5, -1.5, 1e30, -1e38], dtype=np.float32)
    assert Resampler(16_000, 1, np.float32).process(block).tolist() == [32767, 32767, -32768, 32767, -32768]


def test_what_is_no_number_is_silent_and_counted() -> None:
    block = np.array([[0.5, np.nan], [np.inf, -np.inf], [0.25, 0.25]], dtype=np.float32)
    resampler = Resampler(16_000, 2, np.float32)
    assert resampler.process(block).tolist() == [8192, 0, 8192]
    assert resampler.broken_samples == 3


def test_absurd_numbers_do_not_overflow_the_mix() -> None:
    block = np.full((4, 2), 3e38, dtype=np.float32)
    resampler = Resampler(16_000, 2, np.float32)
    assert resampler.process(block).tolist() == [32767] * 4
    assert resampler.broken_samples == 0


def test_a_broken_block_does_not_poison_what_follows() -> None:
    audio = sine(48_000, 0.5)
    broken = audio.copy()
    broken[:960] = np.nan
    heard = resampled(broken, 48_000, 960)
    assert np.abs(heard[1600:-800] - resampled(audio, 48_000, 960)[1600:-800]).max() <= 1


def test_an_unknown_sample_type_is_refused() -> None:
    with pytest.raises(ValueError, match="complex64"):
        Resampler(16_000, 1, np.complex64)
