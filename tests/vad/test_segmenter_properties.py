"""What holds of the segmenter whatever it hears and however it is set."""

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.vad.script import LEVELS, SPEECH, feed, only
from voicebridge.domain.audio import Span
from voicebridge.domain.segments import Discarded, Ended, MayEnd, Paused, Resumed, SegmenterEvent, Started
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLES_PER_MS, ms_to_samples
from voicebridge.domain.utterance import EndReason
from voicebridge.settings import EndpointSettings
from voicebridge.vad.segmenter import Segmenter

UNIT_SAMPLES = 2 * FRAME_SAMPLES
Parts = list[tuple[str, int]]
modestly = hypothesis_settings(max_examples=150, deadline=None)

parts = st.lists(
    st.tuples(st.sampled_from(sorted(LEVELS)), st.integers(1, 30).map(lambda units: units * UNIT_SAMPLES)), max_size=40
)


@st.composite
def endpoint_settings(draw: st.DrawFn, min_speech_ms: int | None = None) -> EndpointSettings:
    hangover_ms = draw(st.integers(100, 1500))
    max_ms = draw(st.integers(2000, 6000))
    pre_roll_ms = draw(st.integers(0, 800))
    minimum_ms = draw(st.integers(0, 800)) if min_speech_ms is None else min_speech_ms
    return EndpointSettings(
        pre_roll_ms=pre_roll_ms,
        min_speech_ms=minimum_ms,
        hangover_ms=hangover_ms,
        tail_ms=draw(st.integers(0, hangover_ms)),
        speculate_after_ms=draw(st.one_of(st.just(0), st.integers(1, 800))),
        max_utterance_ms=max_ms,
        cut_search_ms=draw(st.integers(100, max_ms - pre_roll_ms - minimum_ms - 1)),
    )


def hear(
    settings: EndpointSettings, heard: Parts, begin: int = 0, piece_samples: int = FRAME_SAMPLES
) -> list[SegmenterEvent]:
    segmenter = Segmenter(settings)
    events = feed(segmenter, heard, begin, piece_samples)
    return [*events, *segmenter.finish(EndReason.END_OF_STREAM)]


def speech_mask(heard: Parts) -> np.ndarray:
    return np.concatenate([np.full(samples, name in SPEECH) for name, samples in [*heard, ("silence", 0)]])


def coverage(events: list[SegmenterEvent], samples: int) -> np.ndarray:
    """Return for each sample how many utterances hold it."""
    count = np.zeros(samples, int)
    for ended in only(events, Ended):
        count[ended.span.start : ended.span.end] += 1
    return count


@modestly
@given(endpoint_settings(), parts)
def test_utterances_are_ordered_disjoint_within_bounds_and_not_too_long(
    settings: EndpointSettings, heard: Parts
) -> None:
    total = sum(samples for _, samples in heard)
    last_end = 0
    for ended in only(hear(settings, heard), Ended):
        assert last_end <= ended.span.start <= ended.speech.start < ended.speech.end <= ended.span.end <= total
        assert ended.span.samples <= ms_to_samples(settings.max_utterance_ms)
        assert ended.speech.start - ended.span.start <= ms_to_samples(settings.pre_roll_ms)
        last_end = ended.span.end


@modestly
@given(endpoint_settings(min_speech_ms=0), parts)
def test_without_a_minimum_every_speech_sample_is_in_exactly_one_utterance(
    settings: EndpointSettings, heard: Parts
) -> None:
    mask = speech_mask(heard)
    events = hear(settings, heard)
    assert only(events, Discarded) == []
    assert (coverage(events, mask.size)[mask] == 1).all()


@modestly
@given(endpoint_settings(), parts)
def test_speech_outside_of_utterances_was_discarded(settings: EndpointSettings, heard: Parts) -> None:
    mask = speech_mask(heard)
    events = hear(settings, heard)
    lost = mask & (coverage(events, mask.size) == 0)
    discarded = only(events, Discarded)
    assert bool(lost.any()) == bool(discarded)
    assert all(lost[one.start] for one in discarded)
    # Less than the minimum for each that was discarded, and each lost sample after the start of one.
    assert lost.sum() <= len(discarded) * ms_to_samples(settings.min_speech_ms)
    assert not discarded or np.flatnonzero(lost)[0] == discarded[0].start


@modestly
@given(endpoint_settings(), parts)
def test_the_speech_ratio_is_the_share_of_speech_in_the_span(settings: EndpointSettings, heard: Parts) -> None:
    mask = speech_mask(heard)
    for ended in only(hear(settings, heard), Ended):
        assert ended.speech_ratio == mask[ended.span.start : ended.span.end].mean()
        assert mask[ended.speech.start]
        assert mask[ended.speech.end - 1]


@modestly
@given(endpoint_settings(), parts, st.sampled_from([FRAME_SAMPLES // 2, 2 * FRAME_SAMPLES, 7 * SAMPLES_PER_MS, 10**6]))
def test_the_chunking_does_not_matter(settings: EndpointSettings, heard: Parts, piece_samples: int) -> None:
    assert hear(settings, heard, piece_samples=piece_samples) == hear(settings, heard)


@modestly
@given(endpoint_settings(), parts, st.integers(1, 10**12))
def test_the_place_of_the_beginning_does_not_matter(settings: EndpointSettings, heard: Parts, begin: int) -> None:
    assert hear(settings, heard, begin=begin) == [moved(event, begin) for event in hear(settings, heard)]


def moved(event: SegmenterEvent, by: int) -> SegmenterEvent:
    match event:
        case Started(start):
            return Started(start + by)
        case Discarded(start):
            return Discarded(start + by)
        case Paused(at):
            return Paused(at + by)
        case Resumed(at):
            return Resumed(at + by)
        case MayEnd(span, speech, fall_db):
            span, speech = (Span(one.start + by, one.end + by) for one in (span, speech))
            return MayEnd(span, speech, fall_db)
        case Ended(span, speech, ratio, reason):
            span, speech = (Span(one.start + by, one.end + by) for one in (span, speech))
            return Ended(span, speech, ratio, reason)


@modestly
@given(endpoint_settings(), parts)
def test_events_follow_each_other_as_the_words_say(settings: EndpointSettings, heard: Parts) -> None:
    """Started, then paused and resumed by turns, then ended with the same start; discarded only between utterances.

    In a pause it is said at most once that it may be the end.
    """
    start, paused, asked = None, False, False
    for event in hear(settings, heard):
        match event:
            case Started():
                assert start is None
                start, paused = event.start, False
            case Paused():
                assert start is not None
                assert not paused
                paused, asked = True, False
            case MayEnd():
                assert start == event.span.start
                assert paused
                assert not asked
                asked = True
            case Resumed():
                assert start is not None
                assert paused
                paused = False
            case Ended():
                assert start == event.span.start
                start = None
            case Discarded():
                assert start is None
    assert start is None


@modestly
@given(endpoint_settings(), parts)
def test_after_a_pause_the_utterance_ends_where_the_pause_said(settings: EndpointSettings, heard: Parts) -> None:
    paused_at = None
    for event in hear(settings, heard):
        if isinstance(event, Paused):
            paused_at = event.at
        elif isinstance(event, Resumed | Started):
            paused_at = None
        elif isinstance(event, Ended) and event.reason in {EndReason.HANGOVER, EndReason.GAP}:
            assert event.speech.end == paused_at
