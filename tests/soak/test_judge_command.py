import json
from pathlib import Path

import pytest

from tests.soak import records
from tests.soak.records import BEGAN, MB
from voicebridge.domain.errors import ExitCode
from voicebridge_bench.cli import group
from voicebridge_bench.soak.journal import Recorder
from voicebridge_bench.soak.record import End, Record


def written(record: Record, folder: Path) -> Path:
    """Write a record as a soak does, so far as the command looks at it."""
    recorder = Recorder(folder)
    recorder.write(record.header)
    lists = (record.happened, record.samples[::20], record.checkpoints, record.played, record.announced, record.heard)
    for entries in lists:
        for entry in entries:
            recorder.write(entry)
    if record.end is not None:
        recorder.write(record.end)
    recorder.close()
    return folder


def judged(folder: Path) -> int:
    return int(group.main(["judge", str(folder)], standalone_mode=False))


def test_a_record_is_judged_and_reported_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(written(records.healthy(0.05), tmp_path)) == ExitCode.OK
    assert json.loads((tmp_path / "report.json").read_text())["result"] == "passed"
    assert "Soak passed" in capsys.readouterr().out


def test_a_record_with_a_fault_in_it_fails(tmp_path: Path) -> None:
    record = records.healthy(0.05)
    del record.heard[2]
    assert judged(written(record, tmp_path)) == ExitCode.FAILURE


def test_a_record_that_was_cut_off_has_not_passed(tmp_path: Path) -> None:
    record = records.healthy(0.05)
    record.end = None
    assert judged(written(record, tmp_path)) == ExitCode.INTERRUPTED


def test_the_bound_that_is_drawn_is_that_of_the_engine_that_was_soaked(tmp_path: Path) -> None:
    record = records.healthy(0.05, settings={"engine.kind": "sphinx"})
    judged(written(record, tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    [bound] = [verdict["bound"] for verdict in report["verdicts"] if verdict["code"] == "delay"]
    assert bound == 15.0
    assert "bound of p95: 15" in (tmp_path / "report.html").read_text()


def test_judging_twice_says_the_same(tmp_path: Path) -> None:
    record = records.grow(records.healthy(0.05), uss_bytes=100 * MB)
    record.end = End(BEGAN + 180, "interrupted", "asked to end")
    folder = written(record, tmp_path)
    judged(folder)
    first = {path.name: path.read_bytes() for path in folder.glob("report.*")}
    judged(folder)
    assert {path.name: path.read_bytes() for path in folder.glob("report.*")} == first
