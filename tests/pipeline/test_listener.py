import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.detector import LoudnessDetector
from tests.fakes.source import MemorySource
from tests.pipeline.rig import SECONDS, SESSION, Rig, SignallingDetector, writing
from voicebridge.domain.audio import Frame, Gap, GapReason, Samples, Span
from voicebridge.domain.events import SpeechDiscarded, SpeechStarted, UtteranceStored
from voicebridge.domain.ports import FrameReader
from voicebridge.domain.segments import MayEnd
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.units import FRAME_SAMPLES, seconds_to_samples
from voicebridge.domain.utterance import EndReason, UtteranceKey
from voicebridge.pipeline.listener import Ears, Listener, ListenerHooks
from voicebridge.pipeline.loudness import Loudness
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.settings import EndpointSettings, VadSettings
from voicebridge.vad.segmenter import Segmenter

QUIET_LEVEL, LOUD_LEVEL = 50, 3000


def audio_of(*parts: tuple[bool, float]) -> Samples:
    """Return noise of these kinds (True is loud: speech for the fake detector) and lengths in seconds."""
    chance = np.random.default_rng(5)
    pieces = []
    for is_loud, seconds in parts:
        level = LOUD_LEVEL if is_loud else QUIET_LEVEL
        pieces.append(chance.integers(-level, level, seconds_to_samples(seconds), dtype=np.int16))
    return np.concatenate(pieces)


def blocks_of(audio: Samples, size: int = FRAME_SAMPLES) -> list[Samples | int]:
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def heard(blocks: Sequence[Samples | int], paced: bool = False, backlog_bytes: int = 64_000_000) -> Rig:
    """Hear blocks to the end of the stream."""
    with writing(Rig(paced=paced, backlog_bytes=backlog_bytes)) as rig:
        rig.hear(MemorySource(blocks, paced=paced), rig.listener())
    return rig


def spans(rig: Rig) -> list[tuple[int, int]]:
    return [(pending.ended.span.start, pending.ended.span.end) for pending in rig.pending]


def assert_spool_equals(rig: Rig, audio: Samples) -> None:
    assert len(rig.spool.audio) == len(rig.pending)
    for pending in rig.pending:
        span = pending.ended.span
        assert np.array_equal(rig.spool.audio[pending.ended.key], audio[span.start : span.end])


def test_when_nothing_comes_any_more_the_old_level_is_told_no_more() -> None:
    with writing(Rig(paced=True)) as rig:
        listener, source = rig.listener(), MemorySource(blocks_of(audio_of((True, 0.2))), paced=True, endless=True)
        listener.start()
        source.start(rig.ring)
        deadline = time.monotonic() + SECONDS
        while (listener.counters.frames < 10 or listener.counters.level) and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert (listener.counters.frames, listener.counters.level) == (10, 0.0)
        assert listener.loudness.peaks != Loudness().peaks
        listener.stop()
        source.stop()
        assert listener.join(SECONDS)


SENTENCE = ((False, 1.0), (True, 1.0), (False, 2.0))
FRAMES_UNTIL_HELD = 60
"""An utterance of SENTENCE begins with its pre-roll at frame 35; half a second later it is to reach the spool."""


def test_an_utterance_is_stored_with_its_audio_and_announced() -> None:
    audio = audio_of(*SENTENCE)
    rig = heard(blocks_of(audio))
    assert spans(rig) == [(seconds_to_samples(0.7), seconds_to_samples(2.14))]
    assert_spool_equals(rig, audio)
    assert rig.announced() == [SpeechStarted(seconds_to_samples(0.7)), UtteranceStored(rig.pending[0])]
    assert rig.pending[0].ended.reason is EndReason.HANGOVER
    assert rig.pending[0].ended.speech == Span(16_000, 32_000)


def test_counters_tell_what_was_heard() -> None:
    with writing(Rig()) as rig:
        listener = rig.listener()
        rig.hear(MemorySource(blocks_of(audio_of(*SENTENCE))), listener)
    assert (listener.counters.frames, listener.counters.speech_frames) == (200, 50)
    assert (listener.counters.utterances, listener.counters.gaps) == (1, 0)
    assert 0 < listener.counters.level < QUIET_LEVEL
    assert listener.lag_samples == 0


def test_a_click_is_discarded_and_nothing_is_stored() -> None:
    with writing(Rig()) as rig:
        listener = rig.listener()
        rig.hear(MemorySource(blocks_of(audio_of((False, 1), (True, 0.02), (False, 2)))), listener)
    assert rig.announced() == [SpeechDiscarded(16_000)]
    assert listener.counters.discarded == 1
    assert rig.spool.audio == {}


def test_the_end_of_the_stream_ends_the_open_utterance() -> None:
    with writing(Rig()) as rig:
        over = threading.Event()
        listener = rig.listener(hooks=ListenerHooks(on_anchor=lambda _: None, on_end=over.set))
        rig.hear(MemorySource(blocks_of(audio_of((False, 1), (True, 1)))), listener)
    assert [pending.ended.reason for pending in rig.pending] == [EndReason.END_OF_STREAM]
    assert listener.ended
    assert over.is_set()


@pytest.mark.parametrize("size", [1, 7, 320, 333, 4800])
def test_utterances_are_the_same_whatever_the_blocks(size: int) -> None:
    audio = audio_of((False, 0.5), (True, 0.3), (False, 1), (True, 0.5), (False, 0.2))
    rig = heard(blocks_of(audio, size))
    assert spans(rig) == spans(heard([audio]))
    assert_spool_equals(rig, audio)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 70)), min_size=1, max_size=10),
    st.integers(100, 6000),
    st.sampled_from([16_000, 64_000_000]),
)
def test_the_spool_holds_exactly_the_audio_of_each_utterance(
    pattern: list[tuple[bool, int]], size: int, backlog_bytes: int
) -> None:
    audio = audio_of(*((is_loud, frames * 0.02) for is_loud, frames in pattern))
    rig = heard(blocks_of(audio, size), backlog_bytes=backlog_bytes)
    assert_spool_equals(rig, audio)
    loud = np.abs(audio.astype(np.int32)) > QUIET_LEVEL
    for pending in rig.pending:
        loud[pending.ended.span.start : pending.ended.span.end] = False
    # Nothing loud is outside but clicks that were too short for an utterance.
    assert loud.any() <= any(isinstance(event, SpeechDiscarded) for event in rig.announced())


def test_a_short_gap_does_not_end_an_utterance_and_is_zeros_in_it() -> None:
    first, second = audio_of((False, 1), (True, 1)), audio_of((True, 1), (False, 1))
    rig = heard([*blocks_of(first), 3200, *blocks_of(second)])
    assert len(rig.pending) == 1
    assert rig.log.gaps == [Gap(Span(32_000, 35_200), GapReason.OVERFLOW)]
    assert_spool_equals(rig, np.concatenate([first, np.zeros(3200, np.int16), second]))


def test_a_long_gap_ends_an_utterance_and_what_follows_is_another() -> None:
    first, second = audio_of((False, 1), (True, 1)), audio_of((True, 1), (False, 1))
    rig = heard([*blocks_of(first), 32_000, *blocks_of(second)])
    assert [pending.ended.reason for pending in rig.pending] == [EndReason.GAP, EndReason.HANGOVER]
    assert spans(rig)[0] == (11_200, 32_000)
    assert spans(rig)[1][0] == 64_000
    assert_spool_equals(rig, np.concatenate([first, np.zeros(32_000, np.int16), second]))


def test_gaps_are_noted_in_order_and_counted_and_the_detector_starts_anew() -> None:
    detector = LoudnessDetector()
    with writing(Rig()) as rig:
        listener = rig.listener(detector)
        rig.hear(MemorySource([*blocks_of(audio_of((False, 1))), 100, *blocks_of(audio_of((False, 1))), 50]), listener)
    assert [gap.span for gap in rig.log.gaps] == [Span(16_000, 16_100), Span(32_100, 32_150)]
    assert (listener.counters.gaps, listener.counters.gap_samples, detector.resets) == (2, 150, 2)


def test_a_listener_that_was_overtaken_notes_an_overrun() -> None:
    with writing(Rig(ring_seconds=2, paced=True)) as rig:
        listener = rig.listener()
        rig.ring.write(audio_of((False, 5)))
        rig.ring.close()
        listener.start()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert [gap.reason for gap in rig.log.gaps] == [GapReason.OVERRUN]
    assert rig.log.gaps[0].span.samples + listener.counters.frames * FRAME_SAMPLES == 80_000


def test_a_source_that_can_wait_is_held_while_the_engine_is_behind_and_loses_nothing() -> None:
    answers = iter([False] * 5)
    audio = audio_of(*SENTENCE)
    hooks = ListenerHooks(on_anchor=lambda _: None, may_go_on=lambda: next(answers, True))
    with writing(Rig()) as rig:
        rig.hear(MemorySource(blocks_of(audio)), rig.listener(hooks=hooks))
    assert next(answers, None) is None
    assert_spool_equals(rig, audio)
    assert len(rig.pending) == 1


def test_a_source_that_can_wait_is_held_by_a_full_store_and_loses_nothing() -> None:
    audio = audio_of(*SENTENCE, *SENTENCE)
    detector = SignallingDetector(FRAMES_UNTIL_HELD)
    with writing(Rig(backlog_bytes=16_000)) as rig:
        rig.hold_writer(16_000)
        listener = rig.listener(detector)
        MemorySource(blocks_of(audio)).start(rig.ring)
        listener.start()
        assert detector.reached.wait(SECONDS)
        assert not listener.join(0.1)
        assert detector.frames == FRAMES_UNTIL_HELD
        rig.gate.set()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert len(rig.pending) == 2
    assert_spool_equals(rig, audio)
    assert rig.log.gaps == []


def test_a_paced_source_is_heard_to_its_end_while_the_store_is_stuck() -> None:
    audio = audio_of(*SENTENCE, *SENTENCE, *SENTENCE)
    detector = SignallingDetector(frames=len(audio) // FRAME_SAMPLES)
    with writing(Rig(paced=True, backlog_bytes=16_000)) as rig:
        rig.hold_writer(16_000)
        listener = rig.listener(detector)
        MemorySource(blocks_of(audio), paced=True).start(rig.ring)
        listener.start()
        assert detector.reached.wait(SECONDS)
        assert rig.pending == []
        rig.gate.set()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert len(rig.pending) == 3
    assert_spool_equals(rig, audio)


def test_a_stop_ends_the_open_utterance_after_what_was_delivered() -> None:
    audio = audio_of((False, 1), (True, 1))
    detector = SignallingDetector(frames=60)
    source = MemorySource(blocks_of(audio), paced=True, endless=True)
    with writing(Rig(paced=True)) as rig:
        listener = rig.listener(detector)
        listener.start()
        source.start(rig.ring)
        assert detector.reached.wait(SECONDS)
        listener.expect_stop()
        source.stop()
        delivered = rig.ring.written
        listener.stop()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert [pending.ended.reason for pending in rig.pending] == [EndReason.STOPPED]
    assert rig.pending[0].ended.span.end == delivered
    assert not listener.ended
    assert_spool_equals(rig, audio)


def test_a_source_that_is_closed_by_our_stop_has_not_come_to_its_end() -> None:
    source = MemorySource(blocks_of(audio_of((True, 1))), endless=True)
    detector = SignallingDetector(frames=50)
    with writing(Rig()) as rig:
        listener = rig.listener(detector)
        listener.start()
        source.start(rig.ring)
        assert detector.reached.wait(SECONDS)
        listener.expect_stop()
        source.stop()
        assert listener.join(SECONDS)  # the ring is closed; nobody told the listener itself to stop
        assert rig.writer.drain(SECONDS)
    assert not listener.ended
    assert [pending.ended.reason for pending in rig.pending] == [EndReason.STOPPED]


def test_a_stop_hears_what_was_delivered_even_when_the_source_stays_open() -> None:
    audio = audio_of((False, 1), (True, 1))
    with writing(Rig(paced=True)) as rig:
        listener = rig.listener()
        rig.ring.write(audio)
        listener.stop()
        listener.start()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert listener.counters.frames == 100
    assert_spool_equals(rig, audio)


def test_a_stop_does_not_wait_for_a_store_that_is_stuck() -> None:
    detector = SignallingDetector(FRAMES_UNTIL_HELD)
    with writing(Rig(backlog_bytes=16_000)) as rig:
        rig.hold_writer(16_000)
        source = MemorySource(blocks_of(audio_of(*SENTENCE)))
        source.start(rig.ring)
        listener = rig.listener(detector)
        listener.start()
        assert detector.reached.wait(SECONDS)
        listener.stop()
        assert listener.join(SECONDS)
        source.stop()
        assert rig.recorder.held_tasks == 2
        assert rig.pending == []


def test_a_stop_ends_a_listener_that_is_held_for_the_engine() -> None:
    held = threading.Event()

    def never() -> bool:
        held.set()
        return False

    with writing(Rig()) as rig:
        listener = rig.listener(hooks=ListenerHooks(on_anchor=lambda _: None, may_go_on=never))
        listener.start()
        assert held.wait(SECONDS)
        listener.stop()
        assert listener.join(SECONDS)
    assert listener.counters.frames == 0


def test_anchors_come_with_the_first_audio_and_after_a_gap() -> None:
    anchors: list[Anchor] = []
    now = [100.0]

    def note(anchor: Anchor) -> None:
        anchors.append(anchor)
        now[0] += 1.0

    with writing(Rig(paced=True)) as rig:
        rig.clock = SessionClock(rig.ring, True, 60.0, lambda: now[0], lambda: now[0])
        listener = rig.listener(hooks=ListenerHooks(on_anchor=note))
        rig.ring.write(audio_of((False, 1)))
        rig.ring.write_gap(100, GapReason.DEVICE_LOST)
        rig.ring.write(audio_of((False, 1)))
        rig.ring.close()
        listener.start()
        assert listener.join(SECONDS)
    assert [anchor.sample_index for anchor in anchors] == [32_100, 32_100]


class ScriptedReader:
    """A FrameReader over frames and gaps in a list; also a clock that goes with the sample index."""

    def __init__(self, items: Sequence[Frame | Gap]) -> None:
        self._items = list(reversed(items))
        self.position = 0
        self.lag_samples = 0

    @property
    def ended(self) -> bool:
        return not self._items

    def read(self, timeout_seconds: float, at_least_samples: int = 0) -> Frame | Gap | None:
        item = self._items.pop()
        self.position = item.end if isinstance(item, Frame) else item.span.end
        return item

    def mark(self) -> tuple[int, float]:
        return self.position, self.seconds()

    def seconds(self) -> float:
        return self.position / 16_000


def storm(seconds: int) -> list[Frame | Gap]:
    """Return a device that loses every other frame."""
    items: list[Frame | Gap] = []
    for start in range(0, seconds * 16_000, 2 * FRAME_SAMPLES):
        items.append(Gap(Span(start, start + FRAME_SAMPLES), GapReason.OVERFLOW))
        items.append(Frame(start + FRAME_SAMPLES, np.zeros(FRAME_SAMPLES, np.int16), FRAME_SAMPLES))
    return items


def test_a_gap_with_every_block_makes_one_anchor_and_one_row_a_second_after_a_burst() -> None:
    reader, anchors = ScriptedReader(storm(seconds=200)), list[Anchor]()
    with writing(Rig(paced=True)) as rig:
        clock = SessionClock(reader, True, 60.0, reader.seconds, reader.seconds)
        ears = Ears(reader, LoudnessDetector(), Segmenter(EndpointSettings()))
        listener = Listener(SESSION, ears, rig.recorder, clock, rig.events, ListenerHooks(on_anchor=anchors.append))
        listener.start()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert (listener.counters.gaps, listener.counters.gap_samples) == (5000, 100 * 16_000)
    assert 190 <= len(anchors) <= 201
    assert clock.put_off > 4900
    assert 60 + 190 <= len(rig.log.gaps) <= 60 + 201
    assert rig.log.gaps[0] == Gap(Span(0, FRAME_SAMPLES), GapReason.OVERFLOW)
    assert rig.log.gaps[-1].span.end == 200 * 16_000 - FRAME_SAMPLES
    assert rig.recorder.gaps_merged == 5000 - 62  # the burst gains two rows while it lasts
    assert [kind for kind, _ in rig.log.events] == ["gaps_merged"] * 4


def test_an_utterance_does_not_end_before_it_began_when_the_wall_clock_is_set_back() -> None:
    wall = [1_000_000.0]

    def set_back(_: Anchor) -> None:
        wall[0] = 996_400.0

    with writing(Rig(paced=True)) as rig:
        rig.clock = SessionClock(rig.ring, True, 60.0, lambda: 100.0, lambda: wall[0])
        listener = rig.listener(hooks=ListenerHooks(on_anchor=set_back))
        rig.ring.write(audio_of((True, 1)))
        rig.ring.write_gap(160, GapReason.OVERFLOW)
        rig.ring.write(audio_of((True, 1)))
        rig.ring.close()
        listener.start()
        assert listener.join(SECONDS)
    (record,) = rig.store.records.values()
    assert record.ended_at - record.started_at == pytest.approx(2.01)


def test_a_fault_of_ours_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(LoudnessDetector):
        def is_speech(self, frame: Samples) -> bool:
            raise ZeroDivisionError

    failed = threading.Event()
    with writing(Rig()) as rig:
        listener = rig.listener(Broken(), ListenerHooks(on_anchor=lambda _: None, on_failure=failed.set))
        rig.ring.write(audio_of((False, 1)))
        listener.start()
        assert failed.wait(SECONDS)
        assert listener.join(SECONDS)
    assert isinstance(listener.failure, ZeroDivisionError)
    assert "the thread listener died" in caplog.text


def test_utterances_are_named_by_session_and_first_sample() -> None:
    rig = heard(blocks_of(audio_of(*SENTENCE)))
    assert rig.pending[0].ended.key == UtteranceKey(SESSION, 11_200)


def test_an_utterance_of_a_paced_source_lasts_as_long_as_it_was_spoken() -> None:
    (pending,) = heard(blocks_of(audio_of(*SENTENCE)), paced=True).pending
    assert pending.ended.ended_at - pending.ended.started_at == pytest.approx(pending.ended.span.seconds)


def test_what_a_file_says_was_heard_when_it_was_read_one_after_the_other() -> None:
    began_at = time.time()
    rig = heard(blocks_of(audio_of(*SENTENCE * 10)))
    times = [moment for pending in rig.pending for moment in (pending.ended.started_at, pending.ended.ended_at)]
    assert len(times) == 20
    moments = [began_at, *times, time.time()]
    assert moments == sorted(moments)


class AskedReader:
    """A FrameReader that hands on what another reads, and remembers how much the listener wanted to wait for."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self.asked: list[int] = []

    def read(self, timeout_seconds: float, at_least_samples: int = 0) -> Frame | Gap | None:
        self.asked.append(at_least_samples)
        return self._reader.read(timeout_seconds, at_least_samples)

    @property
    def ended(self) -> bool:
        return self._reader.ended

    @property
    def lag_samples(self) -> int:
        return self._reader.lag_samples


def asked_while_hearing(paced: bool) -> list[int]:
    audio = audio_of((False, 2.0), (True, 1.0), (False, 2.0))
    with writing(Rig(paced=paced)) as rig:
        reader = AskedReader(rig.ring.reader(start=0))
        ears = Ears(reader, LoudnessDetector(), Segmenter(EndpointSettings()))
        hooks = ListenerHooks(on_anchor=lambda _: None)
        listener = Listener(SESSION, ears, rig.recorder, rig.clock, rig.events, hooks)
        rig.hear(MemorySource(blocks_of(audio), paced=paced), listener)
    return reader.asked


def test_frames_may_gather_in_silence_and_never_while_something_is_said() -> None:
    patient = np.array(asked_while_hearing(paced=True)) > 0
    silence, speech, after = patient[:100], patient[101:150], patient[150:]
    assert not silence[:50].any()
    assert silence[51:].all()
    assert not speech.any()
    assert not after[:50].any(), "the hangover is waited out frame by frame"
    assert after[60:240].all()


def test_a_source_that_can_wait_is_never_made_to() -> None:
    assert not any(asked_while_hearing(paced=False))


class TunableDetector(SignallingDetector):
    """Keeps at which frame it was given other settings."""

    def __init__(self, frames: int = 1) -> None:
        super().__init__(frames)
        self.applied_at: list[int] = []

    def apply(self, settings: VadSettings) -> bool:
        self.applied_at.append(self.frames)
        return True


ORDER = (VadSettings(), EndpointSettings(hangover_ms=200, tail_ms=100))
"""A shorter hangover than the default."""


def test_other_settings_are_in_force_from_the_next_frame_on_while_nothing_is_said() -> None:
    audio = audio_of((False, 1.0), (True, 1.0), (False, 0.4), (True, 1.0), (False, 2.0))
    detector = TunableDetector()
    with writing(Rig()) as rig:
        listener = rig.listener(detector)
        assert listener.applied
        listener.apply(*ORDER)
        assert not listener.applied
        rig.hear(MemorySource(blocks_of(audio)), listener)
    assert listener.applied
    assert detector.applied_at == [0]
    assert len(rig.pending) == 2  # the pause of 0.4 s is within the old hangover


def test_an_utterance_keeps_the_rules_it_began_with() -> None:
    first = audio_of((False, 1.0), (True, 1.0))
    rest = audio_of((False, 0.4), (True, 1.0), (False, 1.0), (True, 1.0), (False, 0.4), (True, 1.0), (False, 2.0))
    detector = TunableDetector(frames=100)
    with writing(Rig(paced=True)) as rig:
        listener = rig.listener(detector)
        listener.start()
        rig.ring.write(first)
        assert detector.reached.wait(SECONDS)
        listener.apply(VadSettings(), EndpointSettings())
        listener.apply(*ORDER)  # of several orders the newest counts
        rig.ring.write(rest)
        rig.ring.close()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    spoken = [pending.ended.speech.seconds for pending in rig.pending]
    assert spoken == pytest.approx([2.4, 1.0, 1.0])
    (applied_at,) = detector.applied_at
    assert applied_at == 100 + 20 + 50 + 35  # when the old hangover was over


def test_settings_are_taken_over_by_what_can_take_them() -> None:
    with writing(Rig()) as rig:
        listener = rig.listener(LoudnessDetector())
        listener.apply(*ORDER)
        rig.hear(MemorySource(blocks_of(audio_of(*SENTENCE))), listener)
    assert listener.applied
    assert rig.pending[0].ended.span.end == seconds_to_samples(2.1)


class HardOfHearing(TunableDetector):
    """Takes everything for speech until it is given other settings."""

    def is_speech(self, frame: Samples) -> bool:
        super().is_speech(frame)
        return not self.applied_at


def test_settings_against_noise_that_never_ends_are_in_force_from_the_next_cut_on() -> None:
    noise = audio_of((True, 30.0))
    detector = HardOfHearing(frames=100)
    with writing(Rig(paced=True)) as rig:
        listener = rig.listener(detector)
        listener.start()
        rig.ring.write(noise[: 100 * FRAME_SAMPLES])
        assert detector.reached.wait(SECONDS)
        listener.apply(*ORDER)
        rig.ring.write(noise[100 * FRAME_SAMPLES :])
        rig.ring.close()
        assert listener.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert detector.applied_at[0] == 28_000 // 20
    assert rig.pending[0].ended.reason is EndReason.MAX_LENGTH
    assert [pending.ended.reason for pending in rig.pending[1:]] == [EndReason.HANGOVER]
    assert listener.applied


class Told:
    """Keeps what the listener's hooks are told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int]] = []
        self.speech: list[int] = []
        self.keys: set[UtteranceKey] = set()

    def hooks(self) -> ListenerHooks:
        return ListenerHooks(
            on_anchor=lambda _: None,
            on_may_end=lambda key, pause: self.note("may end", pause.speech.end, key),
            on_resumed=lambda key: self.note("resumed", 0, key),
            on_ended=lambda ended: self.note("ended", ended.speech.end, ended.key),
            on_speech=self.note_speech,
        )

    def note(self, what: str, at: int, key: UtteranceKey) -> None:
        self.said.append((what, at))
        self.keys.add(key)

    def note_speech(self, key: UtteranceKey, end: int) -> None:
        self.speech.append(end)
        self.keys.add(key)


PAUSED = ((False, 1.0), (True, 1.0), (False, 0.4), (True, 1.0), (False, 2.0))


def told(paced: bool) -> Told:
    told = Told()
    with writing(Rig(paced=paced)) as rig:
        rig.hear(MemorySource(blocks_of(audio_of(*PAUSED)), paced=paced), rig.listener(hooks=told.hooks()))
    return told


def test_it_is_told_where_an_utterance_may_end_where_it_goes_on_and_where_it_ends() -> None:
    heard = told(paced=True)
    assert heard.said == [("may end", 32_000), ("resumed", 0), ("may end", 54_400), ("ended", 54_400)]
    assert heard.keys == {UtteranceKey(SESSION, 11_200)}


def test_it_is_told_how_far_speech_has_come_frame_by_frame_and_not_in_pauses() -> None:
    speech = told(paced=True).speech
    assert speech[0] == 16_000 + 5 * FRAME_SAMPLES  # once it is an utterance
    assert speech[-1] == 54_400
    assert len(speech) == 46 + 50


def test_of_a_source_that_can_wait_nothing_is_decoded_early() -> None:
    heard = told(paced=False)
    assert [what for what, _ in heard.said if what == "may end"] == []
    assert heard.speech == []


def test_a_verdict_is_taken_between_two_frames() -> None:
    verdicts: list[Listener] = []

    def shorten(_: UtteranceKey, pause: MayEnd) -> None:
        verdicts[0].set_hangover(pause.speech.end, 200)

    with writing(Rig(paced=True)) as rig:
        listener = rig.listener(hooks=ListenerHooks(on_anchor=lambda _: None, on_may_end=shorten))
        verdicts.append(listener)
        rig.hear(MemorySource(blocks_of(audio_of(*PAUSED)), paced=True), listener)
    assert [pending.ended.speech.end for pending in rig.pending] == [32_000, 54_400]
    assert [pending.ended.span.end for pending in rig.pending] == [32_000 + 2240, 54_400 + 2240]
