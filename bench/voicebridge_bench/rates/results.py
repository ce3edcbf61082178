"""The result of `accuracy`, as data; described by schemas/accuracy.schema.json.

`python -m voicebridge_bench.rates.results` prints the schema.
"""

import json
from pathlib import Path
from typing import Any, Literal

from voicebridge_bench.components.results import Host, Record

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "accuracy.schema.json"


class Rate(Record):
    """The word error rate of a set: all errors by all words; the interval is null for few files with errors."""

    files: int
    words: int
    errors: int
    rate: float
    low: float | None
    high: float | None


class FileRate(Record):
    """One file. Texts are normalised."""

    collection: str
    name: str
    reference: str
    hypothesis: str
    words: int
    substitutions: int
    deletions: int
    insertions: int
    rate: float
    decode_ms: float
    utterances: int
    rejected: int


class WayResult(Record):
    """One way of hearing one corpus."""

    engine: str
    model: str
    vad: str
    """``none``: each file is decoded as one utterance, and no gate stands behind the engine."""
    corpus: str
    noise: str
    """Empty where none was mixed in."""
    snr_db: float | None
    audio_seconds: float
    real_time_factor: float
    """Time of all decodes over the length of the audio."""
    rates: dict[str, Rate]
    """Of each collection, and of ``all``."""
    files: list[FileRate]


class AlarmResult(Record):
    """What was heard in a sound in which nobody speaks."""

    engine: str
    model: str
    vad: str
    sound: str
    description: str
    seconds: float
    utterances: int
    decoded: int
    texts: int
    utterances_per_hour: float
    utterances_interval: tuple[float, float]
    """95 %, exact for a Poisson count; per hour."""
    texts_per_hour: float
    """Of what the gate believed; scaled up where not every utterance was decoded."""


class AccuracyResult(Record):
    """All of it."""

    schema_version: Literal[1] = 1
    kind: Literal["voicebridge-bench accuracy"] = "voicebridge-bench accuracy"
    created_at: str
    seconds: float
    host: Host
    normalisation: str
    interval: str
    """How the interval of a rate is found."""
    levels: str
    """What a signal-to-noise ratio is told against."""
    seed: int
    interrupted: bool
    warnings: list[str]
    ways: list[WayResult]
    false_alarms: list[AlarmResult]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:voicebridge:bench:accuracy:1",
        **AccuracyResult.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
