"""Blocks reach the sink resampled, and what the device lost is measured by the monotonic clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sink import MemorySink
from voicebridge.audio.capture import Capture, Pace
from voicebridge.domain.audio import GapReason, Samples


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


BLOCK: Samples = np.full((320, 1), 7, dtype=np.int16)


def capture_into(sink: MemorySink, clock: Clock, pace: Pace | None = None) -> Capture:
    capture = Capture(sink, pace or Pace(), clock=clock)
    capture.begin(16_000, 1, np.int16)
    return capture


def feed(capture: Capture, clock: Clock, blocks: int) -> None:
    for _ in range(blocks):
        clock.now += 0.02
        capture.take(BLOCK, overflowed=False)


def test_blocks_reach_the_sink() -> None:
    sink, clock = MemorySink(), Clock()
    feed(capture_into(sink, clock), clock, 3)
    assert sink.audio().tolist() == [7] * 960
    assert sink.gaps == []


def test_an_overflow_becomes_a_gap_of_what_time_says_is_missing() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    feed(capture, clock, 5)
    clock.now += 0.5 + 0.02
    capture.take(BLOCK, overflowed=True)
    feed(capture, clock, 5)
    (gap,) = sink.gaps
    assert (gap.span.start, gap.reason) == (1600, GapReason.OVERFLOW)
    assert gap.span.samples == pytest.approx(8000, abs=2)
    assert sink.samples == pytest.approx(9600 + 6 * 320, abs=2)
    assert capture.overflows == 1


def test_an_overflow_that_lost_less_than_a_block_is_only_counted() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    feed(capture, clock, 5)
    clock.now += 0.03
    capture.take(BLOCK, overflowed=True)
    assert sink.gaps == []
    assert capture.overflows == 1


def test_late_blocks_without_an_overflow_are_no_loss() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    feed(capture, clock, 5)
    clock.now += 0.4
    for _ in range(20):
        capture.take(BLOCK, overflowed=False)
    assert sink.gaps == []


def test_the_time_between_two_streams_is_a_gap() -> None:
    sink, clock, pace = MemorySink(), Clock(), Pace()
    first = capture_into(sink, clock, pace)
    feed(first, clock, 10)
    first.end()
    clock.now += 60
    feed(capture_into(sink, clock, pace), clock, 2)
    assert len(sink.gaps) == 1
    assert sink.gaps[0].reason is GapReason.DEVICE_LOST
    assert sink.gaps[0].span.start == 3200
    assert sink.gaps[0].span.seconds == pytest.approx(60, abs=0.001)


def test_the_end_of_a_stream_brings_what_the_resampler_holds() -> None:
    sink, clock = MemorySink(), Clock()
    capture = Capture(sink, Pace(), clock=clock)
    capture.begin(48_000, 2, np.float32)
    capture.take(np.zeros((960, 2), dtype=np.float32), overflowed=False)
    capture.end()
    assert sink.samples == 320


def test_what_comes_after_the_end_or_before_the_beginning_is_ignored() -> None:
    sink, clock = MemorySink(), Clock()
    Capture(sink, Pace(), clock=clock).take(BLOCK, overflowed=False)
    capture = capture_into(sink, clock)
    capture.end()
    capture.take(BLOCK, overflowed=False)
    assert sink.samples == 0
    assert not capture.heard


def test_silence_is_counted_from_the_latest_block_or_the_beginning() -> None:
    clock = Clock()
    capture = capture_into(MemorySink(), clock)
    clock.now += 5
    assert capture.silent_seconds() == 5
    capture.take(BLOCK, overflowed=False)
    clock.now += 2
    assert capture.silent_seconds() == 2


def test_silence_of_all_streams_is_counted_from_the_latest_block_of_any() -> None:
    clock, pace = Clock(), Pace()
    assert pace.silent_seconds(clock.now) == 0
    feed(capture_into(MemorySink(), clock, pace), clock, 1)
    capture_into(MemorySink(), clock, pace)
    assert pace.silent_seconds(clock.now + 5) == 5


def test_broken_samples_are_counted() -> None:
    capture = Capture(MemorySink(), Pace())
    assert capture.broken_samples == 0
    capture.begin(16_000, 1, np.float32)
    capture.take(np.full((10, 1), np.nan, dtype=np.float32), overflowed=False)
    assert capture.broken_samples == 10


@given(st.floats(-100e-6, 100e-6), st.integers(0, 2**32 - 1))
def test_a_sound_card_that_drifts_is_not_taken_for_loss(drift: float, seed: int) -> None:
    jitter = np.random.default_rng(seed).uniform(0, 0.03, 600)
    pace = Pace()
    for number in range(600):
        seconds = number * 10.0
        pace.arrived(seconds * (1 + drift) + jitter[number], 160_000)
    assert pace.missing_samples(6000.0 * (1 + drift), 160_000) < 1000
