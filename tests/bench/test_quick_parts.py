"""The parts of `quick`: what they make of sittings, files and samples that are made up."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest

from tests.bench.runs import stepping
from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.ports import EngineInfo, TurnEvidence, TurnVerdict
from voicebridge.domain.utterance import Transcript
from voicebridge.settings import EndpointSettings
from voicebridge_bench.accuracy import Spoken, compare
from voicebridge_bench.components.results import Outcome, Verdict
from voicebridge_bench.latency.script import Part, Script
from voicebridge_bench.quick import lag, partials, sentences, speculation, turns, words
from voicebridge_bench.quick.contest import in_turns, paired, ratio
from voicebridge_bench.quick.pairs import Sitting
from voicebridge_bench.quick.results import Claimed, Goal, QuickFigure, QuickPart, judged, outcome_of
from voicebridge_bench.quick.script_room import LagWatch
from voicebridge_bench.quick.sitting import Noted
from voicebridge_bench.quick.talks import Told, begin_of_speech, told_of, trimmed, without_rest

AT_MOST = Goal(sense="at most", bound=50, reason="a test")
AT_LEAST = Goal(sense="at least", bound=5, reason="a test")


def _claimed(value: float | None, **more: Any) -> Claimed:
    return Claimed(name="a", title="a", unit="ms", value=value, n=1, **more)


def _part(*figures: QuickFigure, state: str = "ran", name: str = "delay") -> QuickPart:
    return QuickPart.model_validate(
        {
            "name": name,
            "title": "",
            "state": state,
            "reason": "",
            "seconds": 1.0,
            "facts": {},
            "warnings": [],
            "figures": list(figures),
        }
    )


def _told(**more: Any) -> Told:
    values = {
        "began_at": 10.0,
        "endpoint_at": 12.0,
        "endpoint_came_at": 12.02,
        "settled_at": 12.03,
        "decode_kind": "speculative",
        "decode_ms": 100.0,
        "decoded_at": 11.8,
        "text": "Turn on the light.",
    }
    return Told(**{**values, **more})


def _sitting(told: Sequence[Told], cpu_seconds: float = 1.0) -> Sitting:
    return Sitting(Noted(cpu_seconds=cpu_seconds, script_seconds=10.0), list(told))


def _partial(at: float, stable: str, tentative: str = "") -> dict[str, Any]:
    return {"at": at, "stable": stable, "tentative": tentative}


def test_a_figure_meets_a_goal_at_its_bound() -> None:
    assert judged(_claimed(50.0), AT_MOST).verdict is Verdict.MET
    assert judged(_claimed(50.1), AT_MOST).verdict is Verdict.MISSED
    assert judged(_claimed(5.0), AT_LEAST).verdict is Verdict.MET
    assert judged(_claimed(4.9), AT_LEAST).verdict is Verdict.MISSED


def test_a_figure_without_a_value_is_not_judged() -> None:
    figure = judged(_claimed(None, withheld="too few"), AT_MOST)
    assert (figure.verdict, figure.because) == (Verdict.NOT_JUDGED, "too few")


def test_a_run_passes_when_no_goal_was_missed_and_nothing_is_missing() -> None:
    met, missed = judged(_claimed(1.0), AT_MOST), judged(_claimed(99.0), AT_MOST)
    unjudged, without = judged(_claimed(None), AT_MOST), judged(_claimed(1.0))
    assert outcome_of([_part(met, without)])[0] is Outcome.PASSED
    assert outcome_of([_part(met, missed)])[0] is Outcome.FAILED
    assert outcome_of([_part(met), _part(state="broken", name="lag")]) == (Outcome.FAILED, "broken: lag.")
    assert outcome_of([_part(met), _part(state="skipped", name="lag")])[0] is Outcome.INCOMPLETE
    assert outcome_of([_part(met, unjudged)])[0] is Outcome.INCOMPLETE
    assert outcome_of([_part(without)])[0] is Outcome.PASSED
    assert outcome_of([_part()])[0] is Outcome.INCOMPLETE


def test_ways_are_timed_in_turns_and_another_goes_first_each_time() -> None:
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) for name in "ab"}
    in_turns(stepping([1]), ways, rounds=2, takes=1)
    assert order == ["a", "b", "a", "b", "b", "a"]


def test_a_ratio_is_of_neighbours_so_that_drift_is_on_both_sides() -> None:
    times = in_turns(stepping([1]), {"slow": lambda: None, "fast": lambda: None}, rounds=3, takes=2)
    for number, drift in enumerate((1.0, 4.0, 2.0)):
        times.clock["slow"][number] = [6 * drift, 6 * drift]
        times.clock["fast"][number] = [drift, drift]
    figure = paired("a", "a", times, "slow", "fast")
    assert figure.value == pytest.approx(6)
    assert figure.interval == pytest.approx((6, 6))
    assert figure.sides["slow"].n == 6


def test_a_ratio_of_sittings_is_of_their_medians() -> None:
    figure = ratio("a", "a", {"with": [[3.0], [3.1], [3.2]], "without": [[1.0], [1.0], [1.0]]}, "with", "without")
    assert figure.value == pytest.approx(3.1)
    assert figure.interval is not None
    assert figure.interval[0] > 2


def test_a_decode_fitted_when_it_was_over_before_the_hangover_was() -> None:
    assert speculation.has_fitted(_told(endpoint_at=12.0, decoded_at=12.0))
    assert not speculation.has_fitted(_told(endpoint_at=12.0, decoded_at=12.001, decode_ms=1.0))
    assert not speculation.has_fitted(_told(decode_kind="final"))


def test_the_delay_after_the_endpoint_is_that_of_decodes_that_fitted() -> None:
    late = _told(decoded_at=12.4, settled_at=12.5)
    held = {
        speculation.WITH: [_sitting([_told()] * 20 + [late]) for _ in range(3)],
        speculation.WITHOUT: [_sitting([_told(decode_kind="final", settled_at=12.12)] * 3, 2.0) for _ in range(3)],
        speculation.WITH_BOTH: [_sitting([_told(settled_at=12.09)] * 20) for _ in range(3)],
    }
    figures = {figure.name: figure for figure in speculation.figures_of(held)}
    assert figures["speculation.fitted"].value == pytest.approx(100 * 60 / 63)
    assert figures["speculation.after_endpoint.p95"].value == pytest.approx(30)
    assert figures["speculation.after_endpoint.p95"].verdict is Verdict.MET
    assert figures["speculation.after_block.p95"].value == pytest.approx(10)
    assert figures["speculation.with_partials.fitted"].value == 100
    assert figures["speculation.with_partials.after_endpoint.p95"].value == pytest.approx(90)
    assert figures["speculation.with_partials.after_endpoint.p95"].verdict is Verdict.MISSED
    assert figures["speculation.gain"].value == pytest.approx(4)
    assert figures["speculation.cpu"].value == pytest.approx(0.5)


def test_where_no_decode_fitted_nothing_is_judged() -> None:
    held = {way: [_sitting([_told(decode_kind="final")])] * 3 for way in speculation.WAYS}
    figures = {figure.name: figure for figure in speculation.figures_of(held)}
    assert figures["speculation.after_endpoint.p95"].verdict is Verdict.NOT_JUDGED
    assert figures["speculation.fitted"].value == 0


def test_a_word_that_changes_or_goes_is_a_revision_and_one_that_is_added_none() -> None:
    assert partials.revisions(["turn", "turn on", "turn on the light"]) == 0
    assert partials.revisions(["turn on", "turn off the"]) == 1
    assert partials.revisions(["turn on", "turn"]) == 1


def test_the_first_word_shown_may_be_tentative_and_the_first_stable_one_not() -> None:
    told = _told(partials=[_partial(10.2, "", " "), _partial(10.4, "", "Turn"), _partial(10.9, "Turn", "on")])
    assert partials.first_shown_ms(told) == pytest.approx(400)
    assert partials.first_stable_ms(told) == pytest.approx(900)
    assert partials.first_shown_ms(_told()) is None


def test_stable_words_are_held_against_the_final_text_without_its_marks() -> None:
    told = _told(partials=[_partial(10.4, "Turn on a", "light")])
    held = {way: [_sitting([told])] * 3 for way in (partials.WITH, partials.WITHOUT)}
    figures = {figure.name: figure for figure in partials.figures_of(held)}
    assert figures["partials.revisions"].value == 0
    assert figures["partials.against_final"].value == pytest.approx(1 / 3)
    assert figures["partials.against_final"].parameters["changed"] == 3


def test_a_final_that_partials_delay_is_held_against_its_longest_partial_piece_by_piece() -> None:
    with_partials = [
        _told(place=0, settled_at=12.20, partial_decodes_ms=[50.0, 150.0]),
        _told(place=1, settled_at=12.13, partial_decodes_ms=[]),
        _told(place=2, settled_at=99.0, partial_decodes_ms=[1.0]),  # the other sitting has no such piece
    ]
    without = [_told(place=1, settled_at=12.03), _told(place=0, settled_at=12.10)]
    held = {partials.WITH: [_sitting(with_partials)] * 3, partials.WITHOUT: [_sitting(without)] * 3}
    assert np.array(partials.delayed_ms(held)) == pytest.approx(np.array([(100, 150), (100, 0)] * 3))
    figures = {figure.name: figure for figure in partials.figures_of(held)}
    assert figures["partials.extra.p50"].value == pytest.approx(100)
    assert figures["partials.beyond_one"].n == 6
    assert figures["partials.beyond_one"].verdict is Verdict.NOT_JUDGED
    assert figures["partials.beyond_one"].parameters == {"largest_ms": pytest.approx(100), "utterances_above": 3}


@pytest.mark.parametrize(("partial_ms", "verdict"), [(101.0, Verdict.MET), (60.0, Verdict.MISSED)])
def test_no_final_may_wait_for_more_than_one_partial(partial_ms: float, verdict: Verdict) -> None:
    late = [_told(place=place, settled_at=12.13, partial_decodes_ms=[partial_ms]) for place in range(40)]
    held = {
        partials.WITH: [_sitting(late)] * 3,
        partials.WITHOUT: [_sitting([_told(place=place) for place in range(40)])] * 3,
    }
    figures = {figure.name: figure for figure in partials.figures_of(held)}
    assert figures["partials.beyond_one"].verdict is verdict


def test_lag_is_told_at_full_load_and_idle() -> None:
    noted = {
        lag.IDLE: [Noted(lags_ms=[1.0] * 40) for _ in range(3)],
        lag.LOADED: [Noted(lags_ms=[2.0] * 39 + [30.0], decoding_share=1.0) for _ in range(3)],
    }
    figures = {figure.name: figure for figure in lag.figures_of(noted)}
    assert figures["lag.loaded"].verdict is Verdict.MISSED
    assert figures["lag.loaded"].parameters["decoding_share"] == 1
    assert figures["lag.idle"].value == 1
    assert figures["lag.ratio"].value == pytest.approx(2)


def test_lag_that_is_there_without_the_engine_is_not_held_against_it() -> None:
    noted = {lag.IDLE: [Noted(lags_ms=[25.0] * 100)] * 3, lag.LOADED: [Noted(lags_ms=[40.0] * 100)] * 3}
    loaded = next(iter(lag.figures_of(noted)))
    assert (loaded.verdict, loaded.value) == (Verdict.NOT_JUDGED, 40)
    assert "other work" in loaded.because


def test_a_block_has_been_taken_with_its_last_whole_frame() -> None:
    ticks = count(1)
    watch = LagWatch(clock=lambda: next(ticks) / 1000)
    watch.wrote(640)
    assert watch.look(640, 0)
    assert watch.lags_ms == []  # nobody watched
    watch.watching = True
    watch.wrote(1290)
    assert not watch.look(1290, 330)
    assert watch.look(1290, 10)
    assert watch.lags_ms == pytest.approx([2.0])


def test_speech_is_found_within_silence() -> None:
    samples = np.concatenate((np.zeros(100), np.full(50, 9000), np.zeros(70))).astype(np.int16)
    assert begin_of_speech(samples) == 100
    assert len(trimmed(samples)) == 50


def test_speech_without_rest_begins_at_once() -> None:
    piece = np.concatenate((np.zeros(800), np.full(8000, 9000), np.zeros(800))).astype(np.int16)
    whole = without_rest([piece], seconds=3.0, pause_seconds=0.5)
    assert whole[0] == 9000
    assert len(whole) == 3 * 16_000


def _heard_script(**stored: Any) -> tuple[Script, Noted]:
    samples = np.concatenate((np.zeros(1600), np.full(16_000, 9000), np.zeros(1600))).astype(np.int16)
    script = Script(samples, [Part("a", Span(0, len(samples)), 17_600)])
    event = {"kind": "stored", "id": 1, "start": 33_000, "end": 51_000, "speech_end": 49_600, "reason": "hangover"}
    settled = {"kind": "settled", "at": 103.9, "id": 1, "status": "done", "text": "A.", "decode_kind": "final"}
    partial = {"kind": "partial", "at": 102.5, "start": 33_000, "stable": "", "tentative": "A"}
    arrivals = [100.001 + 0.04 * (number + 1) for number in range(150)]
    noted = Noted(
        100.0, 32_000, arrivals=arrivals, events=[{**event, **stored}, partial, {**settled, "decode_ms": 9.0}]
    )
    # Of the piece before, two of this one (the second while its text is waited for), and of the next one.
    noted.partial_decodes = [[101.0, 0.5], [102.4, 0.2], [103.85, 0.08], [104.0, 0.1]]
    # Of the piece before, two of this one (one in a pause that was none), and one after its text.
    noted.decodes = [[1600, 101.0, 0.5], [33_000, 102.9, 0.2], [33_000, 103.3, 0.25], [33_000, 104.1, 0.1]]
    return script, noted


def test_what_became_of_a_piece_is_told_by_samples() -> None:
    (told,) = told_of(*_heard_script(), hangover_ms=700)
    assert told.began_at == pytest.approx(100 + 33_600 / 16_000)
    assert told.after_endpoint_ms == pytest.approx(100)
    assert told.after_block_ms == pytest.approx(99)  # the endpoint is the end of a block, which came 1 ms late
    assert len(told.partials) == 1
    assert told.place == 0
    assert told.decoded_at == pytest.approx(103.55)
    assert told.partial_decodes_ms == pytest.approx([200, 80])


def test_a_piece_that_silence_did_not_end_has_no_delay() -> None:
    assert told_of(*_heard_script(reason="max_length"), hangover_ms=700) == []


def _files(*texts: str) -> words.Heard:
    heard = words.Heard()
    for number, text in enumerate(texts):
        item = Spoken("c", str(number), "turn on the light", np.zeros(1, np.int16))
        transcript = Transcript(text, "whisper", "m", decode_ms=10.0, fallback="repeats itself" if not text else "")
        heard.take(item, transcript)
    return heard


def test_equal_texts_are_no_worse_and_fallbacks_are_counted() -> None:
    full, adaptive = _files("turn on the light", ""), _files("turn on the light", "")
    figure = words.figure_of("clean", full, adaptive)
    assert (figure.value, figure.interval, figure.verdict) == (0, (0, 0), Verdict.MET)
    assert figure.parameters["fallback: repeats itself"] == 1


def test_a_window_that_surely_costs_words_is_missed() -> None:
    full, adaptive = _files(*["turn on the light"] * 30), _files(*["turn off the light"] * 30)
    figure = words.figure_of("5 dB", full, adaptive)
    assert (figure.name, figure.value, figure.verdict) == ("words.5_dB", 25, Verdict.MISSED)


def test_a_worse_rate_that_may_be_chance_is_not_missed() -> None:
    right, wrong = "turn on the light", "turn off the light"
    figure = words.figure_of("clean", _files(right, wrong, right, wrong), _files(wrong, right, wrong, wrong))
    assert figure.value is not None
    assert figure.value > 0
    assert figure.verdict is Verdict.MET


def test_a_difference_is_paired_by_file() -> None:
    a = [compare(Spoken("c", "1", "one two", np.zeros(1, np.int16)), "one two")] * 5
    low, high = words.paired_interval(a, a)
    assert (low, high) == (0, 0)


class _Engine:
    """Decodes at once to the same text."""

    info = EngineInfo("fake", "none")

    def __init__(self, decode_ms: float = 50.0, text: str = "turn on the") -> None:
        self.decode_ms = decode_ms
        self.text = text

    def load(self) -> None:
        pass

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        return Transcript(self.text, "fake", "none", decode_ms=self.decode_ms)

    def close(self) -> None:
        pass


class _Waits:
    """Says always to wait so long."""

    def __init__(self, hangover_ms: int) -> None:
        self.hangover_ms = hangover_ms

    def judge(self, evidence: TurnEvidence) -> TurnVerdict:
        return TurnVerdict(self.hangover_ms, evidence.text)


FIXED = EndpointSettings(hangover_ms=700)
BY_TURNS = EndpointSettings(mode="adaptive")


def _sentence(pause_frames: int) -> tuple[sentences.Sentence, list[bool]]:
    speech = [*[False] * 10, *[True] * 20, *[False] * pause_frames, *[True] * 20, *[False] * 120]
    begin, end = 30 * 320, (50 + pause_frames) * 320
    samples = np.zeros(len(speech) * 320, np.int16)
    pause = Span(begin, begin + pause_frames * 320)
    return sentences.Sentence("turn on the light.", samples, pause, end, before="turn on the"), speech


def test_a_pause_longer_than_a_fixed_hangover_cuts_a_sentence_off() -> None:
    for pause_frames, cut in ((34, False), (40, True)):
        outcome = turns.heard(*_sentence(pause_frames), turns.Judge(_Engine(), FIXED))
        assert outcome.cut is cut
        assert outcome.wait_ms == pytest.approx(700)
        assert outcome.reasons == ()


def test_a_verdict_lengthens_or_shortens_the_wait() -> None:
    longer = turns.heard(*_sentence(40), turns.Judge(_Engine(), BY_TURNS, _Waits(1400)))
    shorter = turns.heard(*_sentence(10), turns.Judge(_Engine(), BY_TURNS, _Waits(500)))
    assert not longer.cut
    assert not shorter.cut
    assert longer.wait_ms == pytest.approx(1400)
    assert shorter.wait_ms == pytest.approx(500)
    assert longer.reasons == ("turn on the", "turn on the")


@pytest.mark.parametrize(("said_ms", "waited_ms"), [(9000, 1500), (20, 400)])
def test_a_verdict_is_kept_within_the_bounds_of_the_settings(said_ms: int, waited_ms: int) -> None:
    outcome = turns.heard(*_sentence(5), turns.Judge(_Engine(), BY_TURNS, _Waits(said_ms)))
    assert outcome.wait_ms == pytest.approx(waited_ms)


def test_what_the_gate_does_not_believe_changes_no_wait() -> None:
    outcome = turns.heard(*_sentence(5), turns.Judge(_Engine(text=""), BY_TURNS, _Waits(1500)))
    assert outcome.wait_ms == pytest.approx(700)
    assert outcome.reasons == (turns.NOT_BELIEVED,)


def test_a_verdict_that_comes_when_speech_goes_on_is_void() -> None:
    outcome = turns.heard(*_sentence(20), turns.Judge(_Engine(decode_ms=300.0), BY_TURNS, _Waits(1500)))
    assert outcome.reasons == (turns.RESUMED, "turn on the")


def test_a_verdict_that_comes_after_the_endpoint_is_void_and_the_next_decode_not_worth_it() -> None:
    judge = turns.Judge(_Engine(decode_ms=6000.0), BY_TURNS, _Waits(1500))
    assert turns.heard(*_sentence(5), judge).reasons == (turns.LATE,)
    outcome = turns.heard(*_sentence(5), judge)
    assert outcome.wait_ms == pytest.approx(700)
    assert outcome.reasons == (turns.NOT_WORTHWHILE,)


def test_rules_can_be_given_the_words_that_were_said() -> None:
    judge = turns.Judge(_Engine(text="Turn on the light."), BY_TURNS, as_said=True)
    assert turns.heard(*_sentence(40), judge).reasons[0] == "article"


def test_the_pause_in_a_sentence_has_the_length_that_was_drawn() -> None:
    sentence = sentences.with_pause("Turn on the kitchen light.", "en-us", seed=5)
    assert sentence.pause.seconds in {pause / 1000 for pause in sentences.PAUSES_MS}
    quiet = sentence.samples[sentence.pause.start : sentence.pause.end]
    assert int(np.abs(quiet).max()) <= 2


@pytest.mark.parametrize(
    ("kind", "text", "before"),
    [
        ("conjunction", "Add milk and eggs to the shopping list.", ["Add milk and"]),
        ("preposition", "Set a timer for twenty five minutes.", ["Set a timer for"]),
        ("article", "Lock the front door.", ["Lock the"]),
        ("unit", "Set a timer for twenty five minutes.", ["Set a timer for twenty five"]),
        ("mid-number", "Six four two eight.", ["Six four", "Six four two"]),
        ("mid-number", "Set a timer for twenty five minutes.", []),
        ("comma", "What time is it?", ["What", "What time", "What time is"]),
        ("unit", "Stop the music now.", []),
        (sentences.ANY, "Next song.", []),
    ],
)
def test_a_pause_stands_where_its_rule_has_something_to_judge(kind: str, text: str, before: list[str]) -> None:
    assert [" ".join(text.split()[:place]) for place in sentences.places(text, kind)] == before


def test_half_of_the_pauses_stand_after_any_word_and_every_rule_has_its_turn() -> None:
    drawn = list(sentences.corpus(2 * len(sentences.OPEN)))
    assert [one.kind for one in drawn[::2]] == [sentences.ANY] * len(sentences.OPEN)
    assert [one.kind for one in drawn[1::2]] == list(sentences.OPEN)
    by_kind = {one.kind: one for one in drawn}
    assert by_kind["filler"].before.endswith(" um")
    assert by_kind["comma"].before.endswith(",")
    for one in drawn:
        assert one.said(one.pause.start) == one.before
        assert one.said(one.end) == one.text
        assert one.text.startswith(f"{one.before} ")


def test_adaptive_turns_are_held_against_the_usual_hangover_sentence_by_sentence() -> None:
    found = {f"fixed {ms} ms": [turns.Outcome(True, ms)] * 4 for ms in turns.FIXED_MS}
    ours = [turns.Outcome(False, 500.0, ("sentence done",))] * 3
    found[turns.ADAPTIVE] = [*ours, turns.Outcome(True, 700.0, ("article",), "article")]
    found[turns.AS_SAID] = found[turns.ADAPTIVE]
    figures = {figure.name: figure for figure in turns.figures_of(found)}
    assert figures["turns.any_word.cut_offs"].value == -100
    assert figures["turns.any_word.wait"].value == -200
    assert figures["turns.any_word.cut_offs"].parameters == {"verdict: sentence done": 3}
    assert figures["turns.open_words.cut_offs"].value == 0
    assert figures["turns.as_said.open_words.cut_offs"].parameters == {"verdict: article": 1}
    assert figures["turns.cut.fixed_400_ms"].value == 100
    assert figures["turns.cut.adaptive"].parameters == {"after any word": "0 of 3", "after article": "1 of 1"}
