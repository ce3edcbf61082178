from itertools import pairwise

import pytest

from tests.vad.script import SETTINGS, feed, hear, only, seconds
from voicebridge.domain.audio import Span
from voicebridge.domain.segments import Discarded, Ended, MayEnd, Paused, Resumed, Started
from voicebridge.domain.units import ms_to_samples, seconds_to_samples
from voicebridge.domain.utterance import EndReason
from voicebridge.vad.segmenter import Segmenter

S = seconds_to_samples


def test_silence_says_nothing() -> None:
    assert hear("silence 60") == []


def test_nothing_at_all_says_nothing() -> None:
    assert Segmenter(SETTINGS).finish(EndReason.END_OF_STREAM) == []


def test_an_utterance_is_started_paused_and_ended() -> None:
    assert hear("silence 1, speech 2, silence 2") == [
        Started(S(0.7)),
        Paused(S(3.0)),
        MayEnd(Span(S(0.7), S(3.14)), Span(S(1.0), S(3.0)), 0.0),
        Ended(Span(S(0.7), S(3.14)), Span(S(1.0), S(3.0)), S(2) / S(2.44), EndReason.HANGOVER),
    ]


def test_it_is_started_when_its_speech_amounts_to_the_minimum() -> None:
    assert hear("silence 1, speech 0.08", finish=None) == []
    assert hear("silence 1, speech 0.1", finish=None) == [Started(S(0.7))]


def test_the_minimum_may_come_in_parts() -> None:
    assert hear("silence 1, speech 0.06, silence 0.5, speech 0.04", finish=None) == [Started(S(0.7))]


def test_too_little_speech_is_discarded() -> None:
    assert hear("silence 1, speech 0.08, silence 2") == [Discarded(S(1.0))]


def test_without_a_minimum_one_frame_is_an_utterance() -> None:
    settings = SETTINGS.model_copy(update={"min_speech_ms": 0})
    events = hear("silence 1, speech 0.02, silence 2", settings)
    assert [seconds(ended.span) for ended in only(events, Ended)] == [(0.7, 1.16)]


def test_it_ends_when_exactly_the_hangover_has_passed() -> None:
    assert only(hear("speech 1, silence 0.68", finish=None), Ended) == []
    assert len(only(hear("speech 1, silence 0.7", finish=None), Ended)) == 1


def test_speech_within_the_hangover_goes_on() -> None:
    events = hear("speech 1, silence 0.68, speech 1, silence 1")
    assert [event for event in events if not isinstance(event, MayEnd)][:4] == [
        Started(0),
        Paused(S(1.0)),
        Resumed(S(1.68)),
        Paused(S(2.68)),
    ]
    assert [seconds(ended.speech) for ended in only(events, Ended)] == [(0.0, 2.68)]


def test_a_pause_is_said_once() -> None:
    assert len(only(hear("speech 1, silence 0.3, hum 0.3"), Paused)) == 1


def test_no_pause_is_said_of_a_candidate() -> None:
    events = hear("speech 0.04, silence 0.2, speech 0.04, silence 0.2, speech 0.04", finish=None)
    assert events == [Started(0)]


def test_pre_roll_does_not_reach_before_the_beginning() -> None:
    assert hear("silence 0.1, speech 1", finish=None) == [Started(0)]
    assert hear("silence 0.1, speech 1", begin=S(5), finish=None) == [Started(S(5))]


def test_pre_roll_does_not_reach_into_the_utterance_before() -> None:
    settings = SETTINGS.model_copy(update={"pre_roll_ms": 2000, "tail_ms": 700})
    first, second = only(hear("silence 3, speech 1, silence 1, speech 1", settings), Ended)
    assert seconds(first.span) == (1.0, 4.7)
    assert seconds(second.span) == (4.7, 6.0)


def test_pre_roll_does_not_reach_into_what_was_discarded() -> None:
    settings = SETTINGS.model_copy(update={"pre_roll_ms": 2000})
    (ended,) = only(hear("silence 1, speech 0.06, silence 0.8, speech 1", settings), Ended)
    assert seconds(ended.span) == (1.06, 2.86)


def test_the_end_of_the_stream_ends_an_utterance_without_inventing_a_tail() -> None:
    events = hear("speech 1, silence 0.06")
    assert events[-1] == Ended(Span(0, S(1.06)), Span(0, S(1.0)), S(1) / S(1.06), EndReason.END_OF_STREAM)


def test_a_stop_ends_an_utterance() -> None:
    (ended,) = only(hear("speech 1", finish=EndReason.STOPPED), Ended)
    assert ended.reason is EndReason.STOPPED


def test_the_end_of_the_stream_discards_a_candidate() -> None:
    assert hear("speech 0.06") == [Discarded(0)]


def test_what_ended_does_not_end_twice() -> None:
    segmenter = Segmenter(SETTINGS)
    segmenter.push(0, S(1), is_speech=True, level=1)
    assert len(segmenter.finish(EndReason.STOPPED)) == 1
    assert segmenter.finish(EndReason.STOPPED) == []


def test_the_last_frame_of_a_file_may_be_short() -> None:
    segmenter = Segmenter(SETTINGS)
    segmenter.push(0, 3200, is_speech=True, level=1)
    segmenter.push(3200, 7, is_speech=True, level=1)
    (ended,) = segmenter.finish(EndReason.END_OF_STREAM)
    assert ended == Ended(Span(0, 3207), Span(0, 3207), 1.0, EndReason.END_OF_STREAM)


@pytest.mark.parametrize("start", [319, 321])
def test_a_frame_that_does_not_follow_is_refused(start: int) -> None:
    segmenter = Segmenter(SETTINGS)
    segmenter.push(0, 320, is_speech=False, level=0)
    with pytest.raises(ValueError, match="320 expected"):
        segmenter.push(start, 320, is_speech=False, level=0)


def test_a_short_gap_does_not_cut_an_utterance() -> None:
    (ended,) = only(hear("speech 1, gap 0.5, speech 1, silence 1"), Ended)
    assert seconds(ended.speech) == (0.0, 2.5)
    assert ended.speech_ratio == pytest.approx(2 / 2.64)


def test_a_short_gap_is_a_pause() -> None:
    assert hear("speech 1, gap 0.5, speech 1", finish=None)[1:] == [Paused(S(1.0)), Resumed(S(1.5))]


def test_a_long_gap_ends_an_utterance_where_hearing_ended() -> None:
    events = hear("speech 1, silence 0.04, gap 30")
    assert events[-1] == Ended(Span(0, S(1.04)), Span(0, S(1.0)), S(1) / S(1.04), EndReason.GAP)


def test_a_hangover_that_runs_out_in_a_gap_ends_by_the_gap() -> None:
    (ended,) = only(hear("speech 1, silence 0.5, gap 0.3, silence 1"), Ended)
    assert (seconds(ended.span), ended.reason) == ((0.0, 1.14), EndReason.GAP)


def test_a_hangover_that_runs_out_after_a_gap_ends_by_silence() -> None:
    (ended,) = only(hear("speech 1, silence 0.5, gap 0.1, silence 1"), Ended)
    assert ended.reason is EndReason.HANGOVER


def test_a_gap_discards_a_candidate() -> None:
    assert hear("speech 0.06, gap 1") == [Discarded(0)]


def test_pre_roll_does_not_reach_into_a_long_gap() -> None:
    assert hear("silence 1, gap 1, silence 0.1, speech 1", finish=None) == [Started(S(2.0))]


def test_pre_roll_reaches_over_a_short_gap() -> None:
    assert hear("silence 1, gap 0.1, silence 0.1, speech 1", finish=None) == [Started(S(0.9))]


def test_a_stream_may_begin_with_a_gap() -> None:
    assert hear("gap 0.1, speech 1", begin=S(3), finish=None) == [Started(S(3.0))]


def test_long_speech_is_cut_at_its_quietest_frame_and_goes_on_at_once() -> None:
    events = hear("speech 9, murmur 0.02, speech 3, silence 1")
    assert events[:3] == [
        Started(0),
        Ended(Span(0, S(9.02)), Span(0, S(9.02)), 1.0, EndReason.MAX_LENGTH),
        Started(S(9.02)),
    ]
    assert [seconds(ended.span) for ended in only(events, Ended)] == [(0.0, 9.02), (9.02, 12.16)]


def test_the_cut_is_sought_only_in_the_last_stretch() -> None:
    (first, *_) = only(hear("speech 7, murmur 0.02, speech 2, silence 0.02, speech 2"), Ended)
    assert seconds(first.span) == (0.0, 9.04)


def test_a_frame_that_ends_where_the_search_begins_is_no_place_to_cut() -> None:
    (first, *_) = only(hear("speech 7.98, murmur 0.02, speech 3"), Ended)
    assert seconds(first.span) == (0.0, 10.0)


def test_of_equally_quiet_frames_the_latest_is_cut() -> None:
    (first, *_) = only(hear("speech 8.5, murmur 0.2, speech 0.4, murmur 0.2, speech 3"), Ended)
    assert seconds(first.span) == (0.0, 9.3)


def test_a_cut_in_a_pause_leaves_the_pause_to_the_first() -> None:
    first, second = only(hear("speech 8.5, silence 0.4, speech 3"), Ended)
    assert (seconds(first.span), seconds(first.speech)) == ((0.0, 8.9), (0.0, 8.5))
    assert first.speech_ratio == pytest.approx(8.5 / 8.9)
    assert seconds(second.span) == (8.9, 11.9)


def test_what_follows_a_cut_starts_no_more_than_the_pre_roll_before_its_speech() -> None:
    first, second = only(hear("speech 8.5, silence 0.02, hum 0.6, speech 3"), Ended)
    assert seconds(first.span) == (0.0, 8.52)
    assert seconds(second.span) == pytest.approx((8.82, 12.12))


def test_what_follows_a_cut_is_paused_if_it_is() -> None:
    events = hear("speech 9, gap 0.02, speech 0.8, silence 0.4", finish=None)
    assert events[-3:] == [
        Started(S(9.02)),
        Paused(S(9.82)),
        MayEnd(Span(S(9.02), S(9.96)), Span(S(9.02), S(9.82)), 0.0),
    ]


def test_speech_after_a_cut_needs_no_minimum() -> None:
    events = hear("speech 9.94, murmur 0.02, speech 0.08, silence 1")
    assert [seconds(ended.speech) for ended in only(events, Ended)] == [(0.0, 9.96), (9.96, 10.04)]
    assert only(events, Discarded) == []


def test_speech_that_goes_on_right_at_the_cut_needs_no_minimum() -> None:
    events = hear("speech 10.04, silence 1")
    assert [seconds(ended.speech) for ended in only(events, Ended)] == [(0.0, 10.0), (10.0, 10.04)]


def test_speech_that_goes_on_within_the_hangover_of_a_cut_needs_no_minimum() -> None:
    events = hear("speech 9.7, silence 0.5, speech 0.04, silence 1")
    assert [seconds(ended.span) for ended in only(events, Ended)] == [(0.0, 10.0), (10.0, 10.38)]


def test_speech_long_after_a_cut_needs_its_minimum() -> None:
    events = hear("speech 9.7, silence 0.8, speech 0.04, silence 1")
    assert events[-1] == Discarded(S(10.5))


def test_a_cut_with_only_silence_after_it_leaves_nothing_open() -> None:
    events = hear("speech 9.7, silence 0.02, hum 2")
    assert [seconds(ended.span) for ended in only(events, Ended)] == [(0.0, 9.72)]
    assert len(only(events, Started)) == 1


def test_hours_of_speech_become_utterances_without_a_hole() -> None:
    ended = only(hear("speech 600"), Ended)
    assert sum(one.speech.samples for one in ended) == S(600)
    assert all(first.span.end == second.span.start for first, second in pairwise(ended))


def test_an_utterance_that_reaches_the_limit_as_its_hangover_ends_is_not_cut() -> None:
    (ended,) = only(hear("speech 9.3, silence 3"), Ended)
    assert ended.reason is EndReason.HANGOVER


def test_a_candidate_at_the_limit_is_discarded_but_for_what_follows_the_cut() -> None:
    settings = SETTINGS.model_copy(update={"min_speech_ms": 2000, "hangover_ms": 5000, "pre_roll_ms": 0})
    events = hear("speech 0.2, silence 4, speech 0.2, silence 4, hum 0.5, speech 4, silence 6", settings)
    assert events[:3] == [Discarded(0), Started(S(8.9)), Paused(S(12.9))]
    assert [seconds(ended.speech) for ended in only(events, Ended)] == [(8.9, 12.9)]


def test_milliseconds_are_counted_in_samples_not_in_frames() -> None:
    settings = SETTINGS.model_copy(update={"pre_roll_ms": 33, "hangover_ms": 333, "tail_ms": 77})
    (ended,) = only(hear("silence 1, speech 1, silence 1", settings), Ended)
    assert ended.span == Span(S(1) - ms_to_samples(33), S(2) + ms_to_samples(77))


def test_other_limits_are_refused_while_something_is_open_and_taken_when_it_is_over() -> None:
    segmenter, other = Segmenter(SETTINGS), SETTINGS.model_copy(update={"hangover_ms": 300})
    feed(segmenter, [("silence", S(1)), ("speech", S(0.02))], 0)
    assert not segmenter.apply(other)  # not confirmed yet, and yet begun
    feed(segmenter, [("speech", S(1)), ("silence", S(0.68))], S(1.02))
    assert not segmenter.apply(other)
    assert len(only(feed(segmenter, [("silence", S(0.02))], S(2.70)), Ended)) == 1
    assert segmenter.apply(other)
    events = feed(segmenter, [("speech", S(1)), ("silence", S(0.3))], S(2.72))
    assert [seconds(ended.speech) for ended in only(events, Ended)] == [(2.72, 3.72)]


def test_what_was_cut_goes_on_by_the_limits_it_began_with() -> None:
    segmenter, other = Segmenter(SETTINGS), SETTINGS.model_copy(update={"max_utterance_ms": 5000})
    assert len(only(feed(segmenter, [("speech", S(10.5))], 0), Ended)) == 1
    assert not segmenter.apply(other)


def test_limits_that_change_between_utterances_leave_no_hole_and_no_overlap() -> None:
    segmenter, events, position = Segmenter(SETTINGS), [], 0
    for pre_roll_ms in (2000, 0, 2000):
        assert segmenter.apply(SETTINGS.model_copy(update={"pre_roll_ms": pre_roll_ms}))
        events += only(feed(segmenter, [("speech", S(1)), ("silence", S(0.7))], position), Ended)
        position += S(1.7)
    assert [seconds(ended.span) for ended in events] == [(0.0, 1.14), (1.7, 2.84), (2.84, 4.54)]
