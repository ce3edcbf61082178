"""Levels of speech, ends of speech, noise at a ratio, and music, by seed."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import AudioError
from voicebridge_bench.corpora.levels import as_samples, dbfs, end_of_speech, speech_rms
from voicebridge_bench.corpora.music import MUSIC_DBFS, music
from voicebridge_bench.corpora.noise import Noise, mixed, noise_of, pink, seeded

NONE: Samples = np.zeros(0, np.int16)


def _tone(seconds: float, amplitude: float) -> Samples:
    return as_samples(amplitude * np.sin(np.arange(int(seconds * 16_000)) * 0.3))


def test_pauses_do_not_count_as_quiet_speech() -> None:
    tone = _tone(1, 10_000)
    paused = np.concatenate((tone, np.zeros(32_000, np.int16), tone))
    assert speech_rms(paused) == pytest.approx(speech_rms(tone), rel=0.02)


def test_silence_has_no_level_and_no_end() -> None:
    assert speech_rms(np.zeros(1000, np.int16)) == 0
    assert end_of_speech(np.zeros(1000, np.int16)) == 0
    assert dbfs(0) == -100


def test_speech_ends_with_the_last_sample_30_db_below_the_peak() -> None:
    samples = np.zeros(1000, np.int16)
    samples[100], samples[700], samples[900] = 10_000, 317, 315  # -30 dB of the peak is 316.2
    assert end_of_speech(samples) == 701


@given(st.integers(0, 4000), st.integers(1, 4000))
@settings(max_examples=30)
def test_silence_around_speech_does_not_move_its_end(before: int, after: int) -> None:
    tone = _tone(0.1, 8000)
    alone = end_of_speech(tone)
    framed = np.concatenate((np.zeros(before, np.int16), tone, np.zeros(after, np.int16)))
    assert end_of_speech(framed) == before + alone


@given(st.sampled_from(["white", "pink"]), st.floats(-5, 30), st.floats(2000, 20_000))
@settings(max_examples=30, deadline=None)
def test_noise_is_mixed_in_at_the_ratio_that_is_asked_for(kind: str, snr_db: float, amplitude: float) -> None:
    speech = _tone(1, amplitude)
    noise = Noise(kind, NONE).make(len(speech), seeded(1, "a"))
    # Louder than the rounding to 16 bits by far, which would count as noise here.
    mix = mixed(speech, noise, snr_db).astype(float)
    # The tone's part of the mix, whatever the headroom has taken from both.
    gain = float(mix @ speech / (speech.astype(float) @ speech))
    under = mix - gain * speech
    found = 20 * np.log10(gain * speech_rms(speech) / np.sqrt(np.mean(under**2)))
    assert found == pytest.approx(snr_db, abs=0.5)
    assert np.abs(mix).max() <= 32_767


def test_the_same_seed_and_name_give_the_same_noise() -> None:
    noise = Noise("pink", NONE)
    assert np.array_equal(noise.make(500, seeded(1, "a.wav")), noise.make(500, seeded(1, "a.wav")))
    assert not np.array_equal(noise.make(500, seeded(1, "a.wav")), noise.make(500, seeded(1, "b.wav")))


def test_pink_noise_has_as_much_power_in_each_octave() -> None:
    power = np.abs(np.fft.rfft(pink(1 << 16, np.random.default_rng(3)))) ** 2
    octaves = [power[1 << n : 2 << n].sum() for n in range(9, 15)]
    assert max(octaves) / min(octaves) < 1.5


def test_silence_takes_no_noise() -> None:
    silence = np.zeros(1000, np.int16)
    assert not mixed(silence, np.ones(1000), 10).any()


def test_noise_from_a_file_is_repeated(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "fan.wav"), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", "none"))
        out.writeframes(_tone(0.2, 500).astype("<i2").tobytes())
    noise = noise_of(str(tmp_path / "fan.wav"))
    made = noise.make(16_000, seeded(1, "a"))
    assert noise.name == "fan.wav"
    assert np.sqrt(np.mean(made**2)) == pytest.approx(1)


def test_a_silent_noise_file_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "off.wav"), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", "none"))
        out.writeframes(bytes(6400))
    with pytest.raises(AudioError, match="nothing but silence"):
        noise_of(str(tmp_path / "off.wav"))


def test_music_is_the_same_by_seed_and_as_loud_as_it_says() -> None:
    first = music(4, seed=5)
    assert np.array_equal(first, music(4, seed=5))
    assert not np.array_equal(first, music(4, seed=6))
    assert dbfs(float(np.sqrt(np.mean(first.astype(float) ** 2)))) == pytest.approx(MUSIC_DBFS, abs=0.5)
