"""That a pause may be the end, and verdicts on how long it is to be waited for."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.vad.script import LEVELS, SETTINGS, SPEECH, feed, hear, only, seconds
from tests.vad.test_segmenter_properties import Parts, coverage, endpoint_settings, parts, speech_mask
from voicebridge.domain.audio import Span
from voicebridge.domain.segments import Ended, MayEnd, Paused, Resumed, SegmenterEvent, Started
from voicebridge.domain.units import FRAME_SAMPLES, ms_to_samples, seconds_to_samples
from voicebridge.domain.utterance import EndReason
from voicebridge.settings import EndpointSettings
from voicebridge.vad.segmenter import Segmenter

S = seconds_to_samples
EXACT = {EndReason.HANGOVER, EndReason.GAP, EndReason.END_OF_STREAM}
"""Reasons with which the end was not sought somewhere else."""
modestly = hypothesis_settings(max_examples=120, deadline=None)


def spans(events: list[SegmenterEvent]) -> list[tuple[float, float]]:
    return [seconds(event.span) for event in only(events, MayEnd)]


def in_speech(script: str) -> float:
    return only(hear(f"{script}, silence 0.2", finish=None), MayEnd)[-1].fall_db


def test_it_is_said_when_the_pause_has_lasted_long_enough() -> None:
    assert spans(hear("speech 1, silence 0.14", finish=None)) == []
    assert spans(hear("speech 1, silence 0.16", finish=None)) == [(0.0, 1.14)]


def test_it_waits_for_the_tail_where_that_is_longer() -> None:
    settings = SETTINGS.model_copy(update={"speculate_after_ms": 100, "tail_ms": 300})
    assert spans(hear("speech 1, silence 0.28", settings, finish=None)) == []
    assert spans(hear("speech 1, silence 0.3", settings, finish=None)) == [(0.0, 1.3)]


def test_it_is_never_said_when_nobody_asks() -> None:
    assert spans(hear("speech 1, silence 3", SETTINGS.model_copy(update={"speculate_after_ms": 0}))) == []


def test_a_hangover_that_is_no_longer_than_that_ends_it_without_a_word() -> None:
    settings = SETTINGS.model_copy(update={"hangover_ms": 150})
    events = hear("speech 1, silence 1", settings)
    assert (spans(events), len(only(events, Ended))) == ([], 1)


def test_it_is_said_anew_in_the_next_pause() -> None:
    assert spans(hear("speech 1, silence 0.5, speech 1, silence 0.5", finish=None)) == [(0.0, 1.14), (0.0, 2.64)]


def test_it_is_not_said_of_a_candidate() -> None:
    assert spans(hear("speech 0.04, silence 0.5, speech 0.04, silence 2")) == []


def test_it_is_not_said_in_a_gap_but_after_it() -> None:
    assert spans(hear("speech 1, silence 0.04, gap 0.3", finish=None)) == []
    events = hear("speech 1, silence 0.04, gap 0.3, silence 2")
    assert spans(events) == [seconds(ended.span) for ended in only(events, Ended)] == [(0.0, 1.14)]


def test_a_gap_that_is_the_end_is_not_foretold() -> None:
    events = hear("speech 1, silence 0.04, gap 30")
    assert (spans(events), [seconds(ended.span) for ended in only(events, Ended)]) == ([], [(0.0, 1.04)])


def test_speech_right_after_a_gap_has_no_end_before_it() -> None:
    assert spans(hear("speech 1, gap 0.5, speech 1", finish=None)) == []


def test_what_is_left_of_a_cut_may_end_too() -> None:
    events = hear("speech 9, gap 0.02, speech 0.8, silence 0.4", finish=None)
    assert spans(events)[-1] == (9.02, 9.96)


def test_the_fall_compares_the_last_200_ms_of_speech_with_the_600_before() -> None:
    assert in_speech("speech 0.6, murmur 0.2") == pytest.approx(7.96, abs=0.01)  # 400 against 1000
    assert in_speech("murmur 0.6, speech 0.2") == pytest.approx(-7.96, abs=0.01)
    assert in_speech("murmur 5, speech 0.6, murmur 0.2") == pytest.approx(7.96, abs=0.01)
    assert in_speech("speech 3") == 0.0


def test_pauses_within_the_speech_do_not_count_for_the_fall() -> None:
    assert in_speech("speech 0.6, silence 0.4, murmur 0.2") == pytest.approx(7.96, abs=0.01)


def test_a_piece_may_be_partly_in_the_close_and_partly_before_it() -> None:
    # The close is 0.1 s of each; the body 0.6 s of speech.
    assert in_speech("speech 0.7, murmur 0.1") == pytest.approx(2.37, abs=0.01)


def test_too_little_speech_has_no_fall() -> None:
    assert in_speech("speech 0.5, murmur 0.2") == 0.0


class Judged:
    """A segmenter that was brought into its first pause, at 1.2 s."""

    def __init__(self, script: str = "speech 1, silence 0.2") -> None:
        self.segmenter = Segmenter(SETTINGS)
        self.position = 0
        self.hear(script)

    def hear(self, script: str) -> list[SegmenterEvent]:
        said = []
        for name, length in (part.split() for part in script.split(",")):
            said += feed(self.segmenter, [(name, S(float(length)))], self.position)
            self.position += S(float(length))
        return said


def test_a_shorter_hangover_ends_the_present_pause_earlier_with_the_same_span() -> None:
    judged = Judged()
    judged.segmenter.set_hangover(S(1.0), 400)
    assert judged.hear("silence 0.18") == []
    (ended,) = only(judged.hear("silence 0.02"), Ended)
    assert (seconds(ended.span), ended.reason) == ((0.0, 1.14), EndReason.HANGOVER)


def test_a_longer_hangover_lets_speech_go_on() -> None:
    judged = Judged()
    judged.segmenter.set_hangover(S(1.0), 1500)
    assert only(judged.hear("silence 1.2"), Ended) == []
    assert judged.hear("speech 1")[0] == Resumed(S(2.4))


def test_the_next_pause_has_the_hangover_of_the_settings_again() -> None:
    judged = Judged()
    judged.segmenter.set_hangover(S(1.0), 1500)
    judged.hear("silence 0.8, speech 1, silence 0.68")
    (ended,) = only(judged.hear("silence 0.02"), Ended)
    assert seconds(ended.speech) == (0.0, 3.0)


def test_a_hangover_that_is_over_already_ends_it_at_the_next_push_even_if_that_is_speech() -> None:
    judged = Judged("speech 1, silence 0.5")
    judged.segmenter.set_hangover(S(1.0), 400)
    ended, started = judged.hear("speech 0.1")
    assert isinstance(ended, Ended)
    assert (seconds(ended.span), ended.reason) == ((0.0, 1.14), EndReason.HANGOVER)
    assert started == Started(S(1.2))


def test_a_verdict_on_another_pause_changes_nothing() -> None:
    judged = Judged()
    judged.segmenter.set_hangover(S(0.98), 200)
    judged.hear("silence 0.2, speech 1, silence 0.2")
    judged.segmenter.set_hangover(S(1.0), 200)
    assert only(judged.hear("silence 0.48"), Ended) == []
    assert len(only(judged.hear("silence 0.02"), Ended)) == 1


def test_a_verdict_that_comes_after_the_end_or_for_a_candidate_changes_nothing() -> None:
    judged = Judged("speech 1, silence 1")
    judged.segmenter.set_hangover(S(1.0), 5000)
    judged.hear("speech 0.02")
    judged.segmenter.set_hangover(S(2.02), 5000)
    assert len(judged.hear("silence 0.7")) == 1


def test_no_verdict_makes_the_tail_shorter() -> None:
    judged = Judged("speech 1, silence 0.06")
    judged.segmenter.set_hangover(S(1.0), 0)
    (ended,) = only(judged.hear("silence 0.5"), Ended)
    assert seconds(ended.span) == (0.0, 1.14)


def test_pre_roll_does_not_reach_into_a_long_gap_that_a_verdict_outlasted() -> None:
    judged = Judged()
    judged.segmenter.set_hangover(S(1.0), 1500)
    judged.hear("gap 1.2, silence 0.06")
    judged.segmenter.set_hangover(S(1.0), 1100)
    (ended, started) = judged.hear("speech 0.2")
    assert isinstance(ended, Ended)
    assert seconds(ended.span) == (0.0, 1.14)
    assert started == Started(S(2.4))


def judged_events(
    settings: EndpointSettings, heard: Parts, verdicts: Sequence[int | None], piece_samples: int = FRAME_SAMPLES
) -> list[SegmenterEvent]:
    """Feed parts; at the next push after each MayEnd a verdict from the list is given, or none."""
    segmenter, position, left = Segmenter(settings), 0, list(verdicts)
    events: list[SegmenterEvent] = []
    for name, samples in heard:
        end = position + samples
        while position < end:
            piece = samples if name == "gap" else min(piece_samples, end - position)
            if name == "gap":
                said = list(segmenter.gap(Span(position, end)))
            else:
                said = list(segmenter.push(position, piece, name in SPEECH, LEVELS[name]))
            for may_end in only(said, MayEnd):
                verdict = left.pop() if left else None
                if verdict is not None:
                    segmenter.set_hangover(may_end.speech.end, verdict)
            events += said
            position += piece
    return [*events, *segmenter.finish(EndReason.END_OF_STREAM)]


verdict_lists = st.lists(st.one_of(st.none(), st.integers(0, 3000)), max_size=12)


@modestly
@given(endpoint_settings(), parts, verdict_lists)
def test_an_end_is_what_was_foretold_whatever_the_hangover(
    settings: EndpointSettings, heard: Parts, verdicts: Sequence[int | None]
) -> None:
    foretold: MayEnd | None = None
    for event in judged_events(settings, heard, verdicts):
        match event:
            case MayEnd():
                assert foretold is None, "said twice in one pause"
                foretold = event
            case Started() | Paused() | Resumed():
                foretold = None
            case Ended() if foretold is not None and event.reason in EXACT:
                assert (event.span, event.speech) == (foretold.span, foretold.speech)


@modestly
@given(endpoint_settings(min_speech_ms=0), parts, verdict_lists)
def test_whatever_the_verdicts_every_speech_sample_is_in_exactly_one_utterance(
    settings: EndpointSettings, heard: Parts, verdicts: Sequence[int | None]
) -> None:
    mask = speech_mask(heard)
    events = judged_events(settings, heard, verdicts)
    assert (coverage(events, mask.size)[mask] == 1).all()
    assert coverage(events, mask.size).max(initial=0) <= 1
    assert all(one.span.samples <= ms_to_samples(settings.max_utterance_ms) for one in only(events, Ended))


@modestly
@given(endpoint_settings(), parts, st.sampled_from([FRAME_SAMPLES, 77, 10**6]))
def test_a_verdict_for_the_hangover_of_the_settings_changes_nothing(
    settings: EndpointSettings, heard: Parts, piece_samples: int
) -> None:
    same = [settings.hangover_ms] * 1000
    assert judged_events(settings, heard, same, piece_samples) == judged_events(settings, heard, [])


@modestly
@given(endpoint_settings(), parts, st.integers(1, 1500))
def test_asking_changes_nothing_of_what_is_heard(
    settings: EndpointSettings, heard: Parts, speculate_after_ms: int
) -> None:
    asked = settings.model_copy(update={"speculate_after_ms": speculate_after_ms})
    silent = settings.model_copy(update={"speculate_after_ms": 0})
    events = judged_events(asked, heard, [])
    assert [event for event in events if not isinstance(event, MayEnd)] == judged_events(silent, heard, [])
