"""Blocks reach the sink resampled, and what the device lost is measured by the monotonic clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sink import MemorySink
from voicebridge.audio.capture import LATE_BEGINNING_SECONDS, Capture, Continuity, Pace
from voicebridge.audio.sleep_watch import Clocks
from voicebridge.domain.audio import GapReason, Samples


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 7.0

    def __call__(self) -> float:
        return self.now

    def boottime(self) -> float:
        return self.now + self.slept

    def continuity(self) -> Continuity:
        return Continuity(10.0, Clocks(self, self.boottime))


BLOCK: Samples = np.full((320, 1), 7, dtype=np.int16)


def capture_into(sink: MemorySink, clock: Clock, continuity: Continuity | None = None) -> Capture:
    capture = Capture(sink, continuity or clock.continuity())
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


def test_a_beginning_that_took_long_is_a_gap_before_the_first_block() -> None:
    sink, clock = MemorySink(), Clock()
    continuity = clock.continuity()
    clock.now += LATE_BEGINNING_SECONDS
    capture = capture_into(sink, clock, continuity)
    feed(capture, clock, 3)
    (gap,) = sink.gaps
    assert (gap.span.start, gap.reason) == (0, GapReason.DEVICE_LOST)
    assert gap.span.seconds == pytest.approx(LATE_BEGINNING_SECONDS, abs=0.001)
    assert continuity.missing_until(clock.now) == (0, 0)


def test_what_was_never_heard_is_missing_until_it_is_asked_for() -> None:
    clock = Clock()
    continuity = clock.continuity()
    clock.now += 2.0
    assert continuity.missing_until(clock.now) == (0, 0)
    continuity.refused = True
    assert continuity.missing_until(clock.now) == (0, 32_000)


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
    clock.now += 1.4
    for _ in range(70):
        capture.take(BLOCK, overflowed=False)
    feed(capture, clock, 200)
    assert sink.gaps == []


def test_a_hole_that_nobody_told_of_is_a_gap_once_it_is_certain() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    feed(capture, clock, 50)
    clock.now += 2.0
    feed(capture, clock, 90)
    assert sink.gaps == []
    feed(capture, clock, 90)
    (gap,) = sink.gaps
    assert gap.reason is GapReason.OVERFLOW
    assert gap.span.seconds == pytest.approx(2.0, abs=0.01)


def test_a_slow_device_that_paused_is_charged_with_the_pause_alone() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    for _ in range(1000):  # 2 % slow
        clock.now += 0.0204
        capture.take(BLOCK, overflowed=False)
    clock.now += 1.0
    for _ in range(110):
        clock.now += 0.0204
        capture.take(BLOCK, overflowed=False)
    (gap,) = sink.gaps
    assert gap.span.seconds == pytest.approx(1.0, abs=0.05)


def test_an_overflow_that_comes_with_a_hole_is_told_once() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    feed(capture, clock, 50)
    clock.now += 2.0
    capture.take(BLOCK, overflowed=True)
    feed(capture, clock, 200)
    assert len(sink.gaps) == 1


def test_the_time_between_two_streams_is_a_gap() -> None:
    sink, clock = MemorySink(), Clock()
    continuity = clock.continuity()
    first = capture_into(sink, clock, continuity)
    feed(first, clock, 10)
    first.end()
    clock.now += 60
    feed(capture_into(sink, clock, continuity), clock, 2)
    assert len(sink.gaps) == 1
    assert sink.gaps[0].reason is GapReason.DEVICE_LOST
    assert sink.gaps[0].span.start == 3200
    assert sink.gaps[0].span.seconds == pytest.approx(60, abs=0.001)


def test_the_end_of_a_stream_brings_what_the_resampler_holds() -> None:
    sink, clock = MemorySink(), Clock()
    capture = Capture(sink, clock.continuity())
    capture.begin(48_000, 2, np.float32)
    capture.take(np.zeros((960, 2), dtype=np.float32), overflowed=False)
    capture.end()
    assert sink.samples == 320


def test_what_comes_after_the_end_or_before_the_beginning_is_ignored() -> None:
    sink, clock = MemorySink(), Clock()
    Capture(sink, clock.continuity()).take(BLOCK, overflowed=False)
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


def test_the_gap_between_two_streams_has_the_reason_of_the_loss() -> None:
    sink, clock = MemorySink(), Clock()
    continuity = clock.continuity()
    feed(capture_into(sink, clock, continuity), clock, 1)
    second = Capture(sink, continuity, reason=GapReason.DEVICE_MOVED)
    second.begin(16_000, 1, np.int16)
    clock.now += 2
    feed(second, clock, 1)
    assert [gap.reason for gap in sink.gaps] == [GapReason.DEVICE_MOVED]


def test_what_comes_while_it_is_held_is_part_of_the_gap() -> None:
    sink, clock = MemorySink(), Clock()
    continuity = clock.continuity()
    feed(capture_into(sink, clock, continuity), clock, 5)
    second = capture_into(sink, clock, continuity)
    second.held = True
    feed(second, clock, 50)
    assert not second.heard
    assert second.silent_seconds() == 0
    assert sink.samples == 1600
    second.held = False
    feed(second, clock, 1)
    (gap,) = sink.gaps
    assert gap.span.seconds == pytest.approx(1.0, abs=0.001)


def test_sleep_is_a_gap_of_its_length_although_the_monotonic_clock_stood() -> None:
    sink, clock = MemorySink(), Clock()
    capture = capture_into(sink, clock)
    feed(capture, clock, 5)
    clock.slept += 3600.0
    feed(capture, clock, 5)
    (gap,) = sink.gaps
    assert (gap.reason, gap.span.start) == (GapReason.SUSPEND, 1600)
    assert gap.span.seconds == pytest.approx(3600)
    assert sink.samples == 3200 + gap.span.samples


def test_a_sleep_that_also_cost_the_device_leaves_two_gaps() -> None:
    sink, clock = MemorySink(), Clock()
    continuity = clock.continuity()
    feed(capture_into(sink, clock, continuity), clock, 5)
    clock.slept += 100.0
    clock.now += 4.0
    feed(capture_into(sink, clock, continuity), clock, 5)
    assert [(gap.reason, round(gap.span.seconds, 2)) for gap in sink.gaps] == [
        (GapReason.SUSPEND, 100.0),
        (GapReason.DEVICE_LOST, 4.0),
    ]


def test_a_thread_that_was_held_between_the_clocks_has_not_slept() -> None:
    sink, clock = MemorySink(), Clock()
    capture = Capture(sink, Continuity(10.0, Clocks(clock, lambda: _held(clock))))
    capture.begin(16_000, 1, np.int16)
    feed(capture, clock, 3)
    assert GapReason.SUSPEND not in [gap.reason for gap in sink.gaps]


def _held(clock: Clock) -> float:
    clock.now += 2.0
    return clock.boottime()


def test_the_rate_is_measured_and_a_gap_that_was_told_does_not_count() -> None:
    clock = Clock()
    capture = capture_into(MemorySink(), clock)
    feed(capture, clock, 450)
    assert capture.rate_ratio is None
    feed(capture, clock, 100)
    assert capture.rate_ratio == pytest.approx(1.0)
    clock.now += 5.0
    capture.take(BLOCK, overflowed=True)
    assert capture.rate_ratio is None
    feed(capture, clock, 600)
    assert capture.rate_ratio == pytest.approx(1.0, abs=0.01)


def test_a_block_that_comes_again_and_again_is_frozen_until_another_stream_begins() -> None:
    clock = Clock()
    continuity = clock.continuity()
    capture = capture_into(MemorySink(), clock, continuity)
    feed(capture, clock, 101)
    assert capture.frozen_seconds == pytest.approx(2.0)
    assert capture_into(MemorySink(), clock, continuity).frozen_seconds == 0


def test_broken_samples_are_counted() -> None:
    capture = Capture(MemorySink(), Clock().continuity())
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
