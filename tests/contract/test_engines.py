"""What the pipeline may expect of every engine, the fake one among them."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.fakes.engine import FakeEngine
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine, PartialDecoder, Tunable, WordFinder
from voicebridge.domain.utterance import DecodeKind, Transcript, Word, confidence_of
from voicebridge.settings.schema import SphinxSettings, WhisperSettings
from voicebridge.speech.sphinx import SphinxEngine
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import say

START = 1_000_000
MAKERS: dict[str, Callable[[], Engine]] = {
    "fake": FakeEngine,
    "sphinx": lambda: SphinxEngine(SphinxSettings()),
    "whisper": lambda: WhisperEngine(WhisperSettings(threads=1), WHISPER_COMMANDS),
}


@pytest.fixture(params=MAKERS, scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(kind: str) -> Iterator[Engine]:
    engine = MAKERS[kind]()
    engine.load()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def lights() -> Samples:
    return say("Turn on the kitchen lights.", "en-us")


@pytest.fixture(scope="module")
def timer() -> Samples:
    return say("Set a timer for twenty minutes.", "en-us")


def decode(engine: Engine, audio: Samples, start: int = START) -> tuple[Transcript, tuple[Word, ...]]:
    """Return the transcript and its words, as the pipeline comes by them."""
    transcript = engine.decode(audio, start)
    if isinstance(engine, WordFinder):
        assert transcript.words == ()
        return transcript, engine.find_words(transcript, audio, start)
    return transcript, transcript.words


def test_a_transcript_names_the_engine_and_the_model(engine: Engine, lights: Samples) -> None:
    transcript = engine.decode(lights, START)
    assert (transcript.engine, transcript.model) == (engine.info.engine, engine.info.model)


def test_speech_gives_text_without_loose_space(engine: Engine, lights: Samples) -> None:
    text = engine.decode(lights, START).text
    assert text
    assert text == " ".join(text.split())


def test_the_words_make_up_the_text(engine: Engine, lights: Samples) -> None:
    transcript, words = decode(engine, lights)
    assert " ".join(word.text for word in words) == transcript.text


def test_words_are_in_order_within_the_utterance(engine: Engine, lights: Samples) -> None:
    _, words = decode(engine, lights)
    bounds = [index for word in words for index in (word.start_sample, word.end_sample)]
    assert bounds == sorted(bounds)
    assert bounds[0] >= START
    assert bounds[-1] <= START + len(lights)


def test_words_move_with_the_start_sample(engine: Engine, lights: Samples) -> None:
    (_, first), (_, second) = decode(engine, lights, 0), decode(engine, lights)
    assert [word.start_sample + START for word in first] == [word.start_sample for word in second]


def test_the_confidence_is_a_probability(engine: Engine, lights: Samples) -> None:
    confidence = confidence_of(decode(engine, lights)[1])
    assert confidence is not None
    assert 0 <= confidence <= 1


def test_the_language_is_told(engine: Engine, lights: Samples) -> None:
    assert engine.decode(lights, START).language == "en"


def test_a_decode_takes_time(engine: Engine, lights: Samples) -> None:
    assert engine.decode(lights, START).decode_ms > 0


def test_no_audio_gives_an_empty_transcript(engine: Engine) -> None:
    transcript, words = decode(engine, np.zeros(0, np.int16))
    assert (transcript.text, words) == ("", ())


@pytest.mark.parametrize("samples", [1, 10, 160, 399, 400, 401])
def test_very_short_audio_is_decoded_without_a_fault(engine: Engine, samples: int) -> None:
    _, words = decode(engine, np.full(samples, 7, np.int16))
    assert all(START <= word.start_sample <= word.end_sample <= START + samples for word in words)


def test_what_came_before_does_not_change_a_transcript(engine: Engine, lights: Samples, timer: Samples) -> None:
    before = decode(engine, lights)
    noise = np.random.default_rng(1).integers(-9000, 9000, 16_000, dtype=np.int16)
    for other in (noise, timer, np.zeros(16_000, np.int16)):
        engine.decode(other, START)
    after = decode(engine, lights)
    assert (after[0].text, after[1]) == (before[0].text, before[1])


def test_words_are_found_again_after_other_decodes(engine: Engine, lights: Samples, timer: Samples) -> None:
    if not isinstance(engine, WordFinder):
        pytest.skip("this engine tells its words with the text")
    transcript, words = decode(engine, lights)
    for audio in (timer, lights[:-400]):
        engine.decode(audio, START)
        assert engine.find_words(transcript, lights.copy(), START) == words


def test_a_partial_decode_leaves_the_newest_text_and_its_words_alone(
    engine: Engine, lights: Samples, timer: Samples
) -> None:
    if not isinstance(engine, PartialDecoder):
        pytest.skip("this engine has no quicker way")
    partial = engine.decode_partial(timer[: len(timer) // 2], START)
    assert partial.kind is DecodeKind.PARTIAL
    assert partial.text == " ".join(partial.text.split())
    assert engine.decode_partial(timer[:1], START).text == ""
    if isinstance(engine, WordFinder):
        transcript = engine.decode(lights, START)
        engine.decode_partial(timer, START)
        assert engine.find_words(transcript, lights, START) == decode(engine, lights)[1]


def test_the_audio_is_left_as_it_is(engine: Engine, lights: Samples) -> None:
    given = lights.copy()
    given.flags.writeable = False
    engine.decode(given, START)
    assert np.array_equal(given, lights)


def test_decoding_before_loading_is_refused(kind: str, lights: Samples) -> None:
    with pytest.raises(SpeechError, match="not loaded"):
        MAKERS[kind]().decode(lights, START)


def test_decoding_after_closing_is_refused(kind: str, lights: Samples) -> None:
    engine = MAKERS[kind]()
    engine.load()
    engine.close()
    with pytest.raises(SpeechError, match="not loaded"):
        engine.decode(lights, START)


def test_closing_twice_or_unloaded_is_harmless(kind: str) -> None:
    engine = MAKERS[kind]()
    engine.close()
    engine.close()


def test_the_name_is_known_before_loading(kind: str, engine: Engine) -> None:
    assert MAKERS[kind]().info == engine.info


def test_the_same_options_again_change_nothing(engine: Engine, lights: Samples) -> None:
    before = decode(engine, lights)
    if isinstance(engine, Tunable):
        assert engine.apply(WhisperSettings())
    after = decode(engine, lights)
    assert (after[0].text, after[1]) == (before[0].text, before[1])
