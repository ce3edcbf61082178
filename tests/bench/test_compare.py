"""Two runs side by side."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.bench.runs import MACHINE, run_of, suite_of
from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.commands.compare import command
from voicebridge_bench.components.compare import Mark, compare
from voicebridge_bench.components.results import Run


def _run(tmp_path: Path, median: float = 1.0, seed: int = 1, **more: object) -> Run:
    suites = [suite_of({"quick": median, "steady": 1.0}, seed)]
    return run_of(suites, tmp_path / f"{seed}-{median}", **more)  # type: ignore[arg-type]


def _marks(a: Run, b: Run, tolerance: float = 0.0) -> dict[str, Mark]:
    return {pair.name: pair.mark for pair in compare(a, b, tolerance).pairs}


def test_the_same_samples_show_no_difference(tmp_path: Path) -> None:
    run = _run(tmp_path)
    comparison = compare(run, run)
    assert {pair.mark for pair in comparison.pairs} == {Mark.NO_DIFFERENCE}
    assert [pair.ratio for pair in comparison.pairs] == [1.0, 1.0]


def test_equal_runs_show_no_difference(tmp_path: Path) -> None:
    assert set(_marks(_run(tmp_path, seed=1), _run(tmp_path, seed=2)).values()) == {Mark.NO_DIFFERENCE}


def test_a_planted_slow_down_is_called_slower_and_nothing_else_is(tmp_path: Path) -> None:
    marks = _marks(_run(tmp_path, seed=1), _run(tmp_path, 1.5, seed=2))
    assert marks == {"quick": Mark.SLOWER, "steady": Mark.NO_DIFFERENCE}


def test_the_other_way_round_it_is_faster(tmp_path: Path) -> None:
    comparison = compare(_run(tmp_path, 1.5, seed=2), _run(tmp_path, seed=1))
    assert comparison.pairs[0].mark is Mark.FASTER
    assert comparison.slower == []


def test_a_tolerance_lets_a_slow_down_pass(tmp_path: Path) -> None:
    a, b = _run(tmp_path, seed=1), _run(tmp_path, 1.5, seed=2)
    assert _marks(a, b, 0.2)["quick"] is Mark.SLOWER
    assert _marks(a, b, 1.0)["quick"] is Mark.NO_DIFFERENCE


def test_one_round_cannot_tell(tmp_path: Path) -> None:
    a, b = _run(tmp_path, seed=1, iterations=1), _run(tmp_path, 1.5, seed=2, iterations=1)
    comparison = compare(a, b)
    assert {pair.mark for pair in comparison.pairs} == {Mark.CANNOT_TELL}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cpu": "Other 9000"}, "cpu: Test 3000 against Other 9000"),
        ({"memory_gib": 4.0}, "memory_gib"),
        ({"kernel": "6.2"}, "kernel"),
        ({"versions": {"voicebridge": "2.0"}}, "version of voicebridge: 1.0 against 2.0"),
        ({"versions": {}}, "version of voicebridge: 1.0 against none"),
    ],
)
def test_unlike_hosts_and_versions_are_refused_unless_told(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    a, b = _run(tmp_path, seed=1), _run(tmp_path, seed=2, machine=MACHINE.model_copy(update=change))
    with pytest.raises(VoicebridgeError, match="cannot be compared") as refused:
        compare(a, b)
    assert said in str(refused.value)
    assert refused.value.code == 2
    assert said in " ".join(compare(a, b, anyway=True).unlike)


def test_another_load_is_no_other_host_and_is_told(tmp_path: Path) -> None:
    busy = MACHINE.model_copy(update={"load_average": (9.0, 9.0, 9.0)})
    comparison = compare(_run(tmp_path, seed=1), _run(tmp_path, seed=2, machine=busy))
    assert comparison.pairs
    assert any(note.startswith("B: The machine was busy") for note in comparison.notes)


def test_unlike_parameters_and_facts_are_refused(tmp_path: Path) -> None:
    a, b = (
        run_of(
            [suite_of({"search": 1.0}, seed, {"utterances": size}, {"facts": {"filesystem": disk}})], tmp_path / disk
        )
        for seed, size, disk in ((1, 1000, "ext4"), (2, 100_000, "tmpfs"))
    )
    with pytest.raises(VoicebridgeError) as refused:
        compare(a, b)
    assert "search: utterances 1000 against 100000" in str(refused.value)
    assert "suite fake: filesystem ext4 against tmpfs" in str(refused.value)


def test_figures_of_one_run_alone_are_told(tmp_path: Path) -> None:
    a = run_of([suite_of({"quick": 1.0, "old": 1.0})], tmp_path / "a")
    b = run_of([suite_of({"quick": 1.0, "new": 1.0})], tmp_path / "b")
    comparison = compare(a, b)
    assert [pair.name for pair in comparison.pairs] == ["quick"]
    assert comparison.left_out == ["old: only in A", "new: only in B"]


def test_a_time_of_nothing_has_no_ratio(tmp_path: Path) -> None:
    a = run_of([suite_of({"quick": 1.0, "none": 0.0})], tmp_path / "a")
    assert [pair.name for pair in compare(a, a).pairs] == ["quick"]
    assert "none: it is nothing" in compare(a, a).left_out[0]


def test_what_chance_marks_between_equals_is_told_also_where_it_is_little(tmp_path: Path) -> None:
    run = _run(tmp_path)
    assert "about 0.02 would be marked by chance" in compare(run, run).conclusion


def test_runs_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    a, b = (run_of([suite_of({name: 1.0})], tmp_path / name) for name in ("x", "y"))
    with pytest.raises(VoicebridgeError, match="no figure in common"):
        compare(a, b)


def _files(tmp_path: Path, *runs: Run) -> list[str]:
    files = [tmp_path / f"{number}.json" for number in range(len(runs))]
    for file, run in zip(files, runs, strict=True):
        file.write_text(run.model_dump_json(), encoding="utf-8")
    return [str(file) for file in files]


def test_the_command_says_by_its_exit_status_whether_something_is_slower(tmp_path: Path) -> None:
    files = _files(tmp_path, _run(tmp_path, seed=1), _run(tmp_path, 1.5, seed=2))
    slower = CliRunner().invoke(command, files, standalone_mode=False)
    assert slower.return_value == 1
    assert "slower" in slower.output
    assert "by chance" in slower.output
    assert CliRunner().invoke(command, files[::-1], standalone_mode=False).return_value == 0
    assert CliRunner().invoke(command, [*files, "--tolerance", "1"], standalone_mode=False).return_value == 0


def test_the_command_gives_json(tmp_path: Path) -> None:
    files = _files(tmp_path, _run(tmp_path, seed=1), _run(tmp_path, 1.5, seed=2))
    told = json.loads(CliRunner().invoke(command, [*files, "--json"], standalone_mode=False).output)
    assert told["pairs"][0]["mark"] == "slower"
    assert told["pairs"][0]["interval"][0] > 1
