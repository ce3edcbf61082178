"""What a report draws: series over the hours (or minutes) of a soak, thinned to what a picture can show. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.profiles import MB
from voicebridge_bench.soak.record import Sample

Numbers = npt.NDArray[np.float64]
MOST_POINTS = 900
"""A picture is about so many points wide."""
LONG_SECONDS = 2.5 * 3600
"""From then on the axis counts hours."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a plot. ``at`` is in units of the time axis; NaN in ``values`` breaks the line."""

    name: str
    at: Numbers
    values: Numbers

    def __bool__(self) -> bool:
        """Return whether there is anything to draw."""
        return bool(np.isfinite(self.values).any())


@dataclass(frozen=True)
class Axis:
    """The one time axis: since the soak began, in hours or minutes."""

    began: float
    ended: float

    @property
    def unit(self) -> str:
        """Hours or minutes."""
        return "hours" if self.ended - self.began >= LONG_SECONDS else "minutes"

    def place(self, at: float) -> float:
        """Return where a moment lies on it."""
        return (at - self.began) / (3600 if self.unit == "hours" else 60)

    @property
    def length(self) -> float:
        """How long it is."""
        return self.place(self.ended)


def axis_of(case: Case) -> Axis:
    """Return the time axis of a soak."""
    return Axis(case.began, max(case.over, case.began + 1.0))


def of_samples(case: Case, name: str, read: Callable[[Sample], float | None]) -> Series:
    """Return what was seen of the process from outside; the line breaks where a process ended."""
    axis = axis_of(case)
    points: list[tuple[float, float]] = []
    before: Sample | None = None
    for sample in sorted(case.record.samples, key=lambda sample: sample.at):
        if before is not None and before.pid != sample.pid:
            points.append((axis.place(sample.at), np.nan))
        value = read(sample)
        points.append((axis.place(sample.at), np.nan if value is None else value))
        before = sample
    return _series(name, points)


def memory(case: Case) -> Series:
    """Return the memory that is judged (see Sample.own_bytes), or what there is instead."""
    if case.record.samples and all(sample.own_bytes is not None for sample in case.record.samples):
        return of_samples(case, "USS, written to", megabytes(lambda sample: sample.own_bytes))
    uss = of_samples(case, "USS", megabytes(lambda sample: sample.uss_bytes))
    return uss or of_samples(case, "RSS", megabytes(lambda sample: sample.rss_bytes))


def processor(case: Case) -> Series:
    """Return the share of one core that the process took, in percent."""
    axis = axis_of(case)
    points: list[tuple[float, float]] = []
    for before, after in pairwise(sorted(case.record.samples, key=lambda sample: sample.at)):
        same = before.pid == after.pid and after.at > before.at
        share = 100 * (after.cpu_seconds - before.cpu_seconds) / (after.at - before.at) if same else np.nan
        points.append((axis.place(after.at), share))
    return _series("of one core", points)


def of_checkpoints(case: Case, name: str, *names: str) -> Series:
    """Return a figure of the checkpoints; the line breaks between sessions, and where there is none."""
    axis = axis_of(case)
    points: list[tuple[float, float]] = []
    for own in case.sessions.values():
        for checkpoint in own:
            found: Any = checkpoint.content
            for part in names:
                found = found.get(part) if isinstance(found, dict) else None
            points.append((axis.place(checkpoint.at), float(found) if isinstance(found, int | float) else np.nan))
        points.append((points[-1][0], np.nan))
    return _series(name, points)


def delays(case: Case) -> Series:
    """Return the delay of each utterance, in seconds, in order of their moments."""
    axis = axis_of(case)
    settled = [(heard.at, heard.delay_ms) for heard in case.record.heard]
    points = sorted((axis.place(at), delay / 1000) for at, delay in settled if at is not None and delay is not None)
    return _series("delay", points, thin=False)


def megabytes(read: Callable[[Sample], int | None]) -> Callable[[Sample], float | None]:
    """Return a reading of bytes in MB."""

    def in_megabytes(sample: Sample) -> float | None:
        value = read(sample)
        return None if value is None else value / MB

    return in_megabytes


def windows(series: Series, share: float, most: int = 48, fewest_each: int = 20) -> Series:
    """Return a percentile (0 to 100) of neighbouring points, so many in a window; a p95 of fewer than 20 is none."""
    count = min(most, len(series.at) // fewest_each)
    if count < 2:
        return Series(series.name, series.at[:0], series.values[:0])
    parts = [(part.mean(), own) for part, own in zip(*_split(series, count), strict=True)]
    return Series(
        f"p{share:g}",
        np.array([at for at, _ in parts]),
        np.array([float(np.percentile(own, share)) for _, own in parts]),
    )


def _split(series: Series, count: int) -> tuple[list[Numbers], list[Numbers]]:
    return np.array_split(series.at, count), np.array_split(series.values, count)


def _series(name: str, points: Sequence[tuple[float, float]], *, thin: bool = True) -> Series:
    at, values = (np.array(column, float) for column in zip(*points, strict=True)) if points else (np.empty(0),) * 2
    found = Series(name, at, values)
    return thinned(found) if thin else found


def thinned(series: Series, most: int = MOST_POINTS) -> Series:
    """Return lowest and highest of neighbouring points, in order: what a line of more points would show."""
    count = len(series.at)
    if count <= most:
        return series
    kept: list[int] = []
    for part in np.array_split(np.arange(count), most // 2):
        own = series.values[part]
        if not np.isfinite(own).any():
            kept.append(int(part[0]))
            continue
        ends = {int(part[np.nanargmin(own)]), int(part[np.nanargmax(own)])}
        # A break stays a break.
        ends |= {int(place) for place in part[np.isnan(own)][:1]}
        kept += sorted(ends)
    return Series(series.name, series.at[kept], series.values[kept])
