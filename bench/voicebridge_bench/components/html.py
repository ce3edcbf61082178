"""A run as one page: no script, nothing from elsewhere, light and dark; each figure's distribution and its target."""

import io
import re
from importlib import resources

from voicebridge_bench.components.results import FigureResult, Run

WIDTH_INCHES, HEIGHT_INCHES = 3.4, 0.62
BINS = 40
PLACEHOLDERS = {"#010101": "var(--ink)", "#020202": "var(--bar)", "#030303": "var(--target)", "#040404": "var(--faint)"}
"""Colours that the plots are drawn with, and what the page puts in their place: it follows light and dark."""
_INK, _BAR, _TARGET, _FAINT = PLACEHOLDERS

_SPAN_DECADES = 1.0
"""Distributions wider than this are drawn on a logarithmic axis."""


def page(run: Run) -> str:
    """Return the page. Everything in it that came from outside is escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    template = resources.files("voicebridge_bench.components").joinpath("run.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = _shown
    # Drawn by matplotlib from numbers alone, whose texts it escapes.
    plots = {name: Markup(plot(figure)) for name, figure in run.figures.items()}  # noqa: S704
    return environment.from_string(template).render(run=run, plots=plots)


def plot(figure: FigureResult) -> str:
    """Return the distribution of a figure's samples as inline SVG, with its median and its target."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "font.size": 7, "svg.hashsalt": f"figure {figure.name}"}):
        canvas = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
        canvas.patch.set_alpha(0)
        axes = canvas.add_subplot()
        _draw(axes, figure)
        out = io.StringIO()
        canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(out.getvalue(), f"{figure.title}: distribution of {figure.iterations} samples")


def _draw(axes, figure: FigureResult) -> None:  # type: ignore[no-untyped-def]
    import numpy as np
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    values = np.array([value for one in figure.rounds for value in one])
    marks = [figure.target.most] if figure.target else []
    low, high = min(values.min(), *marks, values.min()), max(float(np.percentile(values, 99.5)), *marks, values.min())
    wide = low > 0 and np.log10(high / low) > _SPAN_DECADES
    if high <= low:
        low, high = 0.9 * low, 1.1 * high or 1.0
    edges = np.geomspace(low * 0.95, high * 1.05, BINS) if wide else np.linspace(low, high + (high - low) / 20, BINS)
    axes.hist(np.clip(values, edges[0], edges[-1]), bins=edges, color=_BAR)
    if wide:
        axes.set_xscale("log")
        marks_a_decade = (1.0, 3.0) if high / low < 1000 else (1.0,)
        axes.xaxis.set_major_locator(LogLocator(subs=marks_a_decade, numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axvline(float(np.median(values)), color=_INK, linewidth=1)
    if figure.target is not None:
        axes.axvline(figure.target.most, color=_TARGET, linewidth=1.6)
    axes.set_yticks([])
    axes.tick_params(colors=_INK, which="both", length=2)
    axes.patch.set_alpha(0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_FAINT)


def _inline(svg: str, label: str) -> str:
    """Return an SVG that can stand in a page: without prologue and ids of its groups, with the page's colours."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    # Ids of groups repeat from plot to plot; those of clip paths and marks are referred to, and depend on the salt.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    for colour, variable in PLACEHOLDERS.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def _shown(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
