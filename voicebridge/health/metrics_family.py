"""What a metric is here: a name, a kind, a sentence, and how it is read from one moment's snapshot. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from voicebridge.health.metrics_tallies import Distribution, Tally

Json: TypeAlias = Mapping[str, Any]


class Kind(StrEnum):
    """What Prometheus calls its type. States and infos are gauges that are 1 or 0."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon at one moment; every metric of a scrape is read from the same one."""

    status: Json
    """voicebridge.health.status.Status as a mapping."""
    checkpoint: Json
    """The newest checkpoint as a mapping; empty before the first."""
    tally: Tally
    """What was counted as it was announced."""


Value: TypeAlias = float | Distribution
Readings: TypeAlias = Iterable[tuple[tuple[str, ...], Value]]
"""Values by the values of the family's labels, in the order of its labels; nothing where nothing is known."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its labels. The names follow prometheus.io/docs/practices/naming: base units, ``_total``."""

    name: str
    kind: Kind
    help: str
    read: Callable[[Snapshot], Readings]
    labels: Mapping[str, str] = field(default_factory=dict)
    """What values each label can have: a bounded set, never anything that was heard."""


def single(value: float | None) -> Readings:
    """Return a value without labels, or nothing where there is none."""
    return () if value is None else (((), float(value)),)


def at(mapping: Json, *path: str) -> float | None:
    """Return the number at a path of keys, or None where there is none."""
    found: Any = mapping
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def counter(name: str, sentence: str, *path: str) -> Family:
    """Return a counter that stands in the status at this path."""
    return Family(name, Kind.COUNTER, sentence, lambda seen: single(at(seen.status, *path)))


def gauge(name: str, sentence: str, *path: str) -> Family:
    """Return a gauge that stands in the status at this path."""
    return Family(name, Kind.GAUGE, sentence, lambda seen: single(at(seen.status, *path)))


def state_set(name: str, sentence: str, states: Iterable[str], current: Callable[[Snapshot], str]) -> Family:
    """Return a gauge that is 1 for the state of now and 0 for every other."""
    known = tuple(states)

    def read(seen: Snapshot) -> Readings:
        now = current(seen)
        return [((state,), float(state == now)) for state in known]

    return Family(name, Kind.GAUGE, sentence, read, {"state": listed(known)})


def listed(values: Iterable[str]) -> str:
    """Return values as the page shows them."""
    return ", ".join(f"`{value}`" for value in values)
