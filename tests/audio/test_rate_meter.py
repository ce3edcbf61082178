"""The rate is measured over whole windows."""

import pytest

from voicebridge.audio.rate_meter import RateMeter


def run(meter: RateMeter, now: float, seconds: float, ratio: float) -> float:
    """Bring blocks of 40 ms of audio at so many times the nominal rate; return the time after that."""
    end = now + seconds
    while now < end:
        now += 0.04 / ratio
        meter.arrived(now, 0.04)
    return now


@pytest.mark.parametrize("ratio", [0.5, 0.88, 1.0, 1.12, 3.0])
def test_the_ratio_is_told_once_a_window_is_full(ratio: float) -> None:
    meter = RateMeter(10.0)
    now = run(meter, 100.0, 9.5, ratio)
    assert meter.ratio is None
    run(meter, now, 1.0, ratio)
    assert meter.ratio == pytest.approx(ratio, rel=0.02)


def test_what_was_before_the_window_is_forgotten() -> None:
    meter = RateMeter(10.0)
    now = run(meter, 100.0, 30.0, 0.5)
    run(meter, now, 11.0, 1.0)
    assert meter.ratio == pytest.approx(1.0, rel=0.01)


def test_blocks_that_were_held_back_and_come_at_once_make_up_for_it() -> None:
    meter = RateMeter(10.0)
    now = run(meter, 100.0, 20.0, 1.0)
    for _ in range(50):
        meter.arrived(now + 2.0, 0.04)
    run(meter, now + 2.0, 1.0, 1.0)
    assert meter.ratio == pytest.approx(1.0, abs=0.03)


def test_a_restart_begins_a_new_window() -> None:
    meter = RateMeter(10.0)
    now = run(meter, 100.0, 20.0, 0.5)
    meter.restart()
    assert meter.ratio is None
    run(meter, now, 11.0, 1.0)
    assert meter.ratio == pytest.approx(1.0, rel=0.01)
