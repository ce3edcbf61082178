"""Figures of checkpoints against what was seen from outside: by psutil and stat, by our clock, in the file played."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from voicebridge.daemon.machine_look import LOOK_SECONDS as MACHINE_LOOK_SECONDS
from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FRAME_SAMPLES, FRAMES_PER_SECOND, FULL_SCALE, MEGABYTE
from voicebridge.pipeline.loudness import FLOOR_DB, below_full_scale
from voicebridge_bench.checkpoint_times import Record
from voicebridge_bench.claims import Claim, Line, exactly, within, worst
from voicebridge_bench.outside import Look

NEAR_SECONDS = 0.1
"""Two looks: a checkpoint reads its figures within some milliseconds, and more when both cores are taken."""
AGED_SECONDS = MACHINE_LOOK_SECONDS + 0.5
"""The disk is looked at every two seconds, by a thread that may be kept waiting."""
STARTED_SECONDS = 1.0
"""The session's time begins a moment after its database is there: its tables are made, the engine is chosen."""
PLAYED_SECONDS = 0.5
"""Bound on frames against time: what a listener with 140 ms of lag at most, and our own looks, may differ by."""
SLACK_FRAMES = 2
"""A checkpoint reads two counters one after the other while the listener goes on."""
ONE_MB = 1.0
PAUSE_SECONDS = 0.025
"""A decode takes and gives back tens of MB within 100 ms: looks further apart than this do not see all of it."""
SWING_SECONDS = 1.0
"""Some decodes."""
USS_MB = 5.0
"""It is looked at four times a second only, and a decode takes and gives back tens of MB."""
TICKS_SECONDS = 0.02
"""Processor time is counted in steps of 10 ms, once inside and once outside."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """A figure that is looked at: its name in the looks, what a record tells, and how far it may be off."""

    figure: str
    name: str
    told: Callable[[Record], float | None]
    bound: float
    scale: float = 1.0
    age_seconds: float = 0.0
    """How long before its checkpoint it may have been measured."""
    base: float = 0.0
    """Taken off from both."""
    swings: bool = False
    """Where looks around its moment were too far apart to follow it, those of a second before and after count."""


def by_looks(records: Sequence[Record], looks: Sequence[Look], interval_seconds: float) -> list[Line]:
    """Compare what psutil and stat said around the moment of each record, with one look more on either side.

    USS is measured beside the checkpoint, at most an interval and a look at the machine ago; the disk, one such look.
    """
    uss_age, base = interval_seconds + AGED_SECONDS, looks[0].figures["wall_offset"]
    compared = (
        _Looked("wall time, s since the start", "wall_offset", _wall_offset, 0.05, base=base),
        _Looked("resident, MB", "rss", lambda r: r["memory"]["rss_bytes"], ONE_MB, MEGABYTE, swings=True),
        _Looked("its own memory (USS), MB", "uss", lambda r: r["memory"]["uss_bytes"], USS_MB, MEGABYTE, uss_age),
        _Looked("processor time, s", "cpu", _cpu, TICKS_SECONDS),
        _Looked("threads", "threads", lambda r: r["threads"], 0),
        _Looked("open files", "files", lambda r: r["open_files"], 0),
        _Looked("database, MB", "database", lambda r: r["disk"]["database_bytes"], 0, MEGABYTE, AGED_SECONDS),
        _Looked("its write-ahead log, MB", "wal", lambda r: r["disk"]["wal_bytes"], 0, MEGABYTE, AGED_SECONDS),
        _Looked("free on the disk, MB", "disk_free", lambda r: r["disk"]["free_bytes"], ONE_MB, MEGABYTE, AGED_SECONDS),
    )
    return [_by_look(each, records, looks) for each in compared]


def _by_look(compared: _Looked, records: Sequence[Record], looks: Sequence[Look]) -> Line:
    found = [look for look in looks if compared.name in look.figures]
    moments = [look.monotonic for look in found]
    claims = []
    for record in records:
        at, told = record["monotonic_seconds"], compared.told(record)
        if told is None or not found:
            continue
        lost_sight = compared.swings and _longest_pause(moments, at) > PAUSE_SECONDS
        near_seconds = SWING_SECONDS if lost_sight else NEAR_SECONDS
        begin = max(bisect_left(moments, at - compared.age_seconds - near_seconds) - 1, 0)
        end = bisect_right(moments, at + near_seconds) + 1
        seen = [look.figures[compared.name] - compared.base for look in found[begin:end]]
        claims.append(within(told - compared.base, seen))
    return worst(compared.figure, claims, compared.bound, compared.scale)


def _longest_pause(moments: Sequence[float], at: float) -> float:
    """Return the longest time between two looks from just before a checkpoint until it has read its figures."""
    begin = max(bisect_left(moments, at - PAUSE_SECONDS) - 1, 0)
    near = moments[begin : bisect_right(moments, at + NEAR_SECONDS) + 1]
    return max((later - earlier for earlier, later in pairwise(near)), default=math.inf)


def _wall_offset(record: Record) -> float:
    return float(record["at"] - record["monotonic_seconds"])


def _cpu(record: Record) -> float:
    return float(record["cpu"]["user_seconds"] + record["cpu"]["system_seconds"])


def by_clock(records: Sequence[Record], lines_seen: Sequence[float], began: float, played: Samples) -> list[Line]:
    """Compare times and frames with our own clock, at which each line was seen, and with the length of the file."""
    pairs = list(zip(records, lines_seen, strict=False))
    if not pairs:
        return [worst("uptime, s", [], STARTED_SECONDS)]
    (first, first_seen), file_frames = pairs[0], len(played) // FRAME_SAMPLES
    hearing = [(record, seen - first_seen) for record, seen in pairs if record["frames"]["received"] < file_frames]
    file_seconds = file_frames / FRAMES_PER_SECOND

    def grown(name: str) -> list[Claim]:
        before = first["frames"][name] or 0
        return [exactly((r["frames"][name] - before) / FRAMES_PER_SECOND, passed) for r, passed in hearing]

    over = [record for record in records if record["uptime_seconds"] > file_seconds + STARTED_SECONDS + 1]
    return [
        worst("uptime, s", [exactly(r["uptime_seconds"], seen - began) for r, seen in pairs], STARTED_SECONDS),
        worst("frames received, s since the first", grown("received"), PLAYED_SECONDS),
        worst("frames expected, s since the first", grown("expected"), PLAYED_SECONDS),
        worst("frames received, of the whole file", [exactly(r["frames"]["received"], file_frames) for r in over], 0),
    ]


@dataclass(frozen=True, slots=True)
class Played:
    """The file by frames: sums of squares before each, and each one's highest magnitude."""

    squares: npt.NDArray[np.float64]
    peaks: npt.NDArray[np.int64]


def played_frames(played: Samples) -> Played:
    """Return the loudness of a file whose length is in whole frames."""
    frames = played.reshape(-1, FRAME_SAMPLES).astype(np.int64)
    squares = (frames * frames).sum(axis=1).astype(np.float64)
    return Played(np.concatenate([[0.0], np.cumsum(squares)]), np.abs(frames).max(axis=1))


def by_file(records: Sequence[Record], played: Samples) -> list[Line]:
    """Compare the level of each interval with the samples of the file that came in it."""
    loud, rms, peaks, before = played_frames(played), [], [], 0
    for record in records:
        after, level = record["frames"]["received"], record["level"]
        if level["rms_dbfs"] is not None and after - before > 2 * SLACK_FRAMES:
            rms.append(within(level["rms_dbfs"], _rms_range(loud, before, after)))
            peaks.append(within(level["peak_dbfs"], _peak_range(loud, before, after)))
        before = after
    return [worst("level, dBFS", rms, 0.1), worst("peak, dBFS", peaks, 0)]


def _rms_range(loud: Played, first: int, last: int) -> list[float]:
    found, count = [], len(loud.peaks)
    for begin in range(first - SLACK_FRAMES, first + SLACK_FRAMES + 1):
        for end in range(last - SLACK_FRAMES, last + SLACK_FRAMES + 1):
            a, b = max(begin, 0), min(end, count)
            mean = (loud.squares[b] - loud.squares[a]) / ((b - a) * FRAME_SAMPLES)
            found.append(10 * math.log10(mean / FULL_SCALE**2) if mean > 0 else -float(FLOOR_DB))
    return [max(value, -float(FLOOR_DB)) for value in found]


def _peak_range(loud: Played, first: int, last: int) -> list[float]:
    widest = loud.peaks[max(first - SLACK_FRAMES, 0) : last + SLACK_FRAMES]
    surely = loud.peaks[first + SLACK_FRAMES : last - SLACK_FRAMES]
    return [-float(below_full_scale(int(found.max()))) for found in (widest, surely)]
