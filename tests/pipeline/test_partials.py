from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.audio import Span
from voicebridge.domain.events import PartialHeard
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.pipeline.agreement import Agreed, Agreement
from voicebridge.pipeline.partials import LEAST_SAMPLES, Partials
from voicebridge.settings import PartialsSettings

KEY, NEXT_KEY = UtteranceKey(1, 8000), UtteranceKey(1, 90_000)
SPAN = Span(8000, 24_000)
ALWAYS = PartialsSettings(mode="on", every_ms=500, load_share=0.5)


def partials_of(rules: PartialsSettings = ALWAYS) -> Partials:
    return Partials(rules, lambda: False)


def decode(partials: Partials, began: float, ended: float) -> None:
    assert partials.begins(began, KEY)
    partials.ends(ended)


@pytest.mark.parametrize(
    ("mode", "suits", "read", "wanted"),
    [
        ("off", True, True, False),
        ("auto", True, True, True),
        ("auto", True, False, False),
        ("auto", False, True, False),
        ("on", False, False, True),
    ],
)
def test_they_are_wanted_as_the_mode_says(mode: str, suits: bool, read: bool, wanted: bool) -> None:
    partials = Partials(PartialsSettings.model_validate({"mode": mode}), lambda: read, suits=suits)
    assert partials.wanted is wanted
    assert partials.due(0.0, KEY, SPAN) is wanted


def test_readers_come_and_go_while_it_runs() -> None:
    reading = [False]
    partials = Partials(PartialsSettings(mode="auto"), lambda: reading[0])
    assert not partials.due(0.0, KEY, SPAN)
    reading[0] = True
    assert partials.due(0.1, KEY, SPAN)
    reading[0] = False
    assert not partials.begins(0.2, KEY)
    assert partials.counters.dropped == 1


def test_the_next_order_is_due_after_the_shortest_time() -> None:
    partials = partials_of()
    assert partials.due(10.0, KEY, SPAN)
    assert not partials.due(10.49, KEY, Span(8000, 32_000))
    assert partials.due(10.5, KEY, Span(8000, 32_000))


def test_nothing_is_due_while_one_is_decoded() -> None:
    partials = partials_of()
    assert partials.due(10.0, KEY, SPAN)
    assert partials.begins(10.0, KEY)
    assert not partials.due(19.0, KEY, Span(8000, 160_000))


def test_after_a_decode_the_engine_rests_as_its_share_says() -> None:
    partials = partials_of(ALWAYS.model_copy(update={"load_share": 0.25}))
    decode(partials, 10.0, 12.0)  # 2 s are a quarter of 8 s
    assert not partials.due(17.99, KEY, SPAN)
    assert not partials.begins(17.99, KEY)
    assert partials.due(18.0, KEY, SPAN)


def test_after_a_quick_decode_the_shortest_time_between_two_starts_counts() -> None:
    partials = partials_of()
    decode(partials, 10.0, 10.01)
    assert not partials.due(10.49, KEY, SPAN)
    assert partials.due(10.5, KEY, SPAN)


def test_audio_that_holds_nothing_new_is_not_due() -> None:
    partials = partials_of()
    assert partials.due(10.0, KEY, SPAN)
    assert not partials.due(20.0, KEY, SPAN)
    assert partials.due(20.0, NEXT_KEY, Span(90_000, 100_000))


def test_less_than_a_word_is_not_due() -> None:
    partials = partials_of()
    assert not partials.due(0.0, KEY, Span(8000, 8000 + LEAST_SAMPLES - 1))
    assert partials.due(0.0, KEY, Span(8000, 8000 + LEAST_SAMPLES))


def test_an_utterance_that_has_ended_is_neither_due_nor_decoded_nor_told() -> None:
    partials = partials_of()
    assert partials.due(0.0, KEY, SPAN)
    partials.forget(KEY)
    assert not partials.begins(0.1, KEY)
    assert not partials.due(1.0, KEY, Span(8000, 32_000))
    assert partials.heard(KEY, "turn on", 24_000) is None
    assert (partials.counters.dropped, partials.counters.late) == (1, 1)


def test_an_end_that_comes_late_leaves_the_next_utterance_alone() -> None:
    partials = partials_of()
    partials.heard(NEXT_KEY, "turn on", 99_000)
    partials.forget(KEY)
    assert partials.heard(NEXT_KEY, "turn on the", 104_000) == PartialHeard(NEXT_KEY, "turn on", " the", 104_000)


def test_a_decode_of_an_utterance_before_the_open_one_is_late() -> None:
    partials = partials_of()
    partials.heard(NEXT_KEY, "turn on", 99_000)
    assert partials.heard(KEY, "never mind", 24_000) is None


def test_what_two_decodes_agree_on_is_told_as_stable() -> None:
    partials = partials_of()
    assert partials.heard(KEY, "Turn on", 24_000) == PartialHeard(KEY, "", "Turn on", 24_000)
    assert partials.heard(KEY, "Turn on the", 32_000) == PartialHeard(KEY, "Turn on", " the", 32_000)
    assert (partials.counters.words_committed, partials.counters.stable_revisions) == (2, 0)


def test_the_next_utterance_begins_with_nothing_stable() -> None:
    partials = partials_of()
    partials.heard(KEY, "turn on", 24_000)
    assert partials.heard(NEXT_KEY, "turn on", 99_000) == PartialHeard(NEXT_KEY, "", "turn on", 99_000)


def test_settings_change_while_it_runs() -> None:
    partials = partials_of()
    assert partials.due(10.0, KEY, SPAN)
    partials.apply(PartialsSettings(mode="off"))
    assert not partials.due(20.0, KEY, Span(8000, 32_000))
    partials.apply(PartialsSettings(mode="on", every_ms=1000, load_share=1))
    decode(partials, 20.0, 20.5)
    assert not partials.due(20.99, KEY, Span(8000, 32_000))
    assert partials.due(21.0, KEY, Span(8000, 32_000))


def test_what_decodes_cost_is_counted_also_those_that_failed() -> None:
    partials = partials_of()
    decode(partials, 10.0, 10.25)
    assert partials.begins(11.0, KEY)
    partials.ends(11.25, failed=True)
    partials.ends(12.0)  # nothing is under way
    counters = partials.counters
    assert (counters.decoded, counters.failed, counters.decode_seconds) == (1, 1, 0.5)


class Flickering(Agreement):
    """An agreement that does not keep its promise."""

    def take(self, text: str) -> Agreed:
        return Agreed(text, "", 1, cut=False)


def test_a_stable_text_that_changed_would_be_counted() -> None:
    partials = Partials(ALWAYS, lambda: True, agreement=Flickering)
    for text in ("turn", "turn on", "burn on"):
        partials.heard(KEY, text, 24_000)
    assert partials.counters.stable_revisions == 1


@given(
    st.lists(st.tuples(st.floats(0.001, 3), st.floats(0, 5)), min_size=2, max_size=30),
    st.floats(0.05, 1),
    st.integers(200, 10_000),
)
@settings(max_examples=100)
def test_partials_never_take_more_than_their_share(
    course: list[tuple[float, float]], share: float, every_ms: int
) -> None:
    partials = partials_of(PartialsSettings(mode="on", load_share=share, every_ms=every_ms))
    now, decodes = 0.0, list[tuple[float, float]]()
    for took, later in course:
        now += later
        span = Span(KEY.start_sample, KEY.start_sample + LEAST_SAMPLES + round(now * 16_000))
        if partials.due(now, KEY, span) and partials.begins(now, KEY):
            decodes.append((now, took))
            now += took
            partials.ends(now)
    for (began, took), (then, _) in pairwise(decodes):
        assert then - began >= every_ms / 1000 - 1e-6
        assert took <= share * (then - began) + 1e-6


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "turn", "turn on", "burn on the", "on"])), max_size=20)
)
@settings(max_examples=100)
def test_whatever_order_decodes_come_in_stable_text_never_changes(course: list[tuple[int, str]]) -> None:
    partials, stable = partials_of(), dict[UtteranceKey, str]()
    for number, text in course:
        key = UtteranceKey(1, number * 1000)
        if told := partials.heard(key, text, 5000):
            assert told.stable.startswith(stable.get(key, ""))
            stable[key] = told.stable
    assert partials.counters.stable_revisions == 0
