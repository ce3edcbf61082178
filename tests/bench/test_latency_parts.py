"""Delays from plain data: what belongs to which piece, and where the time went."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.audio import Samples
from voicebridge.settings import EndpointSettings
from voicebridge_bench.corpora.levels import as_samples
from voicebridge_bench.latency import results
from voicebridge_bench.latency.alignment import place_of, places, zero_moment
from voicebridge_bench.latency.delays import (
    BESIDE,
    END_NOT_HEARD,
    NO_UTTERANCE,
    NOT_BY_SILENCE,
    NOT_DELIVERED,
    PARTS,
    REJECTED,
    TWO_IN_ONE,
    Spoken,
    Stored,
    match,
)
from voicebridge_bench.latency.measuring import figures_of, settings_for, share_of
from voicebridge_bench.latency.results import PieceDelay, spread_of
from voicebridge_bench.latency.script import arrange
from voicebridge_bench.latency.stored import stored_of
from voicebridge_bench.playlist import Piece

HANGOVER_MS = 700.0
FIXED = EndpointSettings(hangover_ms=700, speculate_after_ms=150, tail_ms=140)
PIECE = Spoken("turn on", began_at=10.0, ended_at=12.0, end_sample=192_000)
UTTERANCE = Stored(
    utterance_id=7,
    status="done",
    began_at=9.8,
    ended_at=12.2,
    speech_ended_at=12.06,
    speech_end_sample=192_800,
    end_reason="hangover",
    decode_ms=200.0,
    delay_ms=930.0,
    text="Turn on.",
)


def _one(spoken: Spoken = PIECE, stored: Stored = UTTERANCE, read_at: float = 13.0) -> PieceDelay:
    (delay,) = match([spoken], [stored], {stored.utterance_id: read_at}, FIXED).delays
    return delay


def test_a_delay_runs_from_the_true_end_to_the_read() -> None:
    assert _one().total_ms == pytest.approx(1000)


def test_each_part_is_where_the_time_went() -> None:
    delay = _one()
    assert delay.endpoint_ms == pytest.approx(760)
    assert delay.queue_ms == pytest.approx(30)
    assert delay.decode_ms == pytest.approx(200)
    assert delay.delivery_ms == pytest.approx(10)
    assert (delay.early, delay.ready) == (False, False)


def test_beside_the_parts_it_tells_hearing_hangover_and_what_the_database_has() -> None:
    delay = _one()
    assert delay.hearing_ms == pytest.approx(60)
    assert delay.hangover_ms == HANGOVER_MS
    assert (delay.stored_ms, delay.decoded_ms) == (930, 200)
    assert delay.detector_ms == pytest.approx(50)


def test_a_decode_that_fits_into_the_pause_is_no_part_of_the_delay() -> None:
    delay = _one(stored=replace(UTTERANCE, early=True, delay_ms=720.0), read_at=12.79)
    assert delay.endpoint_ms == pytest.approx(760)
    assert delay.decode_ms == 0
    assert delay.queue_ms == pytest.approx(20)
    assert delay.decoded_ms == 200
    assert (delay.early, delay.ready) == (True, True)


def test_of_a_decode_that_outlasts_the_pause_only_what_lies_after_the_endpoint_counts() -> None:
    delay = _one(stored=replace(UTTERANCE, early=True, decode_ms=600.0, delay_ms=770.0), read_at=12.84)
    assert delay.decode_ms == pytest.approx(150 + 600 - 700)
    assert delay.queue_ms == pytest.approx(20)
    assert (delay.early, delay.ready) == (True, False)


def test_an_endpoint_that_the_anchors_put_after_the_commit_leaves_no_part_below_nothing() -> None:
    delay = _one(stored=replace(UTTERANCE, early=True, delay_ms=688.0), read_at=12.75)
    assert delay.endpoint_ms == pytest.approx(750)
    assert (delay.queue_ms, delay.decode_ms, delay.delivery_ms) == (0, 0, 0)


ADAPTIVE = EndpointSettings(mode="adaptive", hangover_min_ms=400, hangover_ms=700, hangover_max_ms=1500)


@pytest.mark.parametrize(
    ("decode_ms", "delay_ms", "hangover_ms"),
    [(100.0, 410.0, 400), (350.0, 510.0, 500), (100.0, 715.0, 700), (100.0, 1490.0, 1500), (900.0, 1060.0, 700)],
)
def test_an_adaptive_hangover_is_the_longest_for_which_there_was_time(
    decode_ms: float, delay_ms: float, hangover_ms: float
) -> None:
    stored = replace(UTTERANCE, early=True, decode_ms=decode_ms, delay_ms=delay_ms)
    (delay,) = match([PIECE], [stored], {7: 14.0}, ADAPTIVE).delays
    assert delay.hangover_ms == hangover_ms
    assert delay.ready == (decode_ms < 900)


def test_without_a_text_from_the_pause_the_usual_hangover_was_waited() -> None:
    stored = replace(UTTERANCE, delay_ms=2200.0, decode_ms=1500.0)
    assert match([PIECE], [stored], {7: 15.0}, ADAPTIVE).delays[0].hangover_ms == 700


@given(
    st.floats(-0.3, 0.5),
    st.floats(600, 5000),
    st.floats(0, 3000),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from([EndpointSettings(hangover_ms=500), FIXED, ADAPTIVE]),
)
@settings(max_examples=60)
def test_the_parts_add_up_to_the_total_and_none_is_less_than_nothing(
    late: float, delay_ms: float, decode_ms: float, delivery: float, early: bool, endpoint: EndpointSettings
) -> None:
    stored = replace(UTTERANCE, speech_ended_at=12.0 + late, delay_ms=delay_ms, decode_ms=decode_ms, early=early)
    read_at = stored.speech_ended_at + delay_ms / 1000 + delivery
    (delay,) = match([PIECE], [stored], {7: read_at}, endpoint).delays
    parts = [getattr(delay, f"{part}_ms") for part in PARTS]
    assert sum(parts) == pytest.approx(delay.total_ms, abs=1e-6)
    assert min(parts) >= 0


def test_a_text_that_was_read_before_the_end_of_the_piece_is_no_short_delay() -> None:
    assert match([PIECE], [UTTERANCE], {7: 11.9}, FIXED).left_out == {END_NOT_HEARD: ["turn on"]}


def test_where_the_session_is_not_known_the_detector_is_not_told_apart() -> None:
    assert _one(replace(PIECE, end_sample=None)).detector_ms is None


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ([], NO_UTTERANCE),
        ([replace(UTTERANCE, began_at=20.0, ended_at=21.0)], NO_UTTERANCE),
        ([replace(UTTERANCE, status="rejected")], REJECTED),
        ([replace(UTTERANCE, end_reason="max_length")], NOT_BY_SILENCE),
        ([replace(UTTERANCE, speech_ended_at=11.4)], END_NOT_HEARD),
        ([replace(UTTERANCE, delay_ms=None)], NOT_DELIVERED),
        ([replace(UTTERANCE, utterance_id=8)], NOT_DELIVERED),
    ],
)
def test_a_piece_without_a_delay_says_why(stored: list[Stored], reason: str) -> None:
    assert match([PIECE], stored, {7: 13.0}, FIXED).left_out == {reason: ["turn on"]}


def test_of_a_piece_heard_as_two_the_last_utterance_holds_its_end() -> None:
    first = replace(UTTERANCE, utterance_id=6, ended_at=11.0, speech_ended_at=10.9)
    second = replace(UTTERANCE, began_at=11.2)
    (delay,) = match([PIECE], [second, first], {6: 12.1, 7: 13.0}, FIXED).delays
    assert delay.total_ms == pytest.approx(1000)


def test_a_piece_that_ended_in_the_utterance_of_the_next_is_left_out() -> None:
    following = Spoken("the lights", 12.5, 14.0)
    both = replace(UTTERANCE, ended_at=14.2, speech_ended_at=14.05)
    found = match([PIECE, following], [both], {7: 15.0}, FIXED)
    assert found.left_out == {TWO_IN_ONE: ["turn on"]}
    assert [delay.text for delay in found.delays] == ["the lights"]


def test_rows_get_their_moments_from_the_anchors() -> None:
    anchors = [
        {"sample_index": 0, "monotonic_seconds": 100.0, "realtime_seconds": 0.0},
        {"sample_index": 160_000, "monotonic_seconds": 111.0, "realtime_seconds": 0.0},
    ]
    row = {
        "id": 1,
        "status": "done",
        "start_sample": 16_000,
        "end_sample": 48_000,
        "speech_end": 176_000,
        "end_reason": "hangover",
        "decode_ms": 1.0,
        "delay_ms": 2.0,
        "text": None,
        "decode_kind": "speculative",
    }
    (stored,) = stored_of([row], anchors)
    assert stored.early
    assert not stored_of([{**row, "decode_kind": None}], anchors)[0].early
    assert (stored.began_at, stored.ended_at, stored.speech_ended_at, stored.text) == (101.0, 103.0, 112.0, "")


def test_few_samples_withhold_percentiles_and_say_so() -> None:
    spread = spread_of([float(value) for value in range(900, 950)])
    assert spread.p50 == pytest.approx(924.5)
    assert spread.p95 is not None
    assert spread.p99 is None
    assert spread.withheld["p99"] == "50 samples; it needs 100"
    assert spread.median_interval is not None


def test_a_hundred_samples_give_p99() -> None:
    assert spread_of([float(value) for value in range(100)]).p99 == pytest.approx(98.01)


def test_the_interval_is_not_given_where_samples_are_below_nothing() -> None:
    spread = spread_of([float(value) for value in range(-10, 10)])
    assert spread.median_interval is None
    assert "above nothing" in spread.withheld["median_interval"]


def test_without_delays_there_are_no_figures() -> None:
    assert figures_of(match([], [], {}, FIXED)) == {}


def test_figures_have_the_parts_the_stored_delay_and_the_detector() -> None:
    found = figures_of(match([PIECE], [UTTERANCE], {7: 13.0}, FIXED))
    assert set(found) == {"total", *PARTS, *BESIDE, "detector"}
    assert found["stored"].mean == pytest.approx(930)


def test_the_schema_is_that_of_the_results() -> None:
    assert json.loads(results.SCHEMA_FILE.read_text()) == results.schema()


def test_settings_are_those_of_the_daemons_options(tmp_path: Path) -> None:
    (tmp_path / "none.toml").touch()
    found = settings_for(
        ["--config", str(tmp_path / "none.toml"), "--set", "endpoint.hangover_ms=500", "--set", "vad.mode=silero"]
    )
    assert (found.endpoint.hangover_ms, found.vad.mode) == (500, "silero")


def test_the_share_of_texts_that_were_ready_is_told() -> None:
    assert share_of([True, False, True, True]) == 0.75
    assert share_of([]) is None


def _burst(generator: np.random.Generator, count: int = 4000) -> Samples:
    return as_samples(3000 * generator.standard_normal(count))


def _script_of(count: int) -> tuple[list[Piece], Samples]:
    generator = np.random.default_rng(7)
    pieces = [Piece(str(number), _burst(generator)) for number in range(count)]
    return pieces, _burst(generator)


def test_each_piece_is_played_before_any_comes_again() -> None:
    pieces, _ = _script_of(3)
    texts = [part.text for part in arrange(pieces, 7, 700, seed=1).parts]
    assert sorted(texts[:3]) == sorted(texts[3:6]) == ["0", "1", "2"]
    assert len(texts) == 7


def test_pauses_are_longer_than_the_hangover_and_vary() -> None:
    pieces, _ = _script_of(3)
    parts = arrange(pieces, 6, 1500, seed=1).parts
    pauses = {(later.span.start - part.span.end) / 16_000 for part, later in pairwise(parts)}
    assert min(pauses) > 1.5 + 0.7
    assert len(pauses) == 5


def test_the_script_holds_each_piece_where_it_says_and_knows_its_true_end() -> None:
    tone = np.concatenate((_burst(np.random.default_rng(1)), np.zeros(3000, np.int16)))
    script = arrange([Piece("a", tone)], 1, 700, seed=1)
    (part,) = script.parts
    assert np.array_equal(script.samples[part.span.start : part.span.end], tone)
    assert part.span.start + 3900 < part.speech_end <= part.span.start + 4000


def test_known_audio_is_found_in_a_recording_of_it() -> None:
    generator = np.random.default_rng(5)
    piece = _burst(generator)
    recording = as_samples(200 * generator.standard_normal(30_000))
    recording[12_345:16_345] += piece // 2
    place, likeness = place_of(piece, recording)
    assert place == 12_345
    assert likeness > 0.95


def test_pieces_that_were_not_played_are_not_found() -> None:
    pieces, other = _script_of(3)
    script = arrange(pieces, 3, 700, seed=1)
    recording = np.concatenate((np.zeros(500, np.int16), script.samples))
    second = script.parts[1]
    recording[500 + second.span.start : 500 + second.span.end] = other
    found = places(script, recording)
    assert found == [500 + script.parts[0].span.start, None, 500 + script.parts[2].span.start]


def test_nothing_is_found_in_nothing() -> None:
    assert place_of(np.ones(10, np.int16), np.zeros(5, np.int16)) == (0, 0.0)
    assert place_of(np.zeros(10, np.int16), np.ones(50, np.int16)) == (0, 0.0)


def test_the_least_delayed_reading_ties_a_recording_to_the_clock() -> None:
    assert zero_moment([(1600, 100.15), (3200, 100.201), (4800, 100.35)]) == pytest.approx(100.001)
