"""What a suite brings: figures that can be taken, and what it could not bring here."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Literal, TypeAlias

from voicebridge_bench.components.measure import Stopwatch

Unit: TypeAlias = Literal["µs", "ms", "s", "ratio"]
PER_SECOND: Mapping[str, float] = {"µs": 1e6, "ms": 1e3, "s": 1.0, "ratio": 1.0}
"""What makes seconds (or a ratio, which stays one) the unit of a figure."""
Parameters: TypeAlias = Mapping[str, str | int | float | bool]

UTTERANCES = 100_000
"""In the database that is searched."""
SUITE_NAMES = ("config", "audio", "vad", "text", "store", "speech", "start")


@dataclass(frozen=True, slots=True)
class Figure:
    """Something measured. ``take`` returns one sample: seconds, or a ratio."""

    name: str
    title: str
    unit: Unit
    take: Callable[[], float]
    share: float = 1.0
    """Of the iterations that the run asks for: what takes milliseconds is taken more often than what takes seconds."""
    warm_up: int = 2
    """Takes before each round that do not count."""
    parameters: Parameters = field(default_factory=dict)
    """What a comparison must find alike."""
    audio_seconds: float | None = None
    """Length of what is decoded: gives a real-time factor."""
    begin: Callable[[], None] = lambda: None
    """Called before each round."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a suite could not measure here, and why."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A suite that is set up."""

    figures: Sequence[Figure]
    left_out: Sequence[LeftOut] = ()
    facts: Parameters = field(default_factory=dict)
    """What is to be known of how it was measured."""
    warnings: Sequence[str] = ()
    unjudged: str = ""
    """Why none of its figures can be held against a target; empty when they can."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every suite is given."""

    scratch: Path
    """A directory of its own, deleted after the run."""
    watch: Stopwatch
    models_dir: Path
    """Where pulled models are."""
    utterances: int = UTTERANCES
    place: Path | None = None
    """The directory that the scratch was made in; it is there afterwards, too."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A group of figures. ``open`` raises VoicebridgeError when it cannot run here."""

    name: str
    title: str
    names: Sequence[str]
    """Every figure that it can have; ``*`` stands for a model."""
    open: Callable[[Context], AbstractContextManager[Ready]]

    def has(self, figure: str) -> bool:
        """Say whether a figure of that name can be one of this suite."""
        return any(fnmatch.fnmatchcase(figure, name) for name in self.names)


def suite(name: str) -> Suite:
    """Return a suite by its name, which must be one of SUITE_NAMES."""
    found = import_module(f"voicebridge_bench.components.{name}").SUITE
    assert isinstance(found, Suite)
    return found


def timed(
    watch: Stopwatch, call: Callable[[], object], prepare: Callable[[], object] | None = None, per: int = 1
) -> Callable[[], float]:
    """Return a take: seconds of one call, which does the work ``per`` times; ``prepare`` goes before, untimed."""

    def take() -> float:
        if prepare is not None:
            prepare()
        return watch.seconds(call) / per

    return take


class Pool:
    """A take from what is measured in lots: ``produce`` brings the next samples when those before are used up."""

    def __init__(self, produce: Callable[[], Sequence[float]]) -> None:
        self._produce = produce
        self._left: list[float] = []

    def clear(self) -> None:
        """Forget what is left: the next sample is measured anew."""
        self._left.clear()

    def __call__(self) -> float:
        """Return the next sample, in the order in which they were measured."""
        if not self._left:
            self._left = list(reversed(self._produce()))
        return self._left.pop()
