"""Levels are in decibels of full scale."""

import numpy as np
import pytest

from voicebridge.audio.level import SILENCE_DBFS, Level, LevelMeter, level_of
from voicebridge.domain.audio import GapReason


def test_a_full_scale_square_wave_is_at_zero() -> None:
    level = level_of(np.full(320, -32768, dtype=np.int16))
    assert (level.rms_dbfs, level.peak_dbfs) == (0.0, 0.0)


def test_a_full_scale_sine_is_three_decibels_down() -> None:
    wave = (32767 * np.sin(np.arange(16_000) * 2 * np.pi / 16)).astype(np.int16)
    level = level_of(wave)
    assert level.rms_dbfs == pytest.approx(-3.01, abs=0.02)
    assert level.peak_dbfs == pytest.approx(0.0, abs=0.01)


def test_silence_and_nothing_have_the_lowest_level() -> None:
    silent = Level(SILENCE_DBFS, SILENCE_DBFS)
    assert level_of(np.zeros(320, dtype=np.int16)) == silent
    assert level_of(np.zeros(0, dtype=np.int16)) == silent


def test_a_meter_keeps_the_latest_level_the_loudest_peak_and_the_length() -> None:
    seen: list[Level] = []
    meter = LevelMeter(seen.append)
    meter.write(np.full(320, 16384, dtype=np.int16))
    meter.write(np.zeros(160, dtype=np.int16))
    meter.write_gap(100, GapReason.OVERFLOW)
    meter.close()
    assert meter.latest.rms_dbfs == SILENCE_DBFS
    assert meter.loudest_dbfs == pytest.approx(-6.02, abs=0.01)
    assert (meter.samples, meter.lost_samples, len(seen)) == (480, 100, 2)
    assert meter.wait_for_room(10_000, 0)
