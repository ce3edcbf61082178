"""The result of a run, as data: versioned, described by schemas/run.schema.json, and read back for comparisons.

`python -m voicebridge_bench.components.results` prints the schema.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicebridge.domain.errors import ExitCode, VoicebridgeError

SCHEMA = 1
SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "run.schema.json"
MAX_SAMPLES = 2000
"""Samples of one figure that are kept."""
MAX_BYTES = 256 * 1024**2
"""Longest file that is read back: a run of all suites takes about 3 MB."""

Value: TypeAlias = str | int | float | bool


class Record(BaseModel):
    """Plain data that never changes; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Verdict(StrEnum):
    """How a figure stands against its target."""

    MET = "met"
    MISSED = "missed"
    NOT_JUDGED = "not judged"
    """It has a target, and this run cannot tell."""
    NO_TARGET = "no target"


class Outcome(StrEnum):
    """How a run ended."""

    PASSED = "passed"
    FAILED = "failed"
    """A target was missed, or a suite broke."""
    INCOMPLETE = "incomplete"
    """Nothing was missed, and not everything was measured or judged."""


class Target(Record):
    """What a figure must not exceed."""

    statistic: Literal["p50", "p95", "p99"]
    most: float
    reason: str
    source: str
    """The file it comes from: ``shipped``, or a name."""


class FigureResult(Record):
    """One figure: its samples in ``unit``, what they say, and how it stands."""

    name: str
    title: str
    unit: Literal["µs", "ms", "s", "ratio"]
    parameters: dict[str, Value]
    iterations: int
    warm_up: int
    """Takes before each round that were not counted."""
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float
    minimum: float
    maximum: float
    iqr: float | None
    """Between the quartiles."""
    median_interval: tuple[float, float] | None
    """95 %, by cluster bootstrap over rounds."""
    withheld: dict[str, str]
    """What is null, and why."""
    real_time_factor: float | None = None
    """Median over the length of the audio."""
    target: Target | None
    verdict: Verdict
    because: str
    rounds: list[list[float]] = Field(min_length=1)
    """Samples by round, thinned to 2000 in all; percentiles were taken before that."""


class SuiteResult(Record):
    """One suite."""

    name: str
    title: str
    state: Literal["ran", "skipped", "broken"]
    reason: str
    """Why it did not run, or broke; empty when it ran."""
    seconds: float
    left_out: dict[str, str]
    """What could not be measured here, and why."""
    facts: dict[str, Value]
    warnings: list[str]
    figures: list[FigureResult]


class Host(Record):
    """On what it was measured."""

    cpu: str
    architecture: str
    cores: int
    cores_usable: int
    memory_gib: float
    machine: str
    """What a device tree or firmware calls it; empty where nothing does."""
    container: str
    """What it runs in; empty for none that shows."""
    virtual: bool
    """The processor says that a hypervisor is under it."""
    gpus: int
    """That CTranslate2 can use."""
    system: str
    kernel: str
    python: str
    versions: dict[str, str]
    """Of voicebridge and of the libraries that the figures depend on."""
    governor: str
    """How the processor's frequency is governed; empty where it does not tell."""
    load_average: tuple[float, float, float]
    """When the run began: over 1, 5 and 15 minutes."""
    fingerprint: str
    """Equal for equal machines; versions, load and frequency have no part in it."""


class Timer(Record):
    """How time was taken."""

    clock: str
    overhead_ns: float
    """Of timing an empty call: taken off every sample."""


class Run(Record):
    """All of it."""

    schema_version: Literal[1] = 1
    kind: Literal["voicebridge-bench run"] = "voicebridge-bench run"
    created_at: str
    """ISO 8601, UTC."""
    seconds: float
    host: Host
    hardware_class: str
    """Empty when this machine is of none."""
    class_reason: str
    timer: Timer
    others_cores: float
    """Cores that other work (or a hypervisor) used meanwhile, on average."""
    iterations: int
    rounds: int
    warnings: list[str]
    suites: list[SuiteResult]
    interrupted: bool = False
    outcome: Outcome
    because: str

    @property
    def figures(self) -> dict[str, FigureResult]:
        """All figures by name."""
        return {figure.name: figure for suite in self.suites for figure in suite.figures}


def outcome_of(suites: Sequence[SuiteResult], *, interrupted: bool = False) -> tuple[Outcome, str]:
    """Return how a run ended, and why, in a sentence."""
    figures = [figure for suite in suites for figure in suite.figures]
    missed = [figure.name for figure in figures if figure.verdict is Verdict.MISSED]
    broken = [suite.name for suite in suites if suite.state == "broken"]
    if missed or broken:
        parts = [f"missed: {', '.join(missed)}"] * bool(missed) + [f"broken: {', '.join(broken)}"] * bool(broken)
        return Outcome.FAILED, f"{'; '.join(parts)}."
    gaps = ["it was ended early"] * interrupted
    gaps += [f"{suite.name} was skipped" for suite in suites if suite.state == "skipped"]
    gaps += [f"{suite.name} left out {what}" for suite in suites for what in suite.left_out]
    gaps += [f"{figure.name} was not judged" for figure in figures if figure.verdict is Verdict.NOT_JUDGED]
    met = sum(figure.verdict is Verdict.MET for figure in figures)
    if not met and not gaps:
        gaps = ["no figure has a target for this machine"]
    if gaps:
        return Outcome.INCOMPLETE, f"{'; '.join(gaps)}."
    return Outcome.PASSED, f"all {met} targets were met."


def read(path: Path) -> Run:
    """Read a result back. Raises VoicebridgeError when there is none, or it is no result of `run`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _unusable(path, "it is too long")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise VoicebridgeError(
            f"{path} cannot be read: {error.strerror}.",
            "Name a file that `voicebridge-bench run --json FILE` has written.",
            exit_code=ExitCode.NO_INPUT,
        ) from error
    except UnicodeDecodeError as error:
        raise _unusable(path, "it is no text") from error
    try:
        return Run.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _unusable(path, f"{place + ': ' if place else ''}{first['msg']}") from error


def _unusable(path: Path, why: str) -> VoicebridgeError:
    return VoicebridgeError(
        f"{path} is no result of `voicebridge-bench run`: {why}.",
        "Make one with `voicebridge-bench run --json FILE`; this version reads schema 1.",
        exit_code=ExitCode.INPUT,
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:voicebridge:bench:run:1",
        **Run.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
