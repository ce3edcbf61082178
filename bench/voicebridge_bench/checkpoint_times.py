"""Checkpoints against the moments at which they were due, and against their copies in the file."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Any, TypeAlias

from voicebridge_bench.claims import Line, exactly, worst

Record: TypeAlias = Mapping[str, Any]

LATE_SECONDS = 0.5
EARLY_SECONDS = 0.1
"""The others, through which the grid is laid, may all have been late by so much."""
COST_MS = 5.0


def times(
    records: Sequence[Record],
    lines: Sequence[Record],
    lines_seen: Sequence[float],
    interval_seconds: float,
    until_monotonic: float,
) -> list[Line]:
    """Return what is to be said of records that were due until a moment; ``lines_seen`` are moments, one a line.

    They are due at fixed moments from the session's first on. The grid is laid through the record that was least late,
    for none can be early; how late that one was is told by ``first after the start``. One more soon after the start of
    a long interval, and one at the stop, stand beside the grid.
    """
    regular = _regular(records, interval_seconds)
    if not regular:
        return [worst("checkpoints that were due", [], 0)]
    origin, steps = _grid(regular, interval_seconds)
    due = math.floor((until_monotonic - LATE_SECONDS - origin) / interval_seconds) + 1
    missing = len(set(range(due)) - set(steps))
    skipped = sum(later - earlier - 1 for earlier, later in pairwise(steps))
    moments = [origin + step * interval_seconds for step in steps]
    differing = sum(record != line for record, line in zip_longest(records, lines))
    seen = [moment for record, moment in zip(records, lines_seen, strict=False) if record in regular]
    return [
        Line("checkpoints that were due", len(regular), due, due, missing, 0, max(due, 1)),
        Line("the same in the file", len(lines), len(records), len(records), differing, 0, len(records)),
        worst("missed, as they say", [exactly(sum(record["missed"] for record in records), skipped)], 0),
        _late("first after the start, s", [regular[0]["uptime_seconds"]], [interval_seconds]),
        _late("taken after it was due, s", [record["monotonic_seconds"] for record in regular], moments),
        _late("seen in the file after it was due, s", seen, moments),
    ]


def costs(records: Sequence[Record]) -> list[Line]:
    """Return what checkpoints cost their thread, by their own account: the promise is 5 ms."""
    told = sorted(record["cost_ms"] for record in records if record["cost_ms"] is not None)
    if not told:
        return [worst("cost, ms", [], COST_MS)]
    return [
        Line("cost p50, ms", told[len(told) // 2], 0.0, COST_MS, told[len(told) // 2], COST_MS, len(told)),
        Line("cost max, ms", told[-1], 0.0, COST_MS, told[-1], COST_MS, len(told)),
    ]


def _regular(records: Sequence[Record], interval_seconds: float) -> list[Record]:
    """Return the records of the grid: without an early one at the start, and without one that only a stop has made."""
    kept = [record for record in records if record["uptime_seconds"] >= interval_seconds - LATE_SECONDS]
    if len(kept) < 2 or kept[-1]["state"] != "stopping":
        return kept
    origin, steps = _grid(kept[:-1], interval_seconds)
    passed = kept[-1]["monotonic_seconds"] - origin
    step = round(passed / interval_seconds)
    in_time = -EARLY_SECONDS <= passed - step * interval_seconds <= LATE_SECONDS
    return kept if in_time and step > steps[-1] else kept[:-1]


def _grid(records: Sequence[Record], interval_seconds: float) -> tuple[float, list[int]]:
    """Return the moment of the first one and each record's number on the grid."""
    moments = [record["monotonic_seconds"] for record in records]
    steps = [round((moment - moments[0]) / interval_seconds) for moment in moments]
    origin = min(moment - step * interval_seconds for moment, step in zip(moments, steps, strict=True))
    return origin, steps


def _late(figure: str, moments: Sequence[float], due: Sequence[float]) -> Line:
    late = [moment - expected for moment, expected in zip(moments, due, strict=False)]
    if not late:
        return worst(figure, [], LATE_SECONDS)
    return Line(figure, max(late), 0.0, 0.0, max(abs(seconds) for seconds in late), LATE_SECONDS, len(late))
