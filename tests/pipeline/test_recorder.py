import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.utterances import NOON, ended, noise
from tests.pipeline.rig import SECONDS, SESSION, Rig, writing
from voicebridge.domain.audio import Gap, GapReason, Samples, Span
from voicebridge.domain.errors import StoreError, StoreUnavailableError
from voicebridge.domain.events import GapNoted, UtteranceStored
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLE_BYTES, seconds_to_samples
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.pipeline.recorder import APPEND_SAMPLES, MAX_HELD_TASKS

START = FRAME_SAMPLES * 10
KEY = UtteranceKey(SESSION, START)
PIECE_BYTES = APPEND_SAMPLES * SAMPLE_BYTES


def deliver(rig: Rig, seconds: float) -> Samples:
    """Write noise to the ring and return it."""
    audio = noise(seconds)
    rig.ring.write(audio)
    return audio


def grow(rig: Rig, to_seconds: float, from_sample: int = START) -> int:
    """Let the open utterance grow frame by frame; return its end."""
    end = seconds_to_samples(to_seconds)
    for sample in range(from_sample + FRAME_SAMPLES, end + 1, FRAME_SAMPLES):
        rig.recorder.grow(sample)
    return end


def end_at(rig: Rig, end_seconds: float, start: int = START) -> None:
    rig.recorder.end(ended(start / 16_000, end_seconds, SESSION))


def test_audio_of_an_open_utterance_is_in_the_spool_up_to_half_a_second() -> None:
    with writing(Rig()) as rig:
        audio = deliver(rig, 5)
        rig.recorder.open(KEY, NOON)
        for sample in range(START, len(audio) + 1, FRAME_SAMPLES):
            rig.recorder.grow(sample)
            assert rig.writer.drain(SECONDS)
            spooled = len(rig.spool.audio.get(KEY, ()))
            assert sample - START - spooled < APPEND_SAMPLES
        assert np.array_equal(rig.spool.audio[KEY], audio[START : START + spooled])


def test_nothing_is_spooled_while_no_utterance_is_open() -> None:
    with writing(Rig()) as rig:
        deliver(rig, 2)
        grow(rig, 2)
        assert rig.writer.drain(SECONDS)
        assert rig.spool.audio == {}


def test_an_ended_utterance_is_committed_with_exactly_its_audio() -> None:
    with writing(Rig()) as rig:
        audio = deliver(rig, 3)
        rig.recorder.open(KEY, NOON)
        grow(rig, 1.9)
        end_at(rig, 2.5)
        assert rig.writer.drain(SECONDS)
        assert np.array_equal(rig.spool.audio[KEY], audio[START:40_000])
        assert rig.pending[0].ended.key == KEY
        assert rig.announced() == [UtteranceStored(rig.pending[0])]


def test_audio_that_was_spooled_beyond_the_end_is_cut_off() -> None:
    with writing(Rig()) as rig:
        audio = deliver(rig, 4)
        rig.recorder.open(KEY, NOON)
        grow(rig, 3.7)
        end_at(rig, 1.5)
        assert rig.writer.drain(SECONDS)
        assert max(np.cumsum(rig.spool.pieces)) > 24_000 - START
        assert np.array_equal(rig.spool.audio[KEY], audio[START:24_000])


def test_what_the_writer_refuses_goes_later_in_one_piece() -> None:
    with writing(Rig(backlog_bytes=PIECE_BYTES)) as rig:
        rig.hold_writer(PIECE_BYTES)
        audio = deliver(rig, 6)
        rig.recorder.open(KEY, NOON)
        end = grow(rig, 5)
        assert rig.recorder.held_tasks == 1
        rig.gate.set()
        rig.recorder.wait_for_room()
        assert rig.recorder.flush()
        assert rig.writer.drain(SECONDS)
        assert rig.spool.pieces == [len(rig.spool.audio[KEY])]
        assert end - START - rig.spool.pieces[0] < APPEND_SAMPLES
        assert np.array_equal(rig.spool.audio[KEY], audio[START : START + rig.spool.pieces[0]])


def test_utterances_and_gaps_stay_in_order_while_the_writer_is_stuck() -> None:
    with writing(Rig(backlog_bytes=PIECE_BYTES)) as rig:
        rig.hold_writer(PIECE_BYTES)
        deliver(rig, 9)
        gap = Gap(Span(32_000, 40_000), GapReason.OVERFLOW)
        rig.recorder.open(KEY, NOON)
        rig.recorder.note(gap)
        end_at(rig, 3)
        second = UtteranceKey(SESSION, 64_000)
        rig.recorder.open(second, NOON)
        end_at(rig, 6, second.start_sample)
        assert rig.recorder.held_tasks == 5 - 1  # the gap stood first, and needs no room
        rig.gate.set()
        while not rig.recorder.flush():
            rig.recorder.wait_for_room()
        assert rig.writer.drain(SECONDS)
        assert rig.log.gaps == [gap]
        assert [pending.ended.key for pending in rig.pending] == [KEY, second]
        assert rig.announced() == [GapNoted(gap), *map(UtteranceStored, rig.pending)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=12))
def test_however_often_the_writer_is_full_the_spool_holds_each_sample_once(steps: list[tuple[int, bool]]) -> None:
    with writing(Rig(backlog_bytes=PIECE_BYTES)) as rig:
        audio = noise(FRAME_SAMPLES * sum(frames for frames, _ in steps) / 16_000)
        rig.ring.write(audio)
        rig.recorder.open(UtteranceKey(SESSION, 0), NOON)
        position = 0
        for frames, stuck in steps:
            if stuck and rig.writer.wait_for_room(PIECE_BYTES, SECONDS):
                rig.gate.clear()
                rig.hold_writer(PIECE_BYTES)
            for _ in range(frames):
                position += FRAME_SAMPLES
                rig.recorder.grow(position)
            rig.gate.set()
        rig.recorder.end(ended(0, position / 16_000, SESSION))
        while not rig.recorder.flush():
            rig.recorder.wait_for_room()
        assert rig.writer.drain(SECONDS)
        assert np.array_equal(rig.spool.audio[UtteranceKey(SESSION, 0)], audio)


def test_audio_that_the_ring_has_passed_over_is_zeros_and_a_gap_with_exact_bounds() -> None:
    with writing(Rig(ring_seconds=4, backlog_bytes=PIECE_BYTES)) as rig:
        rig.hold_writer(PIECE_BYTES)
        audio = deliver(rig, 3)
        rig.recorder.open(KEY, NOON)
        end_at(rig, 3)
        deliver(rig, 2)  # the ring holds 4 s: the first one is gone
        rig.gate.set()
        while not rig.recorder.flush():
            rig.recorder.wait_for_room()
        assert rig.writer.drain(SECONDS)
        lost = Gap(Span(START, 16_000), GapReason.BACKLOG)
        assert rig.log.gaps == [lost]
        assert GapNoted(lost) in rig.announced()
        assert (rig.recorder.lost_samples, rig.recorder.lost_stretches) == (lost.span.samples, 1)
        assert not rig.spool.audio[KEY][: lost.span.samples].any()
        assert np.array_equal(rig.spool.audio[KEY][lost.span.samples :], audio[16_000:])
        assert len(rig.pending) == 1


def test_an_utterance_of_which_nothing_is_left_is_all_zeros_and_one_gap() -> None:
    with writing(Rig(ring_seconds=4, backlog_bytes=PIECE_BYTES)) as rig:
        rig.hold_writer(PIECE_BYTES)
        deliver(rig, 1)
        rig.recorder.open(KEY, NOON)
        end_at(rig, 1)
        deliver(rig, 5)
        rig.gate.set()
        while not rig.recorder.flush():
            rig.recorder.wait_for_room()
        assert rig.writer.drain(SECONDS)
        assert rig.log.gaps == [Gap(Span(START, 16_000), GapReason.BACKLOG)]
        assert rig.recorder.lost_samples == 16_000 - START == len(rig.spool.audio[KEY])


def test_beyond_the_bound_of_what_is_held_audio_is_lost_in_one_gap_that_grows() -> None:
    with writing(Rig(backlog_bytes=PIECE_BYTES)) as rig:
        rig.hold_writer(PIECE_BYTES)
        deliver(rig, 20)
        rig.recorder.open(KEY, NOON)
        end_at(rig, 1)
        for second in range(2, MAX_HELD_TASKS):
            rig.recorder.note(Gap(Span(16_000 * second, 16_000 * second + 1), GapReason.OVERFLOW))
        for start in (64_000, 128_000):
            rig.recorder.open(UtteranceKey(SESSION, start), NOON)
            end_at(rig, start / 16_000 + 2, start)
        assert rig.recorder.held_tasks == MAX_HELD_TASKS + 1
        assert (rig.recorder.lost_samples, rig.recorder.lost_stretches) == (64_000, 1)
        assert rig.recorder.dropped_tasks == 2  # the ends of what was lost
        rig.gate.set()
        while not rig.recorder.flush():
            rig.recorder.wait_for_room()
        assert rig.writer.drain(SECONDS)
        assert [pending.ended.key for pending in rig.pending] == [KEY]
        assert rig.log.gaps[-1] == Gap(Span(64_000, 160_000), GapReason.BACKLOG)


def test_an_utterance_with_a_piece_refused_for_good_is_given_up_and_the_next_is_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with writing(Rig()) as rig:
        deliver(rig, 9)
        rig.spool.refusal = StoreError("The spool is not a directory.")
        rig.recorder.open(KEY, NOON)
        grow(rig, 0.7)
        assert rig.writer.drain(SECONDS)
        rig.spool.refusal = None
        grow(rig, 2, START + APPEND_SAMPLES)
        end_at(rig, 2)
        second = UtteranceKey(SESSION, 64_000)
        rig.recorder.open(second, NOON)
        end_at(rig, 6, second.start_sample)
        assert rig.writer.drain(SECONDS)
        assert rig.writer.failure is None
        assert rig.writer.given_up == 2
        assert [pending.ended.key for pending in rig.pending] == [second]
        assert "lacks a part" in caplog.text


def test_a_disk_that_is_full_for_a_while_costs_nothing() -> None:
    with writing(Rig()) as rig:
        audio = deliver(rig, 3)
        rig.spool.refusal = StoreUnavailableError("The disk is full.")
        rig.recorder.open(KEY, NOON)
        grow(rig, 2)
        end_at(rig, 2)
        rig.spool.refusal = None
        assert rig.writer.drain(SECONDS)
        assert np.array_equal(rig.spool.audio[KEY], audio[START:32_000])
        assert len(rig.pending) == 1


def test_a_writer_that_has_ended_takes_nothing_and_what_is_held_stays_held() -> None:
    rig = Rig()
    with writing(rig):
        deliver(rig, 2)
    rig.recorder.open(KEY, NOON)
    end_at(rig, 2)
    assert rig.recorder.held_tasks == 2
    assert rig.pending == []
