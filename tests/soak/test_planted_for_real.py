"""Real soaks through the command: the quick one is green, and each planted fault turns red what it must, no more.

All run at the same time, since a soak mostly waits for its time to pass; each is its own process with its own daemon.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.soak.planted import PLANTED, plant

LATE_SECONDS = 240.0
"""How much longer than its own time a soak may take: starting, judging and drawing, ten of them on two cores."""
MEASURED = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
"""Counting lines would slow the daemons down."""
QUICK = "--quick"
BENCH = "from voicebridge_bench.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Soak:
    """A soak that runs."""

    process: subprocess.Popen[str]
    folder: Path
    seconds: float

    def ended(self) -> tuple[int, Mapping[str, Any], str]:
        """Wait for its end; return status, report and what it printed."""
        printed, _ = self.process.communicate(timeout=self.seconds + LATE_SECONDS)
        report: Mapping[str, Any] = json.loads((self.folder / "report.json").read_text())
        return self.process.returncode, report, printed


@pytest.fixture(scope="module")
def soaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Soak]]:
    """All of them, started; what still runs in the end is ended."""
    asked: dict[str, tuple[Sequence[str], float]] = {QUICK: ((QUICK,), 300.0)}
    for name, planted in PLANTED.items():
        given = ("--profile", "busy", "--duration", f"{planted.seconds:g}s", "--seed", "5", "--planted", name)
        asked[name] = given, planted.seconds
    started = {
        name: _start(given, tmp_path_factory.mktemp("soak"), seconds) for name, (given, seconds) in asked.items()
    }
    yield started
    for soak in started.values():
        if soak.process.poll() is None:
            soak.process.kill()
            soak.process.communicate()


def _start(given: Sequence[str], where: Path, seconds: float) -> Soak:
    folder = where / "soak"
    call = [sys.executable, "-P", "-c", BENCH, "soak", *given, "--output", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name not in MEASURED}
    process = subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=where
    )
    return Soak(process, folder, seconds)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_turns_red_what_it_must_and_nothing_else(name: str, soaks: Mapping[str, Soak]) -> None:
    status, report, printed = soaks[name].ended()
    failed = {verdict["code"] for verdict in report["verdicts"] if verdict["outcome"] == "fail"}
    assert failed == PLANTED[name].red, printed
    assert status == ExitCode.FAILURE


@pytest.mark.slow
def test_five_minutes_in_an_office_are_green(soaks: Mapping[str, Soak]) -> None:
    status, report, printed = soaks[QUICK].ended()
    schema = json.loads((resources.files("voicebridge_bench") / "schemas" / "soak.schema.json").read_text())
    jsonschema.validate(report, schema)
    assert status == ExitCode.OK, printed
    assert {"report.html", "report.json", "report.png", "junit.xml"} <= {
        path.name for path in soaks[QUICK].folder.iterdir()
    }


def test_a_fault_that_there_is_not_is_told() -> None:
    with pytest.raises(VoicebridgeError, match="leak, files, threads"):
        plant("rust")
