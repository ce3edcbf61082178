import pytest

from voicebridge.domain.text import longest_repetition
from voicebridge.domain.utterance import Transcript
from voicebridge.pipeline.gate import judge
from voicebridge.settings import GateSettings

LIMITS = GateSettings()


def transcript(
    text: str = "Turn on the kitchen lights.",
    no_speech_prob: float | None = 0.01,
    avg_logprob: float | None = -0.2,
    compression_ratio: float | None = 1.0,
) -> Transcript:
    return Transcript(
        text=text,
        engine="whisper",
        model="test",
        decode_ms=10.0,
        no_speech_prob=no_speech_prob,
        avg_logprob=avg_logprob,
        compression_ratio=compression_ratio,
    )


def test_a_plain_transcript_is_believed() -> None:
    assert judge(transcript(), 0.7, LIMITS) == ()


def test_an_empty_transcript_is_rejected_as_empty() -> None:
    assert judge(transcript(text=""), 0.7, LIMITS) == ("empty: the engine found no words",)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"no_speech_prob": 0.97}, "no_speech_prob 0.97 above 0.95"),
        (
            {"no_speech_prob": 0.85, "avg_logprob": -0.7},
            "no_speech_prob 0.85 above 0.8 with avg_logprob -0.70 below -0.5",
        ),
        ({"avg_logprob": -1.5}, "avg_logprob -1.50 below -1.2"),
        ({"compression_ratio": 3.0}, "compression_ratio 3.00 above 2.4"),
        ({"text": "thank you " * 4}, "repetition of 2 words 4 times in a row"),
        ({"text": "la " * 8}, "repetition of 1 word 8 times in a row"),
    ],
)
def test_each_sign_of_an_invention_is_a_reason(changed: dict[str, float], reason: str) -> None:
    assert judge(transcript(**changed), 0.7, LIMITS) == (reason,)  # type: ignore[arg-type]


def test_little_speech_by_the_detector_is_a_reason() -> None:
    assert judge(transcript(), 0.05, LIMITS) == ("speech_ratio 0.05 below 0.1",)


def test_all_reasons_are_told() -> None:
    assert len(judge(transcript(no_speech_prob=0.99, avg_logprob=-3.0, compression_ratio=9.0), 0.0, LIMITS)) == 4


def test_probable_no_speech_is_believed_when_the_words_are_likely() -> None:
    assert judge(transcript(no_speech_prob=0.9, avg_logprob=-0.1), 0.7, LIMITS) == ()


def test_an_engine_without_figures_is_judged_by_what_there_is() -> None:
    assert judge(transcript(no_speech_prob=None, avg_logprob=None, compression_ratio=None), 0.7, LIMITS) == ()


def test_a_spoken_row_of_equal_digits_is_no_invention() -> None:
    assert judge(transcript(text="Seven seven seven seven."), 0.7, LIMITS) == ()


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("", 1, ""),
        ("one two three", 1, ""),
        ("no, No. NO!", 3, "no"),
        ("a b a b c", 2, "a b"),
        ("x the end of it the end of it", 2, "the end of it"),
    ],
)
def test_the_longest_repetition_is_found(text: str, count: int, words: str) -> None:
    assert longest_repetition(text) == (count, tuple(words.split()))
