"""The result of `latency`, as data; described by schemas/latency.schema.json.

`python -m voicebridge_bench.latency.results` prints the schema.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from voicebridge_bench.components.measure import shares, summarise
from voicebridge_bench.components.results import Host, Record

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "latency.schema.json"


class Spread(Record):
    """What samples in milliseconds say; null is what too few samples stand behind, and ``withheld`` says why."""

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float
    minimum: float
    maximum: float
    iqr: float | None
    median_interval: tuple[float, float] | None
    """95 %, by cluster bootstrap over stretches of consecutive pieces."""
    withheld: dict[str, str]


class PieceDelay(Record):
    """One piece; milliseconds."""

    text: str
    heard: str
    total_ms: float
    endpoint_ms: float
    """This and the next three add up to the total."""
    queue_ms: float
    decode_ms: float
    """What of the decode lies after the endpoint."""
    delivery_ms: float
    hearing_ms: float
    hangover_ms: float
    """Within ``endpoint_ms``, with ``hearing_ms``."""
    stored_ms: float
    """The delay that the database has: from the end that the detector saw to the commit."""
    decoded_ms: float
    """All of the engine's run."""
    early: bool
    """Whether it was decoded in the pause before its endpoint."""
    ready: bool
    """Whether its text was there at the endpoint."""
    detector_ms: float | None
    """The detector's part of hearing: its end of speech after the true one, by samples."""


class SourceTold(Record):
    """How the speech came to the daemon."""

    name: Literal["microphone", "paced"]
    description: str
    reason: str
    """Why it was this one."""
    accuracy_ms: float
    """How well the true end of speech is known."""
    latest_ms: float
    """How late a block of the paced source was written at worst."""


class LatencyResult(Record):
    """All of it."""

    schema_version: Literal[2] = 2
    """1 counted the hangover and all of a decode in the pause."""
    kind: Literal["voicebridge-bench latency"] = "voicebridge-bench latency"
    created_at: str
    seconds: float
    host: Host
    source: SourceTold
    load_processes: int
    """Processes that computed without end beside the daemon."""
    engine: str
    model: str
    settings: dict[str, str | int | float | bool]
    """Those that delays depend on."""
    corpus: str
    seed: int
    end_of_speech: str
    """What the true end of speech is."""
    delay: str
    pieces: int
    interrupted: bool
    words: int
    words_right: int
    figures: dict[str, Spread]
    """``total`` and its parts; beside them ``hearing``, ``hangover``, ``stored`` (the delay that the database has) and
    ``decoded`` (all of the decode)."""
    ready_share: float | None
    """Of the pieces with a delay, those whose text was there at the endpoint, 0 to 1; null where none has one."""
    early_share: float | None
    """Those that were decoded in the pause before it."""
    delays: list[PieceDelay]
    left_out: dict[str, list[str]]
    """Pieces without a delay, by reason."""
    warnings: list[str]


def spread_of(values: Sequence[float]) -> Spread:
    """Return what samples say; there must be one."""
    rounds, first = [], 0
    for share in shares(len(values)):
        rounds.append(values[first : first + share])
        first += share
    found = summarise(rounds)
    interval, withheld = found.median_interval, dict(found.withheld)
    if found.minimum <= 0 and interval is not None:
        interval = None  # it is found on logarithms
        withheld["median_interval"] = "some are not above nothing"
    return Spread(
        n=found.count,
        **found.percentiles,
        mean=found.mean,
        minimum=found.minimum,
        maximum=found.maximum,
        iqr=found.iqr,
        median_interval=interval,
        withheld=withheld,
    )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:voicebridge:bench:latency:2",
        **LatencyResult.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
