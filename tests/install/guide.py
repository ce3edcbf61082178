"""Reads the commands of docs/operations.md, each with what it must show."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.install.checkout import ROOT

GUIDE = ROOT / "docs" / "operations.md"
_BLOCK = re.compile(r"(?:<!-- shows: (?P<shows>.+?) -->\n)?```console\n\$ (?P<command>.+)\n(?P<sample>(?:.+\n)*?)```")


@dataclass(frozen=True)
class Recipe:
    """One fenced command. Each entry that it shows has at least one of the fields ``shows`` with that value."""

    command: str
    shows: tuple[tuple[str, str], ...]
    sample: str

    @property
    def query(self) -> str:
        """The part of the command that asks the journal, without what follows it in a pipe, and without an end."""
        query = self.command.partition(" | ")[0]
        return re.sub(r" (-f|-x|-o \S+|--output-fields=\S+)(?= |$)", "", query)


def recipes(guide: Path = GUIDE) -> list[Recipe]:
    """Return the commands of the guide in their order."""
    return [
        Recipe(found["command"], _fields(found["shows"] or ""), found["sample"])
        for found in _BLOCK.finditer(guide.read_text())
    ]


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, _, value in (word.partition("=") for word in text.split()))
