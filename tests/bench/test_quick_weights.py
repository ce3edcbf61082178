"""Models of the real sizes with random weights, and the even work that is asked of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicebridge.domain.errors import SpeechError, VoicebridgeError
from voicebridge.settings import WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.components.measure import Stopwatch
from voicebridge_bench.quick import delay
from voicebridge_bench.quick.even import EvenModel, Tally, even, window_seconds
from voicebridge_bench.quick.weights import (
    ENGLISH_TOKENS,
    MULTILINGUAL_TOKENS,
    NOTE_FILE,
    is_meaningless,
    meaningless_vocabulary,
    random_model,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tiny(cache: Path) -> Path:
    return random_model(cache, "tiny")


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[WhisperEngine]:
    engine = WhisperEngine(WhisperSettings(window="adaptive"), tiny)
    with even(3):
        engine.load()
    yield engine
    engine.close()


def test_the_vocabularies_have_the_real_sizes() -> None:
    assert meaningless_vocabulary().size == ENGLISH_TOKENS
    assert meaningless_vocabulary(multilingual=True).size == MULTILINGUAL_TOKENS


def test_such_a_model_says_in_its_name_and_beside_it_that_it_means_nothing(tiny: Path) -> None:
    assert tiny.name == "random-tiny.en"
    assert is_meaningless(tiny.name)
    assert "means nothing" in (tiny / NOTE_FILE).read_text(encoding="utf-8")


def test_our_engine_loads_and_decodes_it(engine: WhisperEngine) -> None:
    transcript = engine.decode(np.zeros(16_000, np.int16), 0)
    assert transcript.model == "random-tiny.en"
    assert len(transcript.text.split()) == 3


def test_a_whole_model_is_kept_and_a_damaged_one_made_again(cache: Path, tiny: Path) -> None:
    made = (tiny / "model.bin").stat().st_mtime_ns
    assert random_model(cache, "tiny") == tiny
    assert (tiny / "model.bin").stat().st_mtime_ns == made
    with (tiny / "model.bin").open("r+b") as file:
        file.seek(100_000)
        file.write(b"\0\1\2\3")
    random_model(cache, "tiny")
    assert (tiny / "model.bin").stat().st_mtime_ns != made


@pytest.mark.parametrize("name", ["random-huge", "random-notes", "random-small.en"])
def test_a_folder_of_somebody_else_is_left_alone_whatever_it_is_called(cache: Path, tiny: Path, name: str) -> None:
    stranger = cache / name
    stranger.mkdir()
    (stranger / "thesis.txt").write_text("years of work")
    assert random_model(cache, "tiny") == tiny
    assert (stranger / "thesis.txt").read_text() == "years of work"


def test_a_folder_of_somebody_else_in_the_place_of_a_model_is_told_and_left_alone(tmp_path: Path) -> None:
    stranger = tmp_path / "random-tiny.en"
    stranger.mkdir()
    (stranger / "thesis.txt").write_text("years of work")
    with pytest.raises(VoicebridgeError, match="left alone") as error:
        random_model(tmp_path, "tiny")
    assert "--scratch" in error.value.advice
    assert (stranger / "thesis.txt").read_text() == "years of work"


def test_all_sides_write_the_same_number_of_tokens_in_one_encoder_pass(tiny: Path) -> None:
    contest = delay.Contest(Stopwatch(), tiny, rounds=1, progress=lambda _what, _share: None, lengths_seconds=(1,))
    ten, four, one = delay.delays(contest)
    assert (ten.name, four.name, one.name) == ("delay.1s.floor_10s", "delay.1s.floor_4s", "delay.1s.floor_4s.margin_1s")
    assert (ten.parameters["window_seconds"], four.parameters["window_seconds"]) == (10, 4)
    assert ten.parameters["tokens"] == delay.tokens_of(1)
    assert set(ten.sides) == {"plain faster-whisper", "ours, floor 10 s"}


def test_the_bare_cost_is_that_of_what_the_engine_asked_for(tiny: Path) -> None:
    (figure,) = delay.overhead(delay.Contest(Stopwatch(), tiny, 1, lambda _what, _share: None))
    assert figure.parameters["window_seconds"] == 10
    assert figure.parameters["encoder_passes"] == 1
    assert figure.value is not None


def test_other_models_are_opened_as_they_are_afterwards(tiny: Path) -> None:
    import ctranslate2

    original = ctranslate2.models.Whisper
    with even(3) as opened:
        assert ctranslate2.models.Whisper is not original
        ctranslate2.models.Whisper(str(tiny))
    assert ctranslate2.models.Whisper is original
    assert [model.tokens for model in opened] == [3]


class _Below:
    """A model below the even one: keeps what it was asked, and writes so many tokens."""

    is_multilingual = False

    def __init__(self, writes: int) -> None:
        self.writes = writes
        self.asked: dict[str, Any] = {}

    def encode(self, features: Any, **_: Any) -> Any:
        return features

    def generate(self, _features: Any, prompts: list[list[int]], **options: Any) -> list[Any]:
        self.asked = options
        return [type("Result", (), {"sequences_ids": [[7] * self.writes]})()]


def test_every_token_from_the_end_of_text_upwards_is_suppressed() -> None:
    below = _Below(writes=5)
    EvenModel(below, 5).generate(None, [[1, 2]], suppress_tokens=[-1, 40], max_length=448)
    assert below.asked["suppress_tokens"] == [40, *range(50_256, 51_864)]
    assert below.asked["max_length"] == 10


def test_a_long_prompt_leaves_room_for_the_tokens() -> None:
    below = _Below(writes=5)
    EvenModel(below, 5).generate(None, [[1] * 30])
    assert below.asked["max_length"] == 35


def test_another_number_of_tokens_is_no_comparison() -> None:
    with pytest.raises(SpeechError, match="wrote 4 tokens, and 5"):
        EvenModel(_Below(writes=4), 5).generate(None, [[1]])


def test_the_bare_side_is_counted_and_held_to_the_same_number_of_tokens() -> None:
    below = _Below(writes=5)
    model = EvenModel(below, 5)
    model.generate(model.encode(np.zeros((1, 80, 1000), np.float32)), [[1]])
    model.again()
    assert model.bare == model.tally == Tally(1, 1, 5)
    below.writes = 4
    with pytest.raises(SpeechError, match="wrote 4 tokens, and 5"):
        model.again()


@pytest.mark.parametrize("done", [Tally(4, 3, 15), Tally(3, 4, 15), Tally(3, 3, 14)])
def test_a_side_that_did_other_work_ends_the_comparison(done: Tally) -> None:
    assert delay._check("a side", Tally(3, 3, 15), decodes=3, tokens=5) == 1
    with pytest.raises(SpeechError, match="did not do the same work"):
        delay._check("a side", done, decodes=3, tokens=5)


def test_what_is_handed_back_looks_right_to_a_guard() -> None:
    model = EvenModel(_Below(writes=5), 5)
    (result,) = model.generate(None, [[1]])
    assert len(set(result.sequences_ids[0])) == 5
    assert result.scores[0] > -1
    assert (model.tally.decodes, model.tally.tokens, model.tally.encoder_passes) == (1, 5, 0)


def test_the_window_is_told_by_what_was_encoded() -> None:
    model = EvenModel(_Below(writes=1), 1)
    model.encode(np.zeros((1, 80, 1000), np.float32))
    assert window_seconds(model) == 10
    assert model.tally.encoder_passes == 1
