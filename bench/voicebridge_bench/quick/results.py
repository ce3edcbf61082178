"""The result of `quick`, as data; described by schemas/quick.schema.json.

`python -m voicebridge_bench.quick.results` prints the schema.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from voicebridge_bench.components.results import Host, Outcome, Record, Value, Verdict
from voicebridge_bench.latency.results import Spread

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "quick.schema.json"


class Goal(Record):
    """What a figure is held against."""

    sense: Literal["at least", "at most"]
    bound: float
    reason: str


class _Compared(Record):
    """What a figure says, before it is held against anything."""

    name: str
    title: str
    unit: Literal["times", "ms", "%", "points", "count"]
    value: float | None
    """None where too few samples stand behind it."""
    interval: tuple[float, float] | None = None
    """95 %, by bootstrap; None where there is none."""
    n: int
    """Samples behind it (of each side, where there are two)."""
    sides: dict[str, Spread] = Field(default_factory=dict)
    """What was measured of each side, in milliseconds; a ratio is of their medians."""
    parameters: dict[str, Value] = Field(default_factory=dict)


class Claimed(_Compared):
    """A figure before it is judged."""

    withheld: str = ""
    """Why there is no value."""


class QuickFigure(_Compared):
    """One figure: what was compared, and how it stands."""

    goal: Goal | None = None
    verdict: Verdict
    because: str


class QuickPart(Record):
    """One part of the measurement."""

    name: str
    title: str
    state: Literal["ran", "skipped", "broken"]
    reason: str
    """Why it did not run, or broke; empty when it ran."""
    seconds: float
    facts: dict[str, Value]
    warnings: list[str]
    figures: list[QuickFigure]


class Decoded(Record):
    """Where all sides decoded."""

    device: Literal["cpu", "cuda"]
    """What was taken; Host says how many CUDA devices CTranslate2 sees."""
    compute_type: str


class QuickResult(Record):
    """All of it."""

    schema_version: Literal[1] = 1
    kind: Literal["voicebridge-bench quick"] = "voicebridge-bench quick"
    created_at: str
    seconds: float
    host: Host
    decoded: Decoded
    others_cores: float
    """Cores that other work used meanwhile, on average."""
    warnings: list[str]
    parts: list[QuickPart]
    outcome: Outcome
    because: str
    interrupted: bool


def judged(claimed: Claimed, goal: Goal | None = None) -> QuickFigure:
    """Hold a figure against its goal, if it has one."""
    fields = claimed.model_dump(exclude={"withheld"})
    if goal is None:
        return QuickFigure(**fields, verdict=Verdict.NO_TARGET, because=claimed.withheld or "it has no goal")
    if claimed.value is None:
        return QuickFigure(**fields, goal=goal, verdict=Verdict.NOT_JUDGED, because=claimed.withheld)
    met = claimed.value >= goal.bound if goal.sense == "at least" else claimed.value <= goal.bound
    because = f"{claimed.value:.4g}, {goal.sense} {goal.bound:g}"
    return QuickFigure(**fields, goal=goal, verdict=Verdict.MET if met else Verdict.MISSED, because=because)


def outcome_of(parts: Sequence[QuickPart]) -> tuple[Outcome, str]:
    """Return how a run ended, and why, in a sentence."""
    figures = [figure for part in parts for figure in part.figures]
    missed = [figure.name for figure in figures if figure.verdict is Verdict.MISSED]
    broken = [part.name for part in parts if part.state == "broken"]
    if missed or broken:
        told = [f"missed: {', '.join(missed)}"] * bool(missed) + [f"broken: {', '.join(broken)}"] * bool(broken)
        return Outcome.FAILED, f"{'; '.join(told)}."
    gaps = [f"{part.name} was skipped" for part in parts if part.state == "skipped"]
    gaps += [f"{figure.name} was not judged" for figure in figures if figure.verdict is Verdict.NOT_JUDGED]
    met = sum(figure.verdict is Verdict.MET for figure in figures)
    if gaps or not figures:
        return Outcome.INCOMPLETE, f"{'; '.join(gaps) or 'nothing was measured'}."
    if not met:
        return Outcome.PASSED, "everything was measured; none of it has a goal."
    return Outcome.PASSED, f"all {met} goals were met."


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:voicebridge:bench:quick:1",
        **QuickResult.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
