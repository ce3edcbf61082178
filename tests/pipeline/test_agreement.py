import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.pipeline.agreement import MOST_LETTERS, MOST_WORDS, Agreed, Agreement, compared, words_of

WORDS = st.sampled_from(
    ["turn", "Turn,", "on", "the", "light", "light.", "lights", "kitchen", "kitchen…", "-", "灯", "¿qué?"]
)
TEXTS = st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=8)
ANY_TEXTS = st.lists(st.text(max_size=40), max_size=6)


def after(*texts: str) -> Agreed:
    agreement = Agreement()
    return [agreement.take(text) for text in texts][-1]


def test_one_decode_alone_is_tentative() -> None:
    assert after("Turn on the") == Agreed("", "Turn on the", 0, False)


def test_what_two_successive_decodes_agree_on_is_stable() -> None:
    assert after("Turn on the", "Turn on the light") == Agreed("Turn on the", " light", 3, False)


def test_what_only_decodes_that_do_not_follow_each_other_agree_on_is_not_stable() -> None:
    assert after("turn on", "burn on", "turn on") == Agreed("", "turn on", 0, False)


def test_case_and_punctuation_do_not_matter_and_the_newer_decode_writes_the_word() -> None:
    assert after("turn on the, light", "Turn on The light, please").stable == "Turn on The light,"


def test_a_committed_word_is_never_written_anew() -> None:
    assert after("turn on", "turn on the", "Turn on the light").stable == "turn on the"


def test_the_full_stop_after_half_a_sentence_stays_tentative() -> None:
    assert after("Turn on.", "Turn on.") == Agreed("Turn on", ".", 2, False)
    assert after("Turn on.", "Turn on.", "Turn on the light.") == Agreed("Turn on", " the light.", 0, False)


def test_a_committed_comma_gets_no_full_stop_after_it() -> None:
    assert after("yes, turn it", "yes, Jane", "Yes.") == Agreed("yes,", "", 0, False)


def test_the_full_stop_of_a_decode_that_lacks_committed_words_is_not_put_after_them() -> None:
    assert after("yes turn", "yes turn", "Yes.") == Agreed("yes turn", "", 0, False)


def test_the_rest_follows_the_committed_words_where_a_word_among_them_was_left_out() -> None:
    assert after("turn on the", "turn on the", "turn the light").tentative == " light"


def test_the_rest_follows_the_committed_words_where_a_word_was_put_among_them() -> None:
    assert after("turn the", "turn the", "turn off the light").tentative == " light"


def test_the_rest_follows_the_committed_words_where_one_was_replaced() -> None:
    assert after("turn on the", "turn on the", "burn on the light") == Agreed("turn on the", " light", 0, False)


def test_a_wholly_different_text_has_as_many_words_taken_for_the_committed_ones() -> None:
    assert after("turn on", "turn on", "what a day") == Agreed("turn on", " day", 0, False)


def test_agreement_goes_on_behind_committed_words_that_later_decodes_write_otherwise() -> None:
    assert after("turn on the", "turn on the", "burn on the light", "burn on the light now") == Agreed(
        "turn on the light", " now", 1, False
    )


def test_a_shorter_decode_leaves_the_stable_text_and_no_rest() -> None:
    assert after("turn on the", "turn on the", "turn") == Agreed("turn on the", "", 0, False)


def test_an_empty_decode_leaves_the_stable_text() -> None:
    assert after("turn on", "turn on", "") == Agreed("turn on", "", 0, False)


def test_scripts_without_spaces_grow_letter_by_letter_and_get_no_spaces() -> None:
    assert after("打开厨", "打开厨房的灯。") == Agreed("打开厨", "房的灯。", 3, False)


def test_a_mark_over_a_letter_is_no_punctuation() -> None:
    assert words_of("กิน") == (["กิ", "น"], "", False)
    assert compared("กิ") != compared("กี")


@pytest.mark.parametrize(
    ("word", "bare"), [(" Light.", "light"), ("“Yes!”", "yes"), ("don't", "don't"), (" -", "-"), ("$5", "$5"), ("", "")]
)
def test_words_are_compared_by_what_they_are_without_their_edges(word: str, bare: str) -> None:
    assert compared(word) == bare


def test_a_text_without_end_is_cut_and_says_so() -> None:
    agreed = after("a " * 5000)
    assert agreed.cut
    assert len(agreed.tentative.split()) == MOST_WORDS


def test_a_word_without_end_is_cut_and_says_so() -> None:
    agreed = after("a" * 100_000)
    assert agreed.cut
    assert len(agreed.tentative) == MOST_LETTERS


def test_the_longest_texts_that_disagree_are_still_aligned() -> None:
    agreement = Agreement()
    agreement.take("a " * MOST_WORDS)
    assert agreement.take("a " * MOST_WORDS).committed == MOST_WORDS
    assert agreement.take("b " * MOST_WORDS).tentative == ""


@given(TEXTS)
@settings(max_examples=150)
def test_the_stable_text_only_ever_grows(texts: list[str]) -> None:
    agreement, stable = Agreement(), ""
    for text in texts:
        agreed = agreement.take(text)
        assert agreed.stable.startswith(stable)
        stable = agreed.stable


@given(ANY_TEXTS)
@settings(max_examples=100)
def test_whatever_an_engine_writes_the_stable_text_only_grows_and_all_stays_on_one_line(texts: list[str]) -> None:
    agreement, stable = Agreement(), ""
    for text in texts:
        agreed = agreement.take(text)
        assert agreed.stable.startswith(stable)
        assert (agreed.stable + agreed.tentative).splitlines() in ([], [agreed.stable + agreed.tentative])
        stable = agreed.stable


@given(TEXTS)
@settings(max_examples=150)
def test_what_is_shown_ends_with_the_words_of_the_newest_decode_that_are_not_committed(texts: list[str]) -> None:
    agreement = Agreement()
    for text in texts:
        agreed = agreement.take(text)
        words, shown = text.split(), (agreed.stable + agreed.tentative).split()
        rest = agreed.tentative.split()
        assert len(shown) >= len(rest)
        # Of the last word only the punctuation may be new, behind one that was committed as it was written first.
        assert not rest or words[-1].endswith(rest[-1])


@given(st.lists(WORDS, min_size=1, max_size=8).map(" ".join), st.lists(WORDS, max_size=4).map(" ".join))
@settings(max_examples=100)
def test_a_decode_that_agrees_with_all_that_is_committed_is_shown_whole(first: str, more: str) -> None:
    agreement = Agreement()
    agreement.take(first)
    agreement.take(first)
    agreed = agreement.take(f"{first} {more}".strip())
    shown = [compared(word) for word in words_of(agreed.stable + agreed.tentative)[0]]
    assert shown == [compared(word) for word in words_of(f"{first} {more}")[0]]


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_words_joined_are_the_text_with_single_spaces(text: str) -> None:
    words, ending, cut = words_of(text)
    assert not cut
    assert "".join(words) + ending == " ".join(text.split())
