"""What the judge says of a soak."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How one thing was judged."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """The run was too short, or too little happened, to tell."""
    NOT_JUDGED = "not judged"
    """The profile has no bound for it, or it cannot be seen in this kind of run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing judged: ``figure`` and ``bound`` in ``unit``, and a sentence."""

    code: str
    title: str
    outcome: Outcome
    figure: float | None
    bound: float | None
    unit: str
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """All of it. A soak has passed when nothing failed and it came to its end."""

    verdicts: Sequence[Verdict]
    complete: bool

    @property
    def failed(self) -> Sequence[Verdict]:
        """What turned red."""
        return [verdict for verdict in self.verdicts if verdict.outcome is Outcome.FAIL]

    @property
    def passed(self) -> bool:
        """True when nothing failed and it came to its end."""
        return self.complete and not self.failed
