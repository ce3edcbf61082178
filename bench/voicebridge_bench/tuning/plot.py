"""Delay against error, as a picture."""

from pathlib import Path
from typing import Any

from voicebridge_bench.tuning.results import CandidateResult, TuneResult

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito: told apart by everybody."""
MARKS = {"cascade": "o", "silero": "s", "webrtc": "^"}


def draw(result: TuneResult, path: Path) -> None:
    """Write the picture; its ending (.svg, .png) says in which form."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    points = [one for one in result.candidates if one.error_rate is not None and one.delay_p50_ms is not None]
    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    try:
        _scatter(axes, points)
        _front(axes, [one for one in points if one.final])
        for one in points:
            if one.title == result.recommended:
                _mark(axes, one)
        axes.set_xlabel("delay from the end of speech to the text, median (s); lines reach to p95, from 20 files on")
        axes.set_ylabel("word error rate")
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        axes.set_ylim(bottom=0)
        axes.set_title(f"{result.corpus}: {result.corpus_files} files, {result.host.cpu}", fontsize=10)
        axes.grid(alpha=0.3)
        if points:
            axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    finally:
        pyplot.close(figure)


def _scatter(axes: Any, points: list[CandidateResult]) -> None:
    groups = list(dict.fromkeys(_group(one) for one in points))
    for one in points:
        delay, late = (one.delay_p50_ms or 0) / 1000, one.delay_p95_ms
        colour = COLOURS[groups.index(_group(one)) % len(COLOURS)]
        strength = 1.0 if one.final else 0.25
        if one.final and late is not None:
            axes.plot([delay, late / 1000], [one.error_rate] * 2, color=colour, alpha=0.3, linewidth=1)
        mark = MARKS.get(one.candidate.vad_mode, "x")
        axes.scatter(delay, one.error_rate, color=colour, marker=mark, alpha=strength, s=30, linewidths=0)
    for number, name in enumerate(groups):
        axes.scatter([], [], color=COLOURS[number % len(COLOURS)], label=name)
    for mode in dict.fromkeys(one.candidate.vad_mode for one in points):
        axes.scatter([], [], color="grey", marker=MARKS.get(mode, "x"), label=f"vad {mode}")
    axes.scatter([], [], color="grey", alpha=0.25, label="given up early (fewer files)")


def _front(axes: Any, final: list[CandidateResult]) -> None:
    """Draw a line through those that none beats in both."""
    best = float("inf")
    front = []
    for one in sorted(final, key=lambda one: (one.delay_p50_ms or 0, one.error_rate or 0)):
        if one.error_rate is not None and one.error_rate < best:
            best = one.error_rate
            front.append(one)
    axes.plot([(one.delay_p50_ms or 0) / 1000 for one in front], [one.error_rate for one in front], color="grey", lw=1)


def _mark(axes: Any, one: CandidateResult) -> None:
    place = ((one.delay_p50_ms or 0) / 1000, one.error_rate)
    axes.scatter(*place, s=180, facecolors="none", edgecolors="black", linewidths=1.5)
    axes.annotate(f"recommended: {one.title}", place, xytext=(8, 10), textcoords="offset points", fontsize=8)


def _group(one: CandidateResult) -> str:
    load = one.candidate.load
    return "sphinx" if load.engine == "sphinx" else f"{Path(load.model).name} {load.device} {load.compute_type}"
