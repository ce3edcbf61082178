"""Targets: what a figure must not exceed on a class of hardware, each with a reason; read from TOML."""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge_bench.components.figure import SUITE_NAMES, suite
from voicebridge_bench.components.host import CLASSES
from voicebridge_bench.components.measure import Summary
from voicebridge_bench.components.results import Target, Verdict

SHIPPED = Path(__file__).parent / "targets.toml"
SHIPPED_NAME = "shipped"
MAX_BYTES = 1024**2


class TargetsError(VoicebridgeError):
    """Targets that cannot be used; no figure is to blame."""

    exit_code = ExitCode.USAGE


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bound(_Strict):
    """What a figure must not exceed on one class: ``reason`` says where the number comes from."""

    most: Annotated[float, Field(gt=0)]
    reason: Annotated[str, Field(min_length=1)]


class FigureTargets(_Strict):
    """The targets of one figure. ``unit`` is checked against the figure's."""

    statistic: Literal["p50", "p95", "p99"]
    unit: Literal["µs", "ms", "s", "ratio"]
    pi5: Bound | None = None
    x86_2core: Annotated[Bound | None, Field(alias="x86-2core")] = None
    gpu: Bound | None = None

    def bound(self, hardware_class: str) -> Bound | None:
        """Return the bound for a class, or None."""
        return {"pi5": self.pi5, "x86-2core": self.x86_2core, "gpu": self.gpu}.get(hardware_class)


class Targets:
    """The targets in force: the shipped ones, and over them those of a file. A name may end in ``*``."""

    def __init__(self, by_figure: Mapping[str, tuple[FigureTargets, str]]) -> None:
        self._by_figure = by_figure

    @property
    def names(self) -> list[str]:
        """The figures (or patterns) that have targets."""
        return list(self._by_figure)

    def judge(self, name: str, unit: str, summary: Summary, hardware_class: str) -> tuple[Target | None, Verdict, str]:
        """Return the target of a figure on a class, how it stands, and why, in words.

        Raises TargetsError when the target is in another unit.
        """
        self.check(name, unit)
        found = self._find(name)
        bound = found[0].bound(hardware_class) if found else None
        if found is None or bound is None:
            where = f"on {hardware_class}" if hardware_class else "on a machine of no known class"
            return None, Verdict.NO_TARGET, f"it has no target {where}"
        targets, source = found
        target = Target(statistic=targets.statistic, most=bound.most, reason=bound.reason, source=source)
        figure = summary.percentiles[targets.statistic]
        if figure is None:
            return target, Verdict.NOT_JUDGED, f"{targets.statistic}: {summary.withheld[targets.statistic]}"
        verdict = Verdict.MET if figure <= bound.most else Verdict.MISSED
        return target, verdict, f"{targets.statistic} {figure:.4g} {unit}, at most {bound.most:g} {unit}"

    def check(self, name: str, unit: str) -> None:
        """Raise TargetsError when the target of a figure is in another unit; to be asked before it is measured."""
        found = self._find(name)
        if found is not None and found[0].unit != unit:
            raise _wrong(found[1], f"{name} is in {found[0].unit}; it is measured in {unit}")

    def _find(self, name: str) -> tuple[FigureTargets, str] | None:
        if name in self._by_figure:
            return self._by_figure[name]
        return next((found for key, found in self._by_figure.items() if "*" in key and fnmatchcase(name, key)), None)


def load(override: Path | None = None, shipped: Path = SHIPPED) -> Targets:
    """Return the shipped targets, covered figure by figure by those of a file.

    Raises TargetsError that names every mistake in it: TOML, an unknown figure or class, a missing reason.
    """
    found = {name: (targets, SHIPPED_NAME) for name, targets in _read(shipped).items()}
    if override is not None:
        # Patterns are looked at in this order: those of the owner come first.
        ours = {name: (targets, str(override)) for name, targets in _read(override).items()}
        found = ours | {name: entry for name, entry in found.items() if name not in ours}
    return Targets(found)


def _read(path: Path) -> dict[str, FigureTargets]:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise _wrong(str(path), "it is too long")
        tables = tomllib.loads(data.decode())
    except OSError as error:
        raise TargetsError(
            f"The targets {path} cannot be read: {error.strerror}.", exit_code=ExitCode.NO_INPUT
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(str(path), f"it is no TOML: {error}") from error
    problems: list[str] = []
    read = {name: _figure(name, table, problems.append) for name, table in tables.items()}
    if problems:
        raise _wrong(str(path), "; ".join(problems))
    return {name: targets for name, targets in read.items() if targets is not None}


def _figure(name: str, table: object, complain: Callable[[str], None]) -> FigureTargets | None:
    known = [figure for suite_name in SUITE_NAMES for figure in suite(suite_name).names]
    # A pattern of targets must be one of figures, too: a typo would be a target that nothing is held against.
    if not any(name == pattern or fnmatchcase(name, pattern) for pattern in known):
        near = difflib.get_close_matches(name, known, n=1)
        complain(f'there is no figure "{name}"' + (f', perhaps "{near[0]}"' if near else ""))
        return None
    try:
        return FigureTargets.model_validate(table)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = ".".join(str(part) for part in fault["loc"])
            hint = f" (classes are {', '.join(CLASSES)})" if fault["type"] == "extra_forbidden" else ""
            complain(f'"{name}"{"." + place if place else ""}: {fault["msg"]}{hint}')
        return None


def _wrong(source: str, why: str) -> TargetsError:
    return TargetsError(
        f"The targets {source} cannot be used: {why}.",
        "The shipped targets.toml shows how they are written; `voicebridge-bench run --list` names the figures.",
    )
