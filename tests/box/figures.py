"""The figures of a run, as a report for machines and one for people."""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from voicebridge import __version__


@dataclass(frozen=True, slots=True)
class Figure:
    """What one fault showed."""

    fault: str
    count: int
    figure: str
    """Worst and median, or what else was measured."""
    bound: str
    passed: bool


@dataclass(slots=True)
class Figures:
    """Collects them. ``full`` says which counts a run takes."""

    full: bool
    taken: list[Figure] = field(default_factory=list)

    def times(self, short: int, full: int) -> int:
        """Return how often a fault is to happen in this form of the suite."""
        return full if self.full else short

    @property
    def several(self) -> int:
        """How often a fault happens for which the full form has no count of its own."""
        return self.times(3, 5)

    def note(self, fault: str, count: int, figure: str, bound: str, passed: bool) -> None:
        """Print and keep a figure."""
        self.taken.append(Figure(fault, count, figure, bound, passed))
        print(f"\n  {'ok' if passed else 'FAILED':6} {fault} ({count}x): {figure}; bound: {bound}")

    def note_seconds(self, fault: str, seconds: Sequence[float], bound_seconds: float, what: str = "s") -> bool:
        """Keep durations, and say whether the worst is within the bound."""
        passed = max(seconds) <= bound_seconds
        self.note(fault, len(seconds), spread(seconds, what), f"{bound_seconds:g} {what}", passed)
        return passed

    def write(self, folder: Path, failed: int) -> None:
        """Write both reports."""
        content = {
            "schema": 1,
            "form": "full" if self.full else "short",
            "host": host(),
            "failed_tests": failed,
            "figures": [asdict(figure) for figure in self.taken],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n")
        (folder / "report.md").write_text(self._table(content["host"], failed))

    def _table(self, facts: object, failed: int) -> str:
        assert isinstance(facts, dict)
        lines = [
            f"# The system suite, {'full' if self.full else 'short'} form",
            "",
            *(f"- {name}: {value}" for name, value in facts.items()),
            f"- tests that failed: {failed}",
            "",
            "| fault | count | figure | bound | verdict |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {one.fault} | {one.count} | {one.figure} | {one.bound} | {'ok' if one.passed else '**failed**'} |"
                for one in self.taken
            ),
        ]
        return "\n".join(lines) + "\n"


def spread(values: Sequence[float], unit: str) -> str:
    """Return worst and median."""
    return f"worst {max(values):.2f} {unit}, median {statistics.median(values):.2f} {unit}"


def host() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "version": __version__,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
