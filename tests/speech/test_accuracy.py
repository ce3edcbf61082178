import numpy as np
import pytest

from tests.fakes.engine import FakeEngine
from voicebridge_bench.accuracy import Spoken, compare, measure, people, summarise, synthesised
from voicebridge_bench.words import normalised


def _spoken(text: str, collection: str = "set") -> Spoken:
    return Spoken(collection, text, text, np.ones(16_000, np.int16))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("What time is it?", "what time is it"),
        ("  Don't  'stop', now!", "don't stop now"),
        ("ill-disposed_man", "ill disposed man"),
        ("Grüße, Zoë.", "grüße zoë"),
    ],
)
def test_case_and_punctuation_do_not_count(text: str, plain: str) -> None:
    assert normalised(text) == plain


@pytest.mark.parametrize(
    ("heard", "errors"),
    [("One, two, three.", 0), ("one three", 1), ("one two two three", 1), ("one four three", 1), ("", 3)],
)
def test_substitutions_deletions_and_insertions_count(heard: str, errors: int) -> None:
    result = compare(_spoken("one two three"), heard)
    assert (result.words, result.errors) == (3, errors)


def test_a_set_is_all_errors_by_all_words() -> None:
    results = [compare(_spoken("one two three four"), "one two three four"), compare(_spoken("five"), "nine")]
    summary = summarise(results)
    assert (summary.files, summary.words, summary.errors, summary.rate) == (2, 5, 1, 0.2)


def test_the_interval_holds_the_rate_and_is_the_same_each_time() -> None:
    heard = ("one two", "one", "one two", "two two", "one two") * 2
    results = [compare(_spoken("one two"), each) for each in heard]
    summary = summarise(results)
    assert summary.low is not None
    assert summary.high is not None
    assert 0 <= summary.low <= summary.rate <= summary.high <= 1
    assert summarise(results) == summary


@pytest.mark.parametrize("files", [1, 9])
def test_few_files_have_no_interval(files: int) -> None:
    summary = summarise([compare(_spoken("one"), "two")] * files)
    assert (summary.low, summary.high) == (None, None)


def test_faultless_files_have_an_upper_bound_that_is_above_nothing() -> None:
    """By the rule of three: 3 errors in 100 words are what 100 faultless words do not exclude."""
    three = summarise([compare(_spoken("one two three"), "one two three")] * 3)
    assert three.low == 0.0
    assert three.high == pytest.approx(0.283, abs=0.001)
    many = summarise([compare(_spoken("one two three four five"), "one two three four five")] * 20)
    assert many.high == pytest.approx(3 / 100, rel=0.02)


def test_each_collection_and_all_are_summed_up() -> None:
    engine = FakeEngine(["one", "two", "four"])
    engine.load()
    seen: list[int] = []
    spoken = [_spoken("one", "a"), _spoken("two", "a"), _spoken("three", "b")]
    accuracy = measure(engine, "corpus", spoken, lambda: seen.append(1))
    assert {name: summary.errors for name, summary in accuracy.summaries.items()} == {"a": 0, "b": 1, "all": 1}
    assert len(seen) == 3


def test_only_recordings_with_a_known_text_are_measured() -> None:
    assert len(people()) == 12


def test_synthesised_commands_are_named_by_seed_and_voice() -> None:
    (item,) = synthesised(1, seed=5)
    assert item.name.startswith("5 en-")
