"""The result of `tune`, as data; described by schemas/tune.schema.json.

`python -m voicebridge_bench.tuning.results` prints the schema.
"""

import json
from pathlib import Path
from typing import Any, Literal

from voicebridge_bench.components.results import Host, Record
from voicebridge_bench.tuning.candidates import Candidate

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "tune.schema.json"


class CandidateResult(Record):
    """What is known of one candidate."""

    title: str
    candidate: Candidate
    files: int
    """0 where it could not be tried; only candidates tried on the same files are compared."""
    words: int
    errors: int
    error_rate: float | None
    missed: int
    """Files in which nothing was heard."""
    delay_p50_ms: float | None
    """Null where so many files were missed that no text ever came."""
    delay_p95_ms: float | None
    """Null for fewer than 20 files, too."""
    decode_p50_ms: float | None
    memory_mb: float
    fault: str
    final: bool
    """Tried on the most files: what is recommended is one of these."""


class Round(Record):
    """A round that was completed."""

    candidates: int
    files: int


class TuneResult(Record):
    """All of it."""

    schema_version: Literal[1] = 1
    kind: Literal["voicebridge-bench tune"] = "voicebridge-bench tune"
    created_at: str
    seconds: float
    budget_seconds: float
    ended: str
    """``complete``, ``out of time`` or ``interrupted``."""
    host: Host
    corpus: str
    corpus_files: int
    delay: str
    """What the delays are."""
    normalisation: str
    seed: int
    allowed_points: float
    rounds: list[Round]
    candidates: list[CandidateResult]
    left_out: list[str]
    recommended: str | None
    """Title of the recommended candidate."""
    reasons: list[str]
    settings: dict[str, dict[str, str | int]]
    """The recommended settings, by section."""
    warnings: list[str]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:voicebridge:bench:tune:1",
        **TuneResult.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
