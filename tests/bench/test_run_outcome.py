"""Runs of made-up figures: what they come to, and how they are written down."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from tests.bench.runs import MACHINE, run_of, suite_of, targets_of
from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.components.figure import Context, Figure, LeftOut, Ready, Suite
from voicebridge_bench.components.html import page
from voicebridge_bench.components.results import SCHEMA_FILE, Outcome, Run, Verdict, read, schema
from voicebridge_bench.components.show import run_lines
from voicebridge_bench.components.targets import FigureTargets, Targets


def _failing(at: str, error: BaseException | None = None) -> Suite:
    """Return a suite that cannot be opened, or whose figure breaks, or that cannot be taken down."""

    def take() -> float:
        if at == "close":
            return 1.0
        raise error or VoicebridgeError("It fell over.")

    @contextmanager
    def opened(_context: Context) -> Iterator[Ready]:
        if at == "open":
            raise VoicebridgeError("There is no espeak-ng.")
        yield Ready([Figure("sick", "Sick", "ms", take)])
        if at == "close":
            raise error or VoicebridgeError("It cannot be taken down.")

    return Suite("sick", "Sick", ("sick",), opened)


def test_a_run_whose_targets_are_all_met_has_passed(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0})], tmp_path, targets_of({"quick": 2.0}))
    assert run.outcome is Outcome.PASSED
    assert run.figures["quick"].p50 == pytest.approx(1.0, rel=0.1)
    assert run.figures["quick"].iterations == 80
    assert len(run.figures["quick"].rounds) == 8


def test_a_planted_slow_down_turns_its_target_red_and_no_other(tmp_path: Path) -> None:
    targets = targets_of({"quick": 2.0, "steady": 2.0})
    run = run_of([suite_of({"quick": 3.0, "steady": 1.0})], tmp_path, targets)
    assert run.outcome is Outcome.FAILED
    assert run.because == "missed: quick."
    assert run.figures["quick"].verdict is Verdict.MISSED
    assert run.figures["steady"].verdict is Verdict.MET


def test_a_suite_that_cannot_run_here_makes_the_run_incomplete(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0}), _failing("open")], tmp_path, targets_of({"quick": 2.0}))
    assert run.outcome is Outcome.INCOMPLETE
    assert run.suites[1].state == "skipped"
    assert "espeak-ng" in run.suites[1].reason
    assert "sick was skipped" in run.because


def test_a_suite_that_breaks_on_its_way_fails_the_run(tmp_path: Path) -> None:
    run = run_of([_failing("take"), suite_of({"quick": 1.0})], tmp_path, targets_of({"quick": 2.0}))
    assert run.outcome is Outcome.FAILED
    assert run.suites[0].state == "broken"
    assert run.suites[0].figures == []
    assert run.figures["quick"].verdict is Verdict.MET


@pytest.mark.parametrize("at", ["take", "close"])
@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("database is locked"), OSError("no space"), RuntimeError("a decode failed")]
)
def test_a_suite_that_breaks_in_a_library_loses_no_other_suite(tmp_path: Path, error: Exception, at: str) -> None:
    run = run_of([_failing(at, error), suite_of({"quick": 1.0})], tmp_path, targets_of({"quick": 2.0}))
    assert run.suites[0].state == "broken"
    assert run.suites[0].reason == f"{type(error).__name__}: {error}"
    assert run.figures["quick"].verdict is Verdict.MET


def test_an_early_end_keeps_what_was_measured_until_then(tmp_path: Path) -> None:
    suites = [suite_of({"quick": 1.0}), _failing("take", KeyboardInterrupt()), suite_of({"late": 1.0}, name="late")]
    run = run_of(suites, tmp_path, targets_of({"quick": 2.0}))
    assert run.interrupted
    assert run.outcome is Outcome.INCOMPLETE
    assert "it was ended early" in run.because
    assert len(run.figures["quick"].rounds) == 1
    assert [suite.left_out for suite in run.suites[1:]] == [
        {"sick": "the run was ended before its first round"},
        {"late": "the run was ended before its first round"},
    ]
    jsonschema.validate(json.loads(run.model_dump_json()), schema())


@pytest.mark.parametrize(
    "ready", [{"left_out": [LeftOut("speech", "no espeak-ng")]}, {"unjudged": "the scratch directory is in memory"}]
)
def test_what_was_left_out_or_cannot_be_judged_makes_it_incomplete(tmp_path: Path, ready: dict[str, object]) -> None:
    run = run_of([suite_of({"quick": 1.0}, ready=ready)], tmp_path, targets_of({"quick": 2.0}))
    assert run.outcome is Outcome.INCOMPLETE


def test_a_run_without_any_target_has_not_passed(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0})], tmp_path)
    assert run.outcome is Outcome.INCOMPLETE
    assert run.because == "no figure has a target for this machine."


def test_too_few_iterations_for_a_target_are_not_a_pass(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0})], tmp_path, targets_of({"quick": 2.0}, "p99"), iterations=20)
    assert run.figures["quick"].p99 is None
    assert run.figures["quick"].verdict is Verdict.NOT_JUDGED
    assert run.outcome is Outcome.INCOMPLETE


def test_a_target_in_another_unit_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    seconds = FigureTargets.model_validate({"statistic": "p50", "unit": "s"})
    with pytest.raises(VoicebridgeError, match="it is measured in ms"):
        run_of([suite_of({"quick": 1.0})], tmp_path, Targets({"quick": (seconds, "mine.toml")}))


def test_figures_take_turns_round_by_round(tmp_path: Path) -> None:
    order: list[str] = []

    def taking(name: str) -> Figure:
        def take() -> float:
            order.append(name)
            return 0.001

        return Figure(name, name, "ms", take, warm_up=1)

    @contextmanager
    def opened(_context: Context) -> Iterator[Ready]:
        yield Ready([taking("a"), taking("b")])

    turns = Suite("turns", "Turns", ("a", "b"), opened)
    run = run_of([turns, suite_of({"other": 1.0})], tmp_path, iterations=16)
    # A warm-up that does not count, and two that do, in each round.
    assert order == ["a", "a", "a", "b", "b", "b"] * 8
    assert run.figures["a"].iterations == 16


def test_a_figure_with_audio_has_a_real_time_factor(tmp_path: Path) -> None:
    @contextmanager
    def opened(_context: Context) -> Iterator[Ready]:
        yield Ready([Figure("decode", "Decode", "ms", lambda: 0.5, audio_seconds=5.0)])

    run = run_of([Suite("speech", "Speech", ("decode",), opened)], tmp_path)
    assert run.figures["decode"].real_time_factor == pytest.approx(0.1)


def test_rounds_of_all_suites_stand_between_those_of_each(tmp_path: Path) -> None:
    order: list[str] = []

    def suite(name: str) -> Suite:
        def take() -> float:
            order.append(name)
            return 0.001

        @contextmanager
        def opened(_context: Context) -> Iterator[Ready]:
            order.append(f"{name} opened")
            yield Ready([Figure(name, name, "ms", take, warm_up=0)])
            order.append(f"{name} closed")

        return Suite(name, name, (name,), opened)

    run_of([suite("a"), suite("b")], tmp_path, iterations=8)
    assert order == ["a opened", "b opened", *["a", "b"] * 8, "b closed", "a closed"]


def test_the_shipped_schema_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == schema()


def test_a_written_result_fits_its_schema_and_reads_back(tmp_path: Path) -> None:
    suites = [suite_of({"quick": 1.0}), _failing("open")]
    run = run_of(suites, tmp_path / "scratch", targets_of({"quick": 2.0}))
    file = tmp_path / "run.json"
    file.write_text(run.model_dump_json(), encoding="utf-8")
    shipped = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(shipped)
    jsonschema.validate(json.loads(file.read_text(encoding="utf-8")), shipped)
    assert read(file) == run


def test_no_more_than_two_thousand_samples_are_kept(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0})], tmp_path, iterations=5000)
    figure = run.figures["quick"]
    assert figure.iterations == 5000
    assert sum(len(one) for one in figure.rounds) <= 2000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no result"),
        (b"not json", "no result"),
        (b"[]", "no result"),
        (b'{"kind": "soak"}', "no result"),
        (b"\xff\xfe\x00", "no text"),
    ],
)
def test_a_file_that_is_no_result_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(VoicebridgeError, match=said) as refused:
        read(file)
    assert refused.value.code == 65


def test_a_result_of_another_schema_is_refused(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0})], tmp_path / "scratch")
    file = tmp_path / "x.json"
    file.write_text(run.model_dump_json().replace('"schema_version":1', '"schema_version":2'), encoding="utf-8")
    with pytest.raises(VoicebridgeError, match="schema_version"):
        read(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoicebridgeError, match="No such file") as refused:
        read(tmp_path / "none.json")
    assert refused.value.code == 66


def test_a_file_without_an_end_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    with file.open("wb") as sparse:
        sparse.truncate(300 * 1024**2)
    with pytest.raises(VoicebridgeError, match="too long"):
        read(file)


def test_the_console_shows_figures_targets_and_what_is_missing(tmp_path: Path) -> None:
    suites = [suite_of({"quick": 3.0}, ready={"left_out": [LeftOut("x", "y")], "warnings": ["z"]}), _failing("open")]
    lines = "\n".join(run_lines(run_of(suites, tmp_path, targets_of({"quick": 2.0}))))
    assert "Test 3000, 2 of 2 cores" in lines
    assert "class x86-2core" in lines
    assert "p50 <= 2" in lines
    assert "MISSED" in lines
    assert "left out: x: y" in lines
    assert "warning: z" in lines
    assert "sick: SKIPPED: There is no espeak-ng." in lines
    assert "FAILED in" in lines


def test_the_page_needs_nothing_from_elsewhere_and_no_script(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0, "slow": 400.0})], tmp_path, targets_of({"quick": 2.0}))
    text = page(run)
    assert "<script" not in text
    assert 'href="http' not in text.replace("xlink:href", "").replace('href="http://www.w3.org', "")
    assert "src=" not in text
    assert text.count("<svg") == 2
    assert "prefers-color-scheme: dark" in text
    # The plots take their colours from the page.
    assert "#020202" not in text
    assert "var(--bar)" in text


def test_the_page_escapes_what_came_from_outside(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    machine = MACHINE.model_copy(update={"cpu": hostile})
    ready = {"warnings": [hostile], "facts": {hostile: hostile}, "left_out": [LeftOut(hostile, hostile)]}
    suites = [suite_of({hostile: 1.0}, ready=ready, name=hostile.replace("/", "")), _failing("open")]
    text = page(run_of(suites, tmp_path, machine=machine))
    assert hostile not in text
    assert "&lt;img src=x" in text


def test_a_figure_that_never_changes_can_be_drawn(tmp_path: Path) -> None:
    @contextmanager
    def opened(_context: Context) -> Iterator[Ready]:
        yield Ready([Figure("same", "Same", "ms", lambda: 0.5), Figure("none", "None", "ms", lambda: 0.0)])

    assert page(run_of([Suite("same", "Same", ("same",), opened)], tmp_path)).count("<svg") == 2


def test_a_run_reads_back_as_the_same_page(tmp_path: Path) -> None:
    run = run_of([suite_of({"quick": 1.0})], tmp_path)
    assert page(Run.model_validate_json(run.model_dump_json())) == page(run)
