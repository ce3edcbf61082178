"""Hysteresis: a reason must have held for a while before it is told, and be gone for a while before it is taken back.

Pure but for its memory; the time is given. It never delays what the watchdog is told.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a reason must hold before it is told, and must be gone before it is told no more."""

    after_seconds: float = 0.0
    lingers_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Seen(Generic[T]):
    what: T
    first: float
    last: float
    told: bool


class Hysteresis(Generic[T]):
    """Remembers what was found by code. Any thread may ask; the newest moment counts."""

    def __init__(self, hold_of: Callable[[str], Hold]) -> None:
        self._hold_of = hold_of
        self._lock = threading.Lock()
        self._seen: Mapping[str, _Seen[T]] = {}

    def settle(self, found: Mapping[str, T], now: float) -> dict[str, T]:
        """Return what is to be told at ``now`` (CLOCK_MONOTONIC), given what is found; what lingers as last found."""
        with self._lock:
            kept = {code: seen for code, seen in self._seen.items() if code in found or self._lingers(code, seen, now)}
            for code, what in found.items():
                before = self._seen.get(code)
                first = now if before is None else before.first
                told = (before is not None and before.told) or now - first >= self._hold_of(code).after_seconds
                kept[code] = _Seen(what, first, now, told)
            self._seen = kept
            return {code: seen.what for code, seen in kept.items() if seen.told}

    def tells(self, code: str) -> bool:
        """Say whether it was told when it was settled last."""
        with self._lock:
            seen = self._seen.get(code)
            return seen is not None and seen.told

    def _lingers(self, code: str, seen: "_Seen[T]", now: float) -> bool:
        # What was never told is forgotten at once: it must hold without a break.
        return seen.told and now - seen.last < self._hold_of(code).lingers_seconds
