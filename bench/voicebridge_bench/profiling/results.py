"""The result of `profile`, as data; described by schemas/profile.schema.json.

`python -m voicebridge_bench.profiling.results` prints the schema.
"""

import json
from pathlib import Path
from typing import Any, Literal, TypeAlias

from voicebridge_bench.components.results import Host, Record

SCHEMA_FILE = Path(__file__).parent.parent / "schemas" / "profile.schema.json"


PhaseName: TypeAlias = Literal["silence", "speech", "decode"]
PHASES: tuple[PhaseName, ...] = ("silence", "speech", "decode")


class Share(Record):
    """What something took, in milliseconds of processor time by second."""

    name: str
    ms: float


class Phase(Record):
    """What the daemon did, and where its time went."""

    name: PhaseName
    title: str
    seconds: float
    samples: int
    """Stacks that were seen running."""
    total_ms: float
    """Of processor time by second, by the kernel's count."""
    rooms: list[Share]
    """Largest first; all of them together are the total."""
    threads: list[Share]
    functions: list[Share]
    """The functions of the rooms in which most was spent, with what they call outside of the rooms; the first 15."""


class ProfileResult(Record):
    """All of it."""

    schema_version: Literal[1] = 1
    kind: Literal["voicebridge-bench profile"] = "voicebridge-bench profile"
    created_at: str
    seconds: float
    host: Host
    model: str
    tool: str
    others_cores: float
    warnings: list[str]
    phases: list[Phase]
    overrides: list[str]
    """Settings that the daemon had over its defaults, as KEY=VALUE."""
    interrupted: bool = False
    """Whether it was ended early; phases that were not watched to their end are left out."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:voicebridge:bench:profile:1",
        **ProfileResult.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
