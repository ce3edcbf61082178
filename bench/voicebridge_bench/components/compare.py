"""Two runs side by side: a ratio for each figure with its interval, and whether it shows a difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.components.host import unlike
from voicebridge_bench.components.measure import ratio_of
from voicebridge_bench.components.results import FigureResult, Run

LEVEL = 0.99
"""Of each interval: with fifty figures, one in two comparisons of equals marks one by chance; at 95 % five would."""


class Mark(StrEnum):
    """What a figure shows of B."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference shown"
    CANNOT_TELL = "cannot tell"
    """Too few rounds on one side."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure in both runs: medians in its unit, B over A."""

    name: str
    unit: str
    a: float
    b: float
    ratio: float
    interval: tuple[float, float] | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it. ``unlike`` is empty unless that was allowed."""

    pairs: Sequence[Pair]
    left_out: Sequence[str]
    unlike: Sequence[str]
    tolerance: float
    notes: Sequence[str] = ()
    """What else may stand behind a difference."""
    level: float = LEVEL

    @property
    def slower(self) -> list[Pair]:
        """What is slower beyond the tolerance."""
        return [pair for pair in self.pairs if pair.mark is Mark.SLOWER]

    @property
    def conclusion(self) -> str:
        """One sentence or two."""
        counts = {mark: sum(pair.mark is mark for pair in self.pairs) for mark in Mark}
        told = ", ".join(f"{count} {mark}" for mark, count in counts.items() if count)
        chance = (1 - self.level) * len(self.pairs)
        beyond = f" by more than {100 * self.tolerance:g} %" if self.tolerance else ""
        return (
            f"{len(self.pairs)} figures, B against A{beyond}: {told}. Between equals about {chance:.2g} would be "
            "marked by chance. Each run speaks of its own time: load, heat and neighbours that changed between the two "
            "are a difference, too. Whoever must be sure runs each twice."
        )


def compare(a: Run, b: Run, tolerance: float = 0.0, *, anyway: bool = False) -> Comparison:
    """Compare two runs. ``tolerance`` 0.1 lets B be a tenth slower.

    Raises VoicebridgeError when hosts, versions or parameters are unlike, unless told to go on, and when they have no
    figure in common.
    """
    differences = [*unlike(a.host, b.host), *_unlike_parameters(a, b)]
    if differences and not anyway:
        raise VoicebridgeError(
            f"These runs cannot be compared: {'; '.join(differences)}.",
            "What differs would be taken for a change; --anyway compares them nevertheless.",
            exit_code=ExitCode.USAGE,
        )
    pairs, left_out = [], [*_alone(a, b)]
    for name, ours in a.figures.items():
        theirs = b.figures.get(name)
        if theirs is None or ours.unit != theirs.unit:
            continue
        if _median(ours) <= 0 or _median(theirs) <= 0:
            left_out.append(f"{name}: it is nothing, within what timing costs")
            continue
        pairs.append(_pair(ours, theirs, tolerance))
    if not pairs:
        raise VoicebridgeError("These runs have no figure in common.", exit_code=ExitCode.USAGE)
    notes = [f"{name}: {told}" for name, one in (("A", a), ("B", b)) for told in one.warnings]
    return Comparison(pairs, left_out, differences, tolerance, notes)


def _pair(a: FigureResult, b: FigureResult, tolerance: float) -> Pair:
    ratio = ratio_of(a.rounds, b.rounds, LEVEL)
    if ratio.interval is None:
        mark = Mark.CANNOT_TELL
    elif ratio.interval[0] > 1 + tolerance:
        mark = Mark.SLOWER
    elif ratio.interval[1] < 1 / (1 + tolerance):
        mark = Mark.FASTER
    else:
        mark = Mark.NO_DIFFERENCE
    return Pair(a.name, a.unit, _median(a), _median(b), ratio.estimate, ratio.interval, mark)


def _median(figure: FigureResult) -> float:
    values = sorted(value for one in figure.rounds for value in one)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def _unlike_parameters(a: Run, b: Run) -> Iterator[str]:
    for name, ours in a.figures.items():
        theirs = b.figures.get(name)
        if theirs is None:
            continue
        if ours.unit != theirs.unit:
            yield f"{name}: in {ours.unit} against {theirs.unit}"
        for key in sorted({*ours.parameters, *theirs.parameters}):
            left, right = ours.parameters.get(key, "none"), theirs.parameters.get(key, "none")
            if left != right:
                yield f"{name}: {key} {left} against {right}"
    yield from _unlike_facts(a, b)


def _unlike_facts(a: Run, b: Run) -> Iterator[str]:
    """Yield facts of the suites that differ and matter to every figure in them (file system, speech)."""
    theirs = {suite.name: suite.facts for suite in b.suites if suite.state == "ran"}
    for suite in a.suites:
        if suite.state != "ran" or suite.name not in theirs:
            continue
        for key in sorted({*suite.facts, *theirs[suite.name]} - {"scratch"}):
            left, right = suite.facts.get(key, "none"), theirs[suite.name].get(key, "none")
            if left != right:
                yield f"suite {suite.name}: {key} {left} against {right}"


def _alone(a: Run, b: Run) -> Iterator[str]:
    yield from (f"{name}: only in A" for name in a.figures if name not in b.figures)
    yield from (f"{name}: only in B" for name in b.figures if name not in a.figures)
