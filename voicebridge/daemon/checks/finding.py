"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much it matters."""

    OK = "ok"
    WARNING = "warning"
    """Voicebridge runs, but not as well as it could, or not for long."""
    ERROR = "error"
    """Voicebridge does not run, or does not hear, until this is put right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `voicebridge doctor`: what was looked at, how it is, and what to do about it."""

    name: str
    level: Level
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(name, Level.OK, found)


def warning(name: str, found: str, advice: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(name, Level.WARNING, found, advice)


def error(name: str, found: str, advice: str) -> Finding:
    """Return a finding that has to be put right."""
    return Finding(name, Level.ERROR, found, advice)
