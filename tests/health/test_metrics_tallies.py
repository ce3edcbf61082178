from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.utterances import NOON
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.events import GapNoted, SpeechStarted, UtteranceSettled
from voicebridge.domain.utterance import EndReason, Status, UtteranceRecord
from voicebridge.health.metrics_tallies import DELAY_SECONDS, Distribution, Histogram, Tallies


def settled(**changed: Any) -> UtteranceSettled:
    """Return an utterance of two seconds that was settled half a second after its speech."""
    fields: dict[str, Any] = {
        "utterance_id": 1, "session_id": 1, "status": Status.DONE, "start_sample": 0, "end_sample": 32_000,
        "started_at": NOON, "ended_at": NOON + 2, "speech_ratio": 0.75, "end_reason": EndReason.HANGOVER, "attempts": 1,
        "text": "turn on the light", "language": "en", "words": (), "confidence": None, "avg_logprob": None,
        "no_speech_prob": None, "compression_ratio": None, "engine": "fake", "model": "script", "decode_ms": 1000.0,
        "delay_ms": 500.0, "reasons": (), "audio_path": None,
    }  # fmt: skip
    return UtteranceSettled(UtteranceRecord(**(fields | changed)))


def under(distribution: Distribution, bound: float) -> int:
    """Return how many were at most this bound."""
    return distribution.cumulative[distribution.bounds.index(bound)]


def test_the_delay_of_each_settled_utterance_is_counted() -> None:
    tallies = Tallies()
    for delay_ms in (500.0, 501.0, 3600_000.0):
        tallies.heed(settled(delay_ms=delay_ms))
    delay = tallies.now().delay
    assert (under(delay, 0.3), under(delay, 0.5), under(delay, 0.75), delay.cumulative[-1]) == (0, 1, 2, 3)
    assert delay.total == pytest.approx(3601.001)


def test_an_utterance_without_a_delay_has_none() -> None:
    tallies = Tallies()
    tallies.heed(settled(delay_ms=None))
    assert tallies.now().delay.cumulative[-1] == 0
    assert tallies.now().length.cumulative[-1] == 1


def test_a_failed_utterance_has_no_decode_time() -> None:
    tallies = Tallies()
    tallies.heed(settled(status=Status.FAILED, decode_ms=None))
    assert tallies.now().decode.cumulative[-1] == tallies.now().real_time_factor.cumulative[-1] == 0


def test_the_real_time_factor_is_decode_time_over_audio() -> None:
    tallies = Tallies()
    tallies.heed(settled(decode_ms=1000.0))
    tallies.heed(settled(end_sample=0))
    factor = tallies.now().real_time_factor
    assert (factor.cumulative[-1], factor.total) == (1, 0.5)


def test_gaps_are_counted_by_their_reason() -> None:
    tallies = Tallies()
    tallies.heed(GapNoted(Gap(Span(0, 16_000), GapReason.SUSPEND)))
    tally = tallies.now()
    assert (tally.gaps["suspend"], tally.gap_seconds["suspend"]) == (1, 1.0)
    assert (tally.gaps["overflow"], tally.gap_seconds["overflow"]) == (0, 0.0)


def test_rejections_are_counted_by_the_code_of_each_reason() -> None:
    tallies = Tallies()
    reasons = ("no_speech_prob 0.97 above 0.95", "repetition of 1 word 9 times in a row", "said by something new")
    tallies.heed(settled(status=Status.REJECTED, reasons=reasons))
    tallies.heed(settled(status=Status.FAILED, reasons=("empty",)))
    counted = {code: count for code, count in tallies.now().rejections.items() if count}
    assert counted == {"no_speech_prob": 1, "repetition": 1, "other": 1}


def test_events_are_counted_by_type() -> None:
    tallies = Tallies()
    tallies.heed(SpeechStarted(0))
    events = tallies.now().events
    assert (events["SpeechStarted"], events["MuteChanged"]) == (1, 0)


@given(st.lists(st.floats(0, 2000), max_size=50))
@settings(max_examples=50)
def test_a_histogram_agrees_with_counting(values: list[float]) -> None:
    histogram = Histogram(DELAY_SECONDS)
    for value in values:
        histogram.add(value)
    found = histogram.distribution()
    assert list(found.cumulative) == [
        sum(value <= bound for value in values) for bound in (*DELAY_SECONDS, float("inf"))
    ]
    assert found.total == pytest.approx(sum(values))
