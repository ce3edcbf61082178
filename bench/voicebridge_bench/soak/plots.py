"""The pictures of a report: panels above each other on one time axis, by matplotlib, as inline SVG or PNG.

Figures are made and kept by nobody else (no pyplot), with the Agg and SVG backends: no display is needed.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voicebridge_bench.soak import series as of
from voicebridge_bench.soak.judges.case import Case
from voicebridge_bench.soak.series import Axis, Series, axis_of
from voicebridge_bench.soak.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, FIRST, SECOND, FAULT, BAD, BOUND, WARM = (
    "#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707", "#080808",
)  # fmt: skip
PAGE_COLOURS: Mapping[str, str] = {
    INK: "var(--dim)",
    FAINT: "var(--edge)",
    FIRST: "var(--line-0)",
    SECOND: "var(--line-1)",
    FAULT: "var(--fault)",
    BAD: "var(--bad)",
    BOUND: "var(--warn)",
    WARM: "var(--shade)",
}
"""Colours that are drawn with, and what a page puts in their place: it follows light and dark."""
PNG_COLOURS: Mapping[str, str] = {
    INK: "#51605a",
    FAINT: "#d3dad7",
    FIRST: "#0b6e69",
    SECOND: "#9a4f96",
    FAULT: "#e0a02b",
    BAD: "#a11a1a",
    BOUND: "#7a4b00",
    WARM: "#7d8a85",
}
PANEL_INCHES, LANE_INCHES = 1.15, 0.3
HIGHEST_BOUND = 3.0
"""A bound so many times as high as anything measured is told, not drawn: it would flatten the rest."""
MOST_DOTS = 1200
MOST_MARKS = 400
"""Of one kind in a picture; more would be one bar of colour."""
WORST_KINDS = ("crashed", "hang", "error")
Colour = Callable[[str], str]


@dataclass(frozen=True)
class Panel:
    """One plot: its lines, its unit, and bounds to draw."""

    title: str
    unit: str
    lines: Sequence[Series]
    bound: float | None = None
    dots: Series | None = None
    steps: bool = False
    from_zero: bool = True
    without_start: bool = False
    least_top: float = 0.0
    """The axis reaches so high at least: a flat line at nothing is to look like nothing."""
    drift: tuple[Series, ...] = field(default_factory=tuple)

    def __bool__(self) -> bool:
        """Return whether there is anything to draw."""
        return any(self.lines) or bool(self.dots)


def panels(case: Case, judgement: Judgement) -> list[Panel]:
    """Return the panels that there is something to draw in."""
    verdicts = {verdict.code: verdict for verdict in judgement.verdicts}
    memory = of.memory(case)
    heap = of.of_samples(case, "heap", of.megabytes(lambda sample: sample.heap_bytes))
    delay = of.delays(case)
    every = [
        Panel(
            f"Memory ({memory.name})",
            "MB",
            [memory],
            from_zero=False,
            without_start=True,
            drift=_drift(case, memory, verdicts.get("memory")),
        ),
        Panel(
            "Python's heap",
            "MB",
            [heap],
            from_zero=False,
            without_start=True,
            drift=_drift(case, heap, verdicts.get("heap")),
        ),
        Panel("Processor", "% of one core", [of.processor(case)]),
        Panel(
            "Delay to text",
            "s",
            [of.windows(delay, 50), of.windows(delay, 95)],
            bound=case.profile.bounds.delay_p95_seconds,
            dots=_some(delay),
        ),
        Panel(
            "Audio waiting for its decode", "s", [of.of_checkpoints(case, "backlog", "backlog_seconds")], least_top=1.0
        ),
        Panel(
            "Level",
            "dBFS",
            [
                of.of_checkpoints(case, "peak", "level", "peak_dbfs"),
                of.of_checkpoints(case, "RMS", "level", "rms_dbfs"),
            ],
            from_zero=False,
        ),
        Panel(
            "Open files and threads",
            "",
            [
                of.of_samples(case, "files", lambda sample: sample.open_files),
                of.of_samples(case, "threads", lambda sample: sample.threads),
            ],
            steps=True,
        ),
        Panel(
            "Database",
            "MB",
            [
                of.of_samples(case, "database", of.megabytes(lambda sample: sample.database_bytes)),
                of.of_samples(case, "its write-ahead log", of.megabytes(lambda sample: sample.wal_bytes)),
            ],
        ),
    ]
    return [panel for panel in every if panel]


def _drift(case: Case, series: Series, verdict: Verdict | None) -> tuple[Series, ...]:
    """Return the fitted line, through the middle of what was judged; none for several lives."""
    slope = None if verdict is None else verdict.figure
    if slope is None or verdict is None or len({sample.pid for sample in case.record.samples}) > 1 or not series:
        return ()
    warm = float(verdict.facts["warm_up_hours"]) / case.pace
    axis = axis_of(case)
    begin, end = axis.place(case.began + warm * 3600), axis.place(case.over)
    judged = (series.at >= begin) & np.isfinite(series.values)
    if not judged.any() or end <= begin:
        return ()
    # KB in an hour of audio, as MB in a unit of the axis.
    rise = slope / 1000 * case.pace * (1 if axis.unit == "hours" else 1 / 60)
    height = float(np.median(series.values[judged] - rise * series.at[judged]))
    return (Series("fitted", np.array([begin, end]), height + rise * np.array([begin, end])),)


def _some(delay: Series) -> Series:
    """Return the dots to draw: all, or every so many of them and the longest."""
    count = len(delay.at)
    if count <= MOST_DOTS:
        return delay
    kept = np.zeros(count, bool)
    kept[:: -(-count // MOST_DOTS)] = True
    kept |= delay.values >= np.percentile(delay.values, 99)
    return Series(delay.name, delay.at[kept], delay.values[kept])


def svg(case: Case, judgement: Judgement, width_inches: float, label: str) -> str:
    """Return the panels as an SVG that can stand in a page, with the page's colours."""
    from markupsafe import escape

    # Text stays text: it can be found and read aloud. The salt makes ids the same for the same picture.
    with _style({"svg.fonttype": "none", "svg.hashsalt": f"soak {label} {width_inches}"}):
        figure = _figure(case, judgement, width_inches, lambda colour: colour)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = re.sub(r"^.*?(?=<svg)", "", out.getvalue(), flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    for drawn, named in PAGE_COLOURS.items():
        text = text.replace(drawn, named)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def png(case: Case, judgement: Judgement, path: Path, title: str, subtitle: str) -> None:
    """Write the panels as one picture."""
    with _style({}):
        figure = _figure(case, judgement, 9.0, lambda colour: PNG_COLOURS.get(colour, colour), (title, subtitle))
        figure.patch.set_facecolor("#ffffff")
        figure.savefig(path, dpi=130, metadata={"Software": None})


def _style(more: Mapping[str, Any]) -> Any:
    import matplotlib as mpl

    settings: Any = {"font.size": 8, "font.family": "DejaVu Sans", "axes.unicode_minus": True, **more}
    return mpl.rc_context(settings)


def _figure(
    case: Case, judgement: Judgement, width: float, colour: Colour, titles: tuple[str, str] | None = None
) -> Any:
    from matplotlib.figure import Figure

    shown, axis, lanes = panels(case, judgement), axis_of(case), _lanes(case)
    heights = [PANEL_INCHES] * len(shown) + [LANE_INCHES * max(len(lanes), 1) + 0.15]
    head = 0.6 if titles else 0.0
    total = sum(heights) + 0.32 * len(heights) + 0.55 + head
    figure = Figure(figsize=(width, total))
    figure.patch.set_alpha(0)
    left, right = 0.82 / width, 1 - 0.14 / width
    grid = figure.add_gridspec(
        len(heights), 1, height_ratios=heights, hspace=0.42 / (sum(heights) / len(heights)),
        left=left, right=right, top=1 - (0.26 + head) / total, bottom=0.5 / total,
    )  # fmt: skip
    if titles:
        figure.text(left, 1 - 0.22 / total, titles[0], fontsize=13, fontweight="bold", color="#18211e", va="center")
        figure.text(left, 1 - 0.48 / total, titles[1], fontsize=8.5, color=colour(INK), va="center")
    for index, panel in enumerate(shown):
        axes = figure.add_subplot(grid[index])
        _draw(axes, panel, colour)
        _mark(axes, case, axis, judgement, colour)
        _dress(axes, axis, colour, last=False)
    axes = figure.add_subplot(grid[len(shown)])
    _draw_lanes(axes, lanes, axis.length / 400, colour)
    _dress(axes, axis, colour, last=True)
    return figure


def _draw(axes: "Axes", panel: Panel, colour: Colour) -> None:
    if panel.dots:
        axes.plot(
            panel.dots.at, panel.dots.values, "o", markersize=3.2, color=colour(FIRST), alpha=0.4, mew=0, zorder=2
        )
    for line, drawn in zip(panel.lines, (FIRST, SECOND), strict=False):
        if not line:
            continue
        style: Any = {"drawstyle": "steps-post"} if panel.steps else {}
        axes.plot(line.at, line.values, color=colour(drawn), linewidth=1.1, label=line.name, zorder=3, **style)
    for line in panel.drift:
        axes.plot(line.at, line.values, color=colour(SECOND), linewidth=1.2, dashes=(4, 2), label=line.name, zorder=4)
    title = f"{panel.title}, {panel.unit}" if panel.unit else panel.title
    bounded = panel.bound is not None and panel.bound <= HIGHEST_BOUND * _highest(panel)
    if panel.bound is not None and bounded:
        axes.axhline(panel.bound, color=colour(BOUND), linewidth=0.9, dashes=(2, 2), label="bound of p95", zorder=3)
    elif panel.bound is not None:
        title += f" (bound of p95: {panel.bound:g})"
    axes.set_title(title, loc="left", fontsize=8.5, color=colour(INK), pad=4)
    if panel.from_zero:
        axes.set_ylim(bottom=0)
        axes.set_ylim(top=max(axes.get_ylim()[1], panel.least_top))
    elif panel.without_start:
        axes.set_ylim(*_without_start(panel.lines[0]))
    named = sum(map(bool, panel.lines)) + len(panel.drift) + bounded > 1
    if named:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=4, frameon=False, fontsize=7.5,
            labelcolor=colour(INK), handlelength=1.6, columnspacing=1.2, borderaxespad=0.1,
        )  # fmt: skip


def _highest(panel: Panel) -> float:
    """Return the highest value of a panel."""
    every = [line.values for line in (*panel.lines, *([panel.dots] if panel.dots else [])) if line]
    return max((float(np.nanmax(values)) for values in every), default=0.0)


def _without_start(line: Series) -> tuple[float, float]:
    """Return limits that leave out the first ascent of a young process: it would flatten everything else."""
    finite = line.values[np.isfinite(line.values)]
    low, high = float(np.percentile(finite, 8)), float(finite.max())
    room = max(0.15 * (high - low), 0.002 * abs(high), 1e-6)
    return low - room, high + room


def _mark(axes: "Axes", case: Case, axis: Axis, judgement: Judgement, colour: Colour) -> None:
    """Draw the warm-up, faults and what went wrong, behind the lines."""
    warm = next((v.facts.get("warm_up_hours") for v in judgement.verdicts if v.code == "memory"), None)
    if warm:
        axes.axvspan(0, axis.place(case.began + float(warm) / case.pace * 3600), color=colour(WARM), alpha=0.1, lw=0)
    for fault in case.record.faults[:MOST_MARKS]:
        begin, end = axis.place(fault.began), axis.place(max(fault.ended, fault.began))
        axes.axvspan(begin, max(end, begin + axis.length / 600), color=colour(FAULT), alpha=0.3, lw=0, zorder=1)
    worst = [moment for moment in case.record.happened if moment.kind in WORST_KINDS][:MOST_MARKS]
    for moment in worst:
        axes.axvline(axis.place(moment.at), color=colour(BAD), linewidth=0.8, alpha=min(1.0, 12 / len(worst)), zorder=1)


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the strip at the bottom: bars (from, until) and marks."""

    name: str
    colour: str
    bars: Sequence[tuple[float, float]] = ()
    marks: Sequence[float] = ()


def _lanes(case: Case) -> list[Lane]:
    axis, happened = axis_of(case), case.record.happened
    heard = [(axis.place(life.ready or life.ended), axis.place(life.ended)) for life in case.lives]
    lanes = [Lane("hearing", FIRST, bars=heard)]
    kinds = dict.fromkeys(fault.kind for fault in case.record.faults)
    for kind in kinds:
        own = [fault for fault in case.record.faults if fault.kind == kind]
        lanes.append(
            Lane(
                kind.replace("_", " "),
                FAULT,
                bars=[(axis.place(fault.began), axis.place(fault.ended)) for fault in own],
            )
        )
    gaps = [axis.place(gap.at) for gap in case.record.lost if gap.at is not None]
    rows: Sequence[tuple[str, str, Sequence[float]]] = (
        ("gap", BAD, gaps),
        ("restart", SECOND, [axis.place(life.began) for life in case.lives[1:]]),
        ("crash", BAD, [axis.place(m.at) for m in happened if m.kind == "crashed"]),
        ("hang", BAD, [axis.place(m.at) for m in happened if m.kind == "hang"]),
        ("error line", BAD, [axis.place(m.at) for m in happened if m.kind == "error"]),
    )
    return lanes + [Lane(name, drawn, marks=marks[:MOST_MARKS]) for name, drawn, marks in rows if marks]


def _draw_lanes(axes: "Axes", lanes: Sequence[Lane], least: float, colour: Colour) -> None:
    for row, lane in enumerate(lanes):
        bars = [(begin, max(end - begin, least)) for begin, end in lane.bars]
        if bars:
            axes.broken_barh(bars, (row - 0.28, 0.56), color=colour(lane.colour), lw=0.8)
        if lane.marks:
            axes.plot(lane.marks, [row] * len(lane.marks), "|", color=colour(lane.colour), markersize=8, mew=1.2)
    axes.set_yticks(range(len(lanes)), [lane.name for lane in lanes])
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_title("Events and faults", loc="left", fontsize=8.5, color=colour(INK), pad=4)


def _dress(axes: "Axes", axis: Axis, colour: Colour, *, last: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, axis.length)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10] if axis.unit == "minutes" else [1, 2, 4, 5, 10]))
    axes.patch.set_alpha(0)
    axes.tick_params(colors=colour(INK), which="both", length=2, labelsize=7.5, labelbottom=last)
    if last:
        axes.set_xlabel(f"{axis.unit} since the soak began", color=colour(INK), fontsize=8)
        axes.grid(visible=True, axis="x", color=colour(FAINT), linewidth=0.5)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.grid(visible=True, color=colour(FAINT), linewidth=0.5)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(colour(FAINT))
