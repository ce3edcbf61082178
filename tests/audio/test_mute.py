"""While muted nothing of what is heard gets through, and time goes on."""

import numpy as np

from tests.fakes.sink import MemorySink
from voicebridge.audio.mute import MuteSwitch
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import GapReason, Span

BLOCK = np.arange(1, 321, dtype=np.int16)


def test_blocks_pass_as_they_are_while_it_is_not_muted() -> None:
    sink = MemorySink()
    MuteSwitch(sink).write(BLOCK)
    assert np.array_equal(sink.audio(), BLOCK)


def test_while_muted_as_many_zeros_pass_and_the_block_is_left_alone() -> None:
    sink = MemorySink()
    mute = MuteSwitch(sink, muted=True)
    block = BLOCK.copy()
    for samples in (320, 10, 320):
        mute.write(block[:samples])
    assert sink.block_samples == [320, 10, 320]
    assert not sink.audio().any()
    assert np.array_equal(block, BLOCK)


def test_it_holds_from_the_next_block_on_and_what_is_in_the_ring_stays() -> None:
    ring = Ring(16_000)
    mute = MuteSwitch(ring)
    mute.write(BLOCK)
    mute.muted = True
    mute.write(BLOCK)
    mute.muted = False
    mute.write(BLOCK)
    heard = ring.copy(Span(0, 960))
    assert heard is not None
    assert np.array_equal(heard, np.concatenate((BLOCK, np.zeros(320, np.int16), BLOCK)))


def test_gaps_room_and_the_end_pass_muted_or_not() -> None:
    sink = MemorySink()
    mute = MuteSwitch(sink, muted=True)
    mute.write_gap(100, GapReason.OVERFLOW)
    assert sink.gaps[0].span == Span(0, 100)
    assert mute.wait_for_room(1, 0)
    mute.close()
    assert sink.closed
