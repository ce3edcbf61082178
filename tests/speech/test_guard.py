"""The guard: what a short window gives and nobody should believe."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.domain.utterance import Transcript
from voicebridge.pipeline.gate import judge
from voicebridge.settings import GateSettings
from voicebridge.speech.guard import Attempt, DoubtCode, doubt, doubt_of_gate

GOOD = Attempt(
    text="Turn on the kitchen lights.",
    finished=True,
    avg_logprob=-0.2,
    compression_ratio=0.9,
    no_speech_prob=0.01,
)


def test_a_good_result_is_believed() -> None:
    assert doubt(GOOD) is None


@pytest.mark.parametrize(
    ("strict", "told"),
    [
        ({"avg_logprob": -0.5}, "gate avg_logprob -0.60 below -0.5"),
        ({"compression_ratio": 1.2}, "gate compression_ratio 1.50 above 1.2"),
        ({"no_speech_certain": 0.4}, "gate no_speech_prob 0.50 above 0.4"),
        ({"no_speech_prob": 0.4}, "gate no_speech_prob 0.50 above 0.4 with avg_logprob -0.60 below -0.5"),
        ({"repeated_ngrams": 2}, "gate repetition of 2 words 2 times in a row"),
    ],
)
def test_what_a_stricter_gate_would_reject_is_doubted_without_a_word_of_the_text(
    strict: dict[str, float], told: str
) -> None:
    figures = {"avg_logprob": -0.6, "compression_ratio": 1.5, "no_speech_prob": 0.5}
    made = Transcript("Turn on turn on the light.", "whisper", "m", 1.0, language="en", **figures)  # type: ignore[arg-type]  # by name
    attempt = Attempt(made.text, True, made.avg_logprob, made.compression_ratio, made.no_speech_prob)
    assert doubt(attempt) is None
    assert doubt_of_gate(made, lambda transcript: judge(transcript, 1.0, GateSettings())) is None
    limits = GateSettings.model_validate(strict)
    assert str(doubt_of_gate(made, lambda transcript: judge(transcript, 1.0, limits))) == told


def test_figures_that_are_not_there_are_no_doubt() -> None:
    assert doubt(Attempt("Yes.", True, None, None, None)) is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"text": ""}, "empty"),
        ({"finished": False}, "no_end"),
        ({"compression_ratio": 2.41}, "compression_ratio 2.41 above 2.4"),
        ({"avg_logprob": -1.2}, "avg_logprob -1.20 below -1"),
        ({"no_speech_prob": 0.7}, "no_speech_prob 0.70 above 0.6"),
        ({"language_probability": 0.3}, "language 0.30 below 0.5"),
        ({"text": "Turn on the light. Turn on the light."}, "repetition of 4 words 2 times in a row"),
        ({"text": "two five two five two five two five"}, "repetition of 4 words 2 times in a row"),
        ({"text": "no no no no no no no no"}, "repetition of 3 words 2 times in a row"),
    ],
)
def test_each_doubt_is_told_without_a_word_of_the_text(changed: dict[str, object], told: str) -> None:
    found = doubt(replace(GOOD, **changed))  # type: ignore[arg-type]  # fields by name
    assert str(found) == told
    assert told.split(" ", 1)[0] in set(DoubtCode)


@pytest.mark.parametrize(
    ("changed", "limit"),
    [("compression_ratio", 2.4), ("avg_logprob", -1.0), ("no_speech_prob", 0.6), ("language_probability", 0.5)],
)
def test_a_figure_at_its_limit_is_believed(changed: str, limit: float) -> None:
    assert doubt(replace(GOOD, **{changed: limit})) is None  # type: ignore[arg-type]  # a figure by name


@pytest.mark.parametrize(
    "text",
    [
        "Seven seven seven seven seven.",
        "Two five two five, four.",
        "No, no. It is very, very good.",
        "Turn on the light and turn off the radio.",
    ],
)
def test_what_people_say_twice_is_believed(text: str) -> None:
    assert doubt(replace(GOOD, text=text)) is None


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=16))
def test_what_the_quality_gate_rejects_for_repetition_was_doubted_before(words: list[str]) -> None:
    text = " ".join(words)
    transcript = Transcript(text=text, engine="whisper", model="m", decode_ms=1.0)
    if judge(transcript, 1.0, GateSettings()):
        assert doubt(replace(GOOD, text=text)) is not None


@given(st.lists(st.sampled_from("abcd"), min_size=3, max_size=12), st.integers(0, 5))
def test_a_phrase_that_comes_twice_is_doubted_wherever_it_stands(phrase: list[str], before: int) -> None:
    found = doubt(replace(GOOD, text=" ".join([*map(str, range(before)), *phrase, *phrase])))
    assert found is not None
    assert found.code is DoubtCode.REPETITION
