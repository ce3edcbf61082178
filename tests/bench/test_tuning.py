"""Tuning: what is tried, what survives, what is recommended and why."""

import json
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.engine import FakeEngine
from voicebridge.cli.config import command as config_command
from voicebridge.cli.invocation import Invocation
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.utterance import Transcript
from voicebridge.settings import EndpointSettings, Settings
from voicebridge_bench.accuracy import Spoken
from voicebridge_bench.commands.tune import command
from voicebridge_bench.components.host import look
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import commands
from voicebridge_bench.tuning import results, show
from voicebridge_bench.tuning.candidates import Candidate, Load, Machine, Model, candidates, thread_counts
from voicebridge_bench.tuning.fragment import check, toml
from voicebridge_bench.tuning.plot import draw
from voicebridge_bench.tuning.results import TuneResult
from voicebridge_bench.tuning.scores import Score, Tried, choose, difference, finalists, fronts, rungs, survivors
from voicebridge_bench.tuning.summing import Frame, delay_told, dislike, sum_up
from voicebridge_bench.tuning.trying import Setting, Trials, settings_with, try_all
from voicebridge_bench.tuning.worker import Worker

CPU = {"cpu": frozenset({"int8", "float32"})}
SPHINX = Load(engine="sphinx", model="")


def _score(number: int, errors: int, delay_ms: float | None, files: int = 4) -> Score:
    return Score(number, {file: Tried(errors, 10, delay_ms, 100.0) for file in range(files)})


def test_every_combination_that_fits_is_tried() -> None:
    found, left_out = candidates([Model("base.en", 150_000_000)], Machine(4, 10**10, CPU), ["cascade"], sphinx=True)
    assert len(found) == 2 * len(thread_counts(4)) * 3 + 1
    assert found[-1].load.engine == "sphinx"
    assert left_out == []


def test_those_that_load_alike_stand_together() -> None:
    found, _ = candidates([Model("a", 10**8), Model("b", 10**8)], Machine(2, 10**10, CPU), ["webrtc"], sphinx=False)
    loads = [one.load for one in found]
    assert sum(load != before for load, before in zip(loads[1:], loads, strict=False)) == len(set(loads)) - 1


def test_what_does_not_fit_into_memory_is_left_out_with_a_reason() -> None:
    found, left_out = candidates([Model("big", 10**9)], Machine(2, 2_500_000_000, CPU), ["webrtc"], sphinx=False)
    assert {one.load.compute_type for one in found} == {"int8"}
    assert "big in float32: it needs about 3.4 GB of memory, and 2.5 GB are free." in left_out


def test_arithmetic_that_the_machine_has_not_is_left_out() -> None:
    machine = Machine(2, 10**10, {"cpu": frozenset({"float32"})})
    _, left_out = candidates([Model("a", 10**8)], machine, ["webrtc"], sphinx=False)
    assert left_out == ["int8 on cpu: not offered by this machine."]


def test_a_gpu_is_tried_with_its_own_arithmetic() -> None:
    machine = Machine(8, 10**10, {"cuda": frozenset({"float16", "int8_float16"})})
    found, _ = candidates([Model("a", 10**8)], machine, ["webrtc"], sphinx=False)
    assert {(one.load.device, one.load.compute_type, one.load.threads) for one in found} == {
        ("cuda", "float16", 1),
        ("cuda", "int8_float16", 1),
    }


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (4, [1, 3, 4]), (32, [1, 8])])
def test_threads_leave_the_listener_a_core_or_take_all(cores: int, counts: list[int]) -> None:
    assert thread_counts(cores) == counts


def test_rounds_double_up_to_all_files() -> None:
    assert rungs(20, 3) == [3, 6, 12, 20]
    assert rungs(2, 3) == [2]


def test_those_that_none_beats_come_first() -> None:
    accurate, quick, beaten = _score(0, 1, 900), _score(1, 5, 300), _score(2, 5, 900)
    assert fronts([beaten, quick, accurate]) == [[accurate, quick], [beaten]]
    assert survivors([beaten, quick, accurate], 2) == [accurate, quick]


def test_equal_candidates_do_not_beat_each_other() -> None:
    assert len(fronts([_score(0, 1, 500), _score(1, 1, 500)])[0]) == 2


def test_one_that_cannot_be_used_does_not_survive() -> None:
    broken = _score(0, 0, 100)
    broken.fault = "it was killed"
    assert survivors([broken, _score(1, 9, 900), Score(2)], 3) == [_score(1, 9, 900)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50)), min_size=1, max_size=20), st.integers(1, 20))
@settings(max_examples=40)
def test_the_one_with_the_fewest_errors_always_survives(figures: list[tuple[int, int]], count: int) -> None:
    scores = [_score(number, errors, 100.0 * delay) for number, (errors, delay) in enumerate(figures)]
    kept = survivors(scores, count)
    assert min(one.error_rate for one in kept) == min(one.error_rate for one in scores)
    assert len(kept) == min(count, len(scores))


def test_files_in_which_nothing_is_heard_count_as_an_endless_delay() -> None:
    score = _score(0, 0, 500)
    score.files[0] = Tried(10, 10, None, 0.0)
    assert score.missed == 1
    assert score.delay_ms() == 500
    assert score.delay_ms(95) == float("inf")


def test_recommended_is_the_quickest_within_what_is_allowed() -> None:
    best, near, far = _score(0, 0, 900), _score(1, 1, 500), _score(2, 5, 100)
    assert choose([far, best, near], allowed_points=0) == (best, best)
    assert choose([far, best, near], allowed_points=10) == (near, best)
    assert choose([far, best, near], allowed_points=60) == (far, best)
    assert choose([Score(0)], 1) is None


def _one_late(number: int, delay_ms: float, late_ms: float, files: int) -> Score:
    """Return a score in which a tenth of the files is late, one at least."""
    score = _score(number, 1, delay_ms, files)
    for file in range(max(1, files // 10)):
        score.files[file] = Tried(1, 10, late_ms, 100.0)
    return score


@pytest.mark.parametrize(("files", "number"), [(19, 0), (20, 1)])
def test_one_late_file_of_few_does_not_decide(files: int, number: int) -> None:
    quick, steady = _one_late(0, 500, 5000, files), _one_late(1, 700, 700, files)
    chosen = choose([quick, steady], 1)
    assert chosen is not None
    assert chosen[0].number == number


def test_a_p95_of_few_files_is_not_told() -> None:
    result = _result(_trials())
    assert {one.delay_p95_ms for one in result.candidates} == {None}
    assert "its delay 0.50 s at the median; p95 needs 20 files." in result.reasons[0]
    trials = _trials()
    trials.scores[1] = _score(1, 1, 500, files=20)
    result = _result(trials)
    assert result.candidates[1].delay_p95_ms == 500
    assert "0.50 s at the median and 0.50 s at p95." in result.reasons[0]


def test_of_those_about_as_quick_the_least_disliked_is_recommended() -> None:
    best, alike, slow = _score(0, 1, 500), _score(1, 1, 510), _score(2, 1, 600)
    chosen = choose([best, alike, slow], 1, dislike=lambda score: -score.number)
    assert chosen is not None
    assert chosen[0] is alike


def test_noise_proof_detectors_and_fewer_threads_are_liked() -> None:
    load = Load(engine="whisper", model="a", threads=1)
    liked = [Candidate(load=load, vad_mode=mode) for mode in ("cascade", "silero", "webrtc")]
    more = Candidate(load=load.model_copy(update={"threads": 4}), vad_mode="cascade")
    order = [liked[0], more, liked[1], liked[2]]
    weights = [dislike(one) for one in order]
    assert weights == sorted(weights)
    assert len(set(weights)) == 4


def test_only_those_heard_longest_are_compared() -> None:
    assert finalists([_score(0, 0, 100, files=2), _score(1, 9, 900, files=4)]) == [_score(1, 9, 900, files=4)]


def test_the_difference_of_two_is_paired_over_files() -> None:
    low, high = difference(_score(0, 2, 100), _score(1, 1, 100))
    assert (low, high) == pytest.approx((0.1, 0.1))


def _trials() -> Trials:
    whisper = Load(engine="whisper", model=str(WHISPER_COMMANDS), compute_type="int8", threads=1)
    found = [
        Candidate(load=whisper, beam_size=5, vad_mode="cascade"),
        Candidate(load=whisper, beam_size=1, vad_mode="cascade"),
        Candidate(load=SPHINX, vad_mode="webrtc"),
    ]
    scores = [_score(0, 1, 900), _score(1, 1, 500), _score(2, 8, None)]
    scores[2].fault = "it was killed"
    return Trials(found, scores, [(3, 4)], ended="out of time")


def _result(trials: Trials) -> TuneResult:
    return sum_up(trials, Frame(look(gpus=0), "a 'corpus'", 9, 1, 1.0, 600.0, time.monotonic(), ["too big: x"]))


def test_the_recommended_settings_are_accepted_by_config_check(tmp_path: Path) -> None:
    result = _result(_trials())
    file = tmp_path / "recommended.toml"
    file.write_text(toml(result))
    check(file)
    done = CliRunner().invoke(config_command, ["check", str(file)], obj=Invocation())
    assert done.exit_code == 0
    assert 'mode = "cascade"' in file.read_text()
    assert "beam_size = 1" in file.read_text()
    assert "# Its word error rate is 10.0% on 4 files (40 words)" in file.read_text()


def test_a_result_says_what_it_is_worth() -> None:
    result = _result(_trials())
    told = "\n".join(show.lines(result))
    assert "4 files with 40 words are few" in told
    assert "ended early (out of time)" in told
    assert "Not usable here, it was killed: sphinx en-us, vad webrtc" in told
    assert "Not tried: too big: x" in told
    assert "Recommended: whisper-commands cpu int8, 1 thread, beam 1, vad cascade" in told


def test_a_shorter_delay_is_recommended_with_what_it_costs() -> None:
    trials = _trials()
    trials.scores[0] = _score(0, 0, 900)
    result = sum_up(trials, Frame(look(gpus=0), "c", 9, 1, 20.0, 600.0, time.monotonic(), []))
    assert any("The difference, +10.0% (95 % interval +10.0% to +10.0%), is within the 20" in r for r in result.reasons)


def test_what_was_not_tried_at_all_is_told() -> None:
    trials = _trials()
    trials.scores[1] = Score(1)
    assert any("before 1 of 3 candidates were tried" in warning for warning in _result(trials).warnings)


def test_without_anything_tried_nothing_is_recommended() -> None:
    trials = _trials()
    trials.scores[:] = [Score(0), Score(1), Score(2)]
    result = _result(trials)
    assert result.recommended is None
    assert "nothing is recommended" in result.warnings[-1]
    jsonschema.validate(json.loads(result.model_dump_json()), results.schema())


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture_is_drawn(tmp_path: Path, ending: str) -> None:
    draw(_result(_trials()), tmp_path / f"tune.{ending}")
    data = (tmp_path / f"tune.{ending}").read_bytes()
    assert b"recommended" in data or data.startswith(b"\x89PNG")


def test_the_schema_is_that_of_the_results() -> None:
    assert json.loads(results.SCHEMA_FILE.read_text()) == results.schema()


def test_settings_take_over_what_a_load_says() -> None:
    load = Load(engine="whisper", model="a", compute_type="int8", threads=3)
    found = settings_with(Settings(), load)
    assert (found.engine.kind, found.whisper.model, found.whisper.threads) == ("whisper", "a", 3)
    assert settings_with(Settings(), SPHINX).engine.kind == "sphinx"


def test_a_worker_tells_text_and_delay_of_a_file() -> None:
    engine = FakeEngine()
    engine.load()
    (clip,) = commands(1, 5)
    speech = np.concatenate((clip.samples, np.zeros(16_000, np.int16)))
    worker = Worker(Settings(), engine, [speech, np.zeros(16_000, np.int16)])
    found = worker.try_file(0, "webrtc", 0)
    assert found["text"] == "turn on the lights"
    assert 600 < found["delay_ms"] < 1200
    assert worker.try_file(0, "webrtc", 1) == {"file": 1, "text": "", "decode_ms": 0.0, "delay_ms": None}


class _Slow(FakeEngine):
    """Says that its decodes took so long."""

    def __init__(self, decode_ms: float) -> None:
        super().__init__()
        self.decode_ms = decode_ms

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        return replace(super().decode(audio, start_sample), decode_ms=self.decode_ms)


def _predicted_ms(decode_ms: float, endpoint: EndpointSettings) -> float:
    engine = _Slow(decode_ms)
    engine.load()
    (clip,) = commands(1, 5)
    speech = np.concatenate((clip.samples, np.zeros(16_000, np.int16)))
    delay_ms = Worker(Settings(endpoint=endpoint), engine, [speech]).try_file(0, "webrtc", 0)["delay_ms"]
    assert isinstance(delay_ms, float)
    return delay_ms


@pytest.mark.parametrize(
    ("decode_ms", "speculate_after_ms", "more_ms"),
    [
        (540.0, 150, 0),  # it fits
        (800.0, 150, 250),  # it outlasts the pause
        (1700.0, 150, 1700),  # not worth beginning in the pause
        (540.0, 0, 540),  # no decodes in pauses
        (540.0, 700, 540),  # nor where the hangover is over by then
    ],
)
def test_a_delay_is_predicted_with_the_decode_in_the_pause_that_the_settings_allow(
    decode_ms: float, speculate_after_ms: int, more_ms: float
) -> None:
    endpoint = EndpointSettings(hangover_ms=700, speculate_after_ms=speculate_after_ms, tail_ms=140)
    assert _predicted_ms(decode_ms, endpoint) - _predicted_ms(0.0, endpoint) == pytest.approx(more_ms)


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        (EndpointSettings(), "(700 ms), plus what of the last utterance's decode does not fit into the pause"),
        (EndpointSettings(tail_ms=300), "in which it begins after 300 ms"),
        (EndpointSettings(speculate_after_ms=0), "which begins at the endpoint"),
        (EndpointSettings(mode="adaptive"), "(700 ms, as where text and voice say nothing)"),
    ],
)
def test_how_delays_are_predicted_is_told(endpoint: EndpointSettings, told: str) -> None:
    assert told in delay_told(endpoint)


def _setting(scratch: Path, seconds: float) -> Setting:
    spoken = [Spoken("commands", str(n), clip.text, clip.samples) for n, clip in enumerate(commands(4, 50_000_000))]
    return Setting(spoken, Settings(), scratch, scratch, time.monotonic() + seconds)


@pytest.mark.slow
def test_candidates_are_tried_in_processes_and_a_bad_one_is_told(tmp_path: Path) -> None:
    good = Load(engine="whisper", model=str(WHISPER_COMMANDS), compute_type="int8", threads=1)
    bad = Load(engine="whisper", model=str(WHISPER_COMMANDS), compute_type="nonsense", threads=1)
    trials = Trials([Candidate(load=load, beam_size=1, vad_mode="webrtc") for load in (bad, good)])
    try_all(trials, _setting(tmp_path, 600), lambda _what, _share: None)
    assert trials.ended == "complete"
    assert "nonsense" in trials.scores[0].fault
    assert len(trials.scores[1].files) == 4
    assert trials.scores[1].memory_mb > 50


def test_when_time_is_up_the_round_under_way_does_not_count(tmp_path: Path) -> None:
    trials = Trials([Candidate(load=SPHINX, vad_mode="webrtc")])
    try_all(trials, _setting(tmp_path, 0), lambda _what, _share: None)
    assert (trials.ended, trials.rounds) == ("out of time", [])


def test_an_interruption_keeps_what_is_known(tmp_path: Path) -> None:
    def interrupt(_what: str, _share: float) -> None:
        raise KeyboardInterrupt

    trials = Trials([Candidate(load=SPHINX, vad_mode="webrtc")])
    try_all(trials, _setting(tmp_path, 600), interrupt)
    assert trials.ended == "interrupted"


def test_a_model_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--model", "none", "--output", str(tmp_path / "out")])
    assert isinstance(result.exception, VoicebridgeError)
    assert "The whisper model none is not on disk" in result.exception.message


@pytest.mark.slow
def test_tune_recommends_within_its_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--minutes", "0.4", "--vad", "webrtc", "--no-sphinx", "--output", str(out)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    data = json.loads((out / "tune.json").read_text())
    jsonschema.validate(data, results.schema())
    assert result.exit_code == (0 if data["recommended"] else 1)
    assert data["seconds"] < 60
    if data["recommended"]:  # else not even three files were heard on a machine that others keep busy
        check(out / "recommended.toml")
        assert (out / "tune.svg").is_file()
