"""The ring keeps audio by sample index and tells exactly what it could not keep."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.audio.ring import MAX_RUNS, Ring
from voicebridge.audio.ring_reader import RESYNC_SAMPLES, RingReader
from voicebridge.domain.audio import Frame, Gap, GapReason, Samples, Span
from voicebridge.domain.units import FRAME_SAMPLES

CAPACITY = 4000


def sequence(start: int, samples: int) -> Samples:
    """Audio that says of each sample which index it has."""
    return (np.arange(start, start + samples) % 32749).astype(np.int16)


def write_on(ring: Ring, samples: int) -> None:
    ring.write(sequence(ring.written, samples))


def drain(reader: RingReader) -> list[Frame | Gap]:
    items: list[Frame | Gap] = []
    while (item := reader.read(0)) is not None:
        items.append(item)
    return items


def gaps_of(items: list[Frame | Gap]) -> list[Gap]:
    return [item for item in items if isinstance(item, Gap)]


def assert_exact(items: list[Frame | Gap], start: int) -> int:
    """Items follow each other without hole or overlap, frames hold their own indices; return where they end."""
    for item in items:
        if isinstance(item, Gap):
            assert item.span.start == start
            assert item.span.samples > 0
            start = item.span.end
        else:
            assert item.start == start
            assert item.samples.shape == (FRAME_SAMPLES,)
            assert np.array_equal(item.samples[: item.valid], sequence(start, item.valid))
            assert not item.samples[item.valid :].any()
            start = item.end
    return start


def test_frames_come_as_they_were_written() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    write_on(ring, 1000)
    items = drain(reader)
    assert [item.start for item in items if isinstance(item, Frame)] == [0, 320, 640]
    assert assert_exact(items, 0) == 960
    assert reader.lag_samples == 40
    assert not reader.ended


def test_the_end_gives_the_last_frame_padded_and_then_the_end() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    write_on(ring, 330)
    ring.close()
    first, last = drain(reader)
    assert isinstance(first, Frame)
    assert isinstance(last, Frame)
    assert (last.start, last.valid, last.end) == (320, 10, 330)
    assert not last.samples[10:].any()
    assert reader.ended
    assert ring.closed
    assert reader.read(10) is None


def test_a_gap_has_exact_bounds() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    write_on(ring, 400)
    ring.write_gap(123, GapReason.OVERFLOW)
    write_on(ring, 320)
    items = drain(reader)
    assert gaps_of(items) == [Gap(Span(400, 523), GapReason.OVERFLOW)]
    assert [item.valid for item in items if isinstance(item, Frame)] == [320, 80, 320]
    assert assert_exact(items, 0) == 843
    assert (ring.gap_count, ring.gap_samples) == (1, 123)


def test_a_gap_longer_than_the_ring_keeps_the_audio_before_it() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    write_on(ring, 640)
    ring.write_gap(1_000_000, GapReason.DEVICE_LOST)
    write_on(ring, 640)
    items = drain(reader)
    assert gaps_of(items) == [Gap(Span(640, 1_000_640), GapReason.DEVICE_LOST)]
    assert assert_exact(items, 0) == 1_001_280
    assert ring.copy(Span(0, 640)) is not None


def test_gaps_that_follow_each_other_are_told_one_by_one() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    ring.write_gap(10, GapReason.OVERFLOW)
    ring.write_gap(20, GapReason.DEVICE_LOST)
    assert drain(reader) == [Gap(Span(0, 10), GapReason.OVERFLOW), Gap(Span(10, 30), GapReason.DEVICE_LOST)]


def test_an_empty_gap_is_none() -> None:
    ring = Ring(CAPACITY)
    ring.write_gap(0, GapReason.OVERFLOW)
    assert (ring.gap_count, ring.written) == (0, 0)


def test_an_overrun_is_a_gap_with_exact_bounds() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    for _ in range(20):
        write_on(ring, 320)
    ring.close()
    items = drain(reader)
    lost = 20 * 320 - CAPACITY + CAPACITY // 4
    assert gaps_of(items) == [Gap(Span(0, lost), GapReason.OVERRUN)]
    assert assert_exact(items, 0) == 6400
    assert reader.overrun_samples == ring.overrun_samples == lost
    assert ring.high_water_mark == 6400


def test_an_overrun_reader_gets_a_head_start_but_no_more() -> None:
    ring = Ring(20 * RESYNC_SAMPLES)
    reader = ring.reader()
    write_on(ring, 20 * RESYNC_SAMPLES + 1)
    first = reader.read(0)
    assert first == Gap(Span(0, 1 + RESYNC_SAMPLES), GapReason.OVERRUN)


def test_an_overrun_stops_at_a_gap_that_has_its_own_reason() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    write_on(ring, 500)
    ring.write_gap(77, GapReason.DEVICE_LOST)
    write_on(ring, CAPACITY)
    ring.close()
    items = drain(reader)
    assert gaps_of(items) == [
        Gap(Span(0, 500), GapReason.OVERRUN),
        Gap(Span(500, 577), GapReason.DEVICE_LOST),
    ]
    assert assert_exact(items, 0) == 577 + CAPACITY


def test_more_gaps_than_are_remembered_become_one_overrun() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    for _ in range(MAX_RUNS + 10):
        write_on(ring, 1)
        ring.write_gap(1, GapReason.OVERFLOW)
    items = drain(reader)
    assert assert_exact(items, 0) == ring.written
    assert gaps_of(items)[0] == Gap(Span(0, 22), GapReason.OVERRUN)
    assert ring.gap_count == MAX_RUNS + 10
    assert ring.copy(Span(0, 10)) is None


def test_a_block_longer_than_the_ring_leaves_its_end() -> None:
    ring = Ring(CAPACITY)
    write_on(ring, 3 * CAPACITY + 5)
    kept = ring.copy(Span(2 * CAPACITY + 5, 3 * CAPACITY + 5))
    assert kept is not None
    assert np.array_equal(kept, sequence(2 * CAPACITY + 5, CAPACITY))


def test_a_copy_has_zeros_where_a_gap_is() -> None:
    ring = Ring(CAPACITY)
    write_on(ring, 100)
    ring.write_gap(50, GapReason.OVERFLOW)
    write_on(ring, 100)
    copied = ring.copy(Span(90, 170))
    assert copied is not None
    assert np.array_equal(copied, np.concatenate((sequence(90, 10), np.zeros(50, np.int16), sequence(150, 20))))


@pytest.mark.parametrize(("start", "end"), [(110, 140), (100, 150), (149, 151), (99, 100), (150, 150), (0, 250)])
def test_a_copy_may_begin_and_end_anywhere(start: int, end: int) -> None:
    ring = Ring(CAPACITY)
    write_on(ring, 100)
    ring.write_gap(50, GapReason.OVERFLOW)
    write_on(ring, 100)
    whole = np.concatenate((sequence(0, 100), np.zeros(50, np.int16), sequence(150, 100)))
    copied = ring.copy(Span(start, end))
    assert copied is not None
    assert np.array_equal(copied, whole[start:end])


def test_a_copy_of_what_is_no_longer_or_not_yet_held_is_none() -> None:
    ring = Ring(CAPACITY)
    write_on(ring, 100)
    assert ring.copy(Span(50, 101)) is None
    write_on(ring, CAPACITY)
    assert ring.copy(Span(99, 200)) is None
    assert ring.copy(Span(100, 200)) is not None
    ring.write_gap(10 * CAPACITY, GapReason.DEVICE_LOST)
    assert ring.copy(Span(CAPACITY, 3 * CAPACITY)) is None


def test_a_copy_does_not_change_with_the_ring() -> None:
    ring = Ring(CAPACITY)
    write_on(ring, 320)
    copied = ring.copy(Span(0, 320))
    write_on(ring, 2 * CAPACITY)
    assert copied is not None
    assert np.array_equal(copied, sequence(0, 320))


def test_a_reader_can_begin_in_the_past_and_inside_a_gap() -> None:
    ring = Ring(CAPACITY)
    write_on(ring, 1000)
    ring.write_gap(100, GapReason.OVERFLOW)
    write_on(ring, 320)
    assert assert_exact(drain(ring.reader(500)), 500) == 1420
    assert ring.reader(1060).read(0) == Gap(Span(1060, 1100), GapReason.OVERFLOW)


def test_a_reader_begins_at_the_oldest_audio_by_default() -> None:
    ring = Ring(CAPACITY)
    ring.write_gap(100, GapReason.OVERFLOW)
    assert ring.reader().position == 0
    write_on(ring, 500)
    ring.write_gap(100, GapReason.OVERFLOW)
    write_on(ring, CAPACITY - 100)
    assert ring.reader().position == 500


def test_a_reader_cannot_begin_in_the_future() -> None:
    with pytest.raises(ValueError, match="written 0 samples"):
        Ring(CAPACITY).reader(1)


def test_a_ring_shorter_than_four_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="four frames"):
        Ring(1000)


def test_a_mark_is_the_last_write_and_its_time() -> None:
    times = iter([1.0, 2.0, 3.0])
    ring = Ring(CAPACITY, clock=lambda: next(times))
    assert ring.last_write_monotonic == 1.0
    write_on(ring, 320)
    assert ring.mark() == (320, 2.0)
    ring.write_gap(80, GapReason.OVERFLOW)
    assert ring.mark() == (400, 3.0)
    ring.close()
    assert ring.mark() == (400, 3.0)


def test_a_source_that_can_wait_is_told_when_there_is_room() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader(keep_samples=CAPACITY - 1000)
    write_on(ring, 1000)
    assert not ring.wait_for_room(320, 0)
    assert not ring.wait_for_room(320, 0.001)
    reader.read(0)
    assert ring.wait_for_room(320, 0)


def test_room_is_made_by_the_slowest_reader_and_by_one_that_closes() -> None:
    ring = Ring(CAPACITY)
    slow, fast = ring.reader(), ring.reader()
    while ring.wait_for_room(320, 0):
        write_on(ring, 320)
    drain(fast)
    assert not ring.wait_for_room(320, 0)
    slow.close()
    assert ring.wait_for_room(320, 0)


def test_before_the_first_reader_a_source_fills_the_ring_and_waits() -> None:
    ring = Ring(CAPACITY)
    while ring.wait_for_room(320, 0):
        write_on(ring, 320)
    reader = ring.reader(start=0)
    assert ring.written == CAPACITY - CAPACITY % 320
    assert gaps_of(drain(reader)) == []
    assert ring.wait_for_room(320, 0)


def test_a_reader_waits_for_a_whole_frame_and_no_longer_than_told() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    write_on(ring, 319)
    assert reader.read(0.01) is None
    write_on(ring, 1)
    assert isinstance(reader.read(0.01), Frame)


def test_a_block_that_never_fits_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Ring(CAPACITY).wait_for_room(CAPACITY, 0)


def test_a_waiting_reader_is_woken_by_the_writer() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    got: list[Frame | Gap | None] = []
    thread = threading.Thread(target=lambda: got.append(reader.read(30)))
    thread.start()
    for _ in range(4):
        write_on(ring, 100)
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(got[0], Frame)


def test_a_patient_reader_is_woken_when_there_is_enough() -> None:
    ring, got, pause = Ring(16_000), list[Frame | Gap | None](), threading.Event()
    reader = ring.reader()
    thread = threading.Thread(target=lambda: got.append(reader.read(30, at_least_samples=960)))
    thread.start()
    while not reader.wakeup.asleep:
        pause.wait(0.001)
    ring.write(np.zeros(640, np.int16))
    assert reader.wakeup.asleep
    ring.write(np.zeros(320, np.int16))
    thread.join(10)
    assert isinstance(got[0], Frame)
    assert [reader.read(0) is not None for _ in range(3)] == [True, True, False]


def test_a_waiting_reader_is_woken_by_the_end() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    thread = threading.Thread(target=reader.read, args=(30,))
    thread.start()
    ring.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_waiting_source_is_woken_by_a_reader() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader(keep_samples=CAPACITY - 640)
    write_on(ring, 640)
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(ring.wait_for_room(320, 30)))
    thread.start()
    reader.read(0)
    thread.join(10)
    assert got == [True]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 2500)),
        st.tuples(st.just("gap"), st.integers(1, 9000)),
        st.tuples(st.just("read"), st.integers(1, 12)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_the_order_of_writes_gaps_and_reads_all_is_read_or_told(steps: list[tuple[str, int]]) -> None:
    ring = Ring(1600)
    reader = ring.reader()
    items: list[Frame | Gap] = []
    written_gaps: list[Gap] = []
    for kind, amount in steps:
        if kind == "write":
            write_on(ring, amount)
        elif kind == "gap":
            written_gaps.append(Gap(Span(ring.written, ring.written + amount), GapReason.OVERFLOW))
            ring.write_gap(amount, GapReason.OVERFLOW)
        else:
            items += [item for _ in range(amount) if (item := reader.read(0)) is not None]
    ring.close()
    items += drain(reader)
    assert assert_exact(items, 0) == ring.written
    assert reader.ended
    assert [gap for gap in gaps_of(items) if gap.reason is GapReason.OVERFLOW] == written_gaps
    overruns = sum(gap.span.samples for gap in gaps_of(items) if gap.reason is GapReason.OVERRUN)
    assert overruns == reader.overrun_samples


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 900)), min_size=1, max_size=20), st.data())
def test_any_copy_is_right_or_none(pieces: list[tuple[bool, int]], data: st.DataObject) -> None:
    ring = Ring(1600)
    whole = np.zeros(0, dtype=np.int16)
    for is_gap, samples in pieces:
        if is_gap:
            ring.write_gap(samples, GapReason.OVERFLOW)
            whole = np.concatenate((whole, np.zeros(samples, np.int16)))
        else:
            block = sequence(ring.written, samples)
            ring.write(block)
            whole = np.concatenate((whole, block))
    start = data.draw(st.integers(0, ring.written))
    end = data.draw(st.integers(start, ring.written))
    copied = ring.copy(Span(start, end))
    stored_after = sum(n for is_gap, n in pieces if not is_gap)
    if copied is not None:
        assert np.array_equal(copied, whole[start:end])
    elif stored_after <= 1600:
        assert end - start > 1600


def test_a_fast_writer_never_makes_a_frame_or_a_copy_torn() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    sizes = np.random.default_rng(7).integers(1, 3000, 2500).tolist()

    def write_all() -> None:
        for size in sizes:
            write_on(ring, size)
        ring.close()

    writer = threading.Thread(target=write_all)
    writer.start()
    position = frames = 0
    while not reader.ended:
        item = reader.read(1.0)
        if item is None:
            continue
        position = assert_exact([item], position)
        frames += isinstance(item, Frame)
        span = Span(max(position - 1000, 0), position)
        copied = ring.copy(span)
        assert copied is None or np.array_equal(copied, sequence(span.start, span.samples))
    writer.join()
    assert position == sum(sizes)
    assert frames > 10
    assert reader.overrun_samples > 0


def test_a_source_that_waits_loses_nothing_to_a_reader_in_another_thread() -> None:
    ring = Ring(CAPACITY)
    reader = ring.reader()
    blocks = 1500

    def write_all() -> None:
        for _ in range(blocks):
            while not ring.wait_for_room(320, 1.0):
                pass
            write_on(ring, 320)
        ring.close()

    writer = threading.Thread(target=write_all)
    writer.start()
    items: list[Frame | Gap] = []
    while not reader.ended:
        if (item := reader.read(1.0)) is not None:
            items.append(item)
    writer.join()
    assert assert_exact(items, 0) == blocks * 320
    assert gaps_of(items) == []
    assert reader.high_water_mark <= CAPACITY // 5
