import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.ports import TurnEvidence
from voicebridge.pipeline.turn import FALL_DB, OPEN_ENDED, TurnRules
from voicebridge.settings import EndpointSettings

SETTINGS = EndpointSettings(mode="adaptive", hangover_min_ms=400, hangover_ms=700, hangover_max_ms=1500)
RULES = TurnRules(SETTINGS)


def judged(text: str, fall_db: float = 6.0, language: str | None = "en") -> tuple[int, str]:
    verdict = RULES.judge(TurnEvidence(text, 2.0, fall_db, language))
    return verdict.hangover_ms, verdict.reason


@pytest.mark.parametrize(
    "text",
    [
        "Turn on the kitchen lights.",
        "Turn the lights on.",
        "Switch it off.",
        "Please come in.",
        "What is the weather like tomorrow?",
        "What are you waiting for?",
        'He said "stop it."',
        "I did it for her.",
        "Wake me at seven o'clock.",
        "Set a timer for twenty minutes.",
        "Add milk and eggs to the shopping list.",
        "Play it three times.",
        "It was in 2024.",
        "I have not heard from him since.",
    ],
)
def test_a_sentence_that_is_done_is_ended_soon(text: str) -> None:
    assert judged(text) == (400, "sentence done")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Turn on the lights and", "conjunction"),
        ("Turn on the lights and.", "conjunction"),
        ("I would go, but", "conjunction"),
        ("Set a timer for.", "preposition"),
        ("Add milk to", "preposition"),
        ("Turn on the", "article"),
        ("Call my", "article"),
        ("Remind me, um", "filler"),
        ("Remind me to, uh...", "filler"),
        ("Add milk, eggs,", "comma or dash"),
        ("Add milk \u2013", "comma or dash"),
        ("Add milk\u2026", "comma or dash"),
        ("I want you to play...", "comma or dash"),
        ("The number is three point", "mid-number"),
        ("It costs 12 dot", "mid-number"),
        ("Set a timer for twenty", "unit missing"),
        ("Set a timer for twenty-five.", "unit missing"),
        ("Remind me in 5.", "unit missing"),
        ("Remind me every two hundred", "unit missing"),
        ("Remind me in 15", "unit missing"),
        ("Remind me in 15000", "unit missing"),
    ],
)
def test_a_sentence_that_goes_on_is_waited_for(text: str, reason: str) -> None:
    assert judged(text) == (1500, reason)


def test_a_row_of_digits_may_go_on_unless_the_voice_says_that_it_is_done() -> None:
    assert judged("Call five five five.", fall_db=0.0) == (1500, "mid-number")
    assert judged("5 5 5", fall_db=9.0) == (1500, "mid-number")
    assert judged("Call five five five.", fall_db=9.0) == (700, "number")


def test_a_number_at_the_end_is_never_surely_done() -> None:
    assert judged("Set the volume to twenty.") == (700, "number")
    assert judged("Seven.") == (700, "number")


@pytest.mark.parametrize(
    ("text", "fall_db"),
    [
        ("Turn on the lights.", 0.0),  # the voice does not fall
        ("Turn on the lights", 9.0),  # no full stop
        ("Stop.", 9.0),  # a single word
    ],
)
def test_where_nothing_is_certain_the_usual_time_is_waited(text: str, fall_db: float) -> None:
    assert judged(text, fall_db) == (700, "nothing certain")


@pytest.mark.parametrize("text", ["", "   "])
def test_no_words_say_nothing(text: str) -> None:
    assert judged(text) == (700, "no words")


def test_signs_alone_are_no_sentence() -> None:
    assert judged(".") == (700, "nothing certain")


def test_other_languages_are_waited_for_as_usual() -> None:
    assert judged("Mach das Licht an und", language="de") == (700, "other language")
    assert judged("Turn on the", language="en-GB") == (1500, "article")
    assert judged("Turn on the", language=None) == (1500, "article")


def test_other_bounds_are_taken_over() -> None:
    rules = TurnRules(SETTINGS)
    assert rules.apply(SETTINGS.model_copy(update={"hangover_max_ms": 3000}))
    assert rules.judge(TurnEvidence("Turn on the", 1.0, 0.0, "en")).hangover_ms == 3000


words = st.lists(st.text(st.characters(categories=["L", "N", "P"]), max_size=8), max_size=8)


@settings(max_examples=100, deadline=None)
@given(words.map(" ".join), st.floats(-30, 30), st.sampled_from(["en", "de", None]))
def test_each_verdict_is_one_of_three_and_has_a_reason(text: str, fall_db: float, language: str | None) -> None:
    hangover_ms, reason = judged(text, fall_db, language)
    assert hangover_ms in {400, 700, 1500}
    assert reason
    assert len(reason) < 20


@settings(max_examples=60, deadline=None)
@given(
    words.map(" ".join),
    st.sampled_from(sorted(word for group in OPEN_ENDED.values() for word in group.split())),
    st.sampled_from(["", ".", "!", ","]),
    st.floats(-30, 30),
)
def test_after_a_word_that_leaves_it_open_it_is_always_waited_for(
    before: str, word: str, sign: str, fall_db: float
) -> None:
    assert judged(f"{before} {word}{sign}", fall_db)[0] == 1500
    assert judged(f"{before} {word.capitalize()}{sign}", fall_db)[0] == 1500


@settings(max_examples=60, deadline=None)
@given(words.map(" ".join), st.floats(-30, 30), st.floats(0, 30))
def test_a_voice_that_falls_further_is_never_waited_for_longer(text: str, fall_db: float, more_db: float) -> None:
    assert judged(text, fall_db + more_db)[0] <= judged(text, fall_db)[0]


def test_a_fall_of_just_that_much_counts() -> None:
    assert judged("Turn on the lights.", FALL_DB) == (400, "sentence done")
