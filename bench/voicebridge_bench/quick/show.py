"""A result of `quick` for people."""

from collections.abc import Iterator, Sequence

from voicebridge.domain.text import printable
from voicebridge_bench.components.results import Verdict
from voicebridge_bench.quick.results import QuickFigure, QuickPart, QuickResult

_SIGNS = {Verdict.MET: "met", Verdict.MISSED: "MISSED", Verdict.NOT_JUDGED: "not judged", Verdict.NO_TARGET: "-"}
_HEAD = ("figure", "value", "95 %", "n", "medians, ms", "goal", "")


def lines(result: QuickResult) -> Iterator[str]:
    """Yield what a result says."""
    host = result.host
    yield printable(
        f"{host.cpu}, {host.cores_usable} of {host.cores} cores, {host.memory_gib:g} GiB; "
        f"voicebridge {host.versions['voicebridge']}; others used {result.others_cores:.1f} cores meanwhile"
    )
    yield printable(where_decoded(result))
    for warning in result.warnings:
        yield f"warning: {printable(warning)}"
    for part in result.parts:
        yield ""
        yield from _part_lines(part)
    yield ""
    if result.interrupted:
        yield "Ended early: this is what was measured until then."
    yield f"{result.outcome.upper()} in {result.seconds:.0f} s: {printable(result.because)}"


def where_decoded(result: QuickResult) -> str:
    """Return in a sentence where it was decoded, and whether there was a choice."""
    gpus, decoded = result.host.gpus, result.decoded
    devices = f"{gpus} CUDA device{'s' if gpus > 1 else ''} to be seen" if gpus else "no CUDA device to be seen"
    return f"decoded on {decoded.device} ({decoded.compute_type}); {devices}"


def _part_lines(part: QuickPart) -> Iterator[str]:
    facts = ", ".join(f"{name} {value}" for name, value in part.facts.items())
    yield printable(f"{part.name}: {part.title} ({part.seconds:.0f} s{'; ' if facts else ''}{facts})")
    if part.state != "ran":
        yield printable(f"  {part.state.upper()}: {part.reason}")
    yield from (f"  warning: {printable(warning)}" for warning in part.warnings)
    if part.figures:
        yield from _table([_HEAD, *(_row(figure) for figure in part.figures)])
        yield from (line for figure in part.figures if (line := _parameters(figure)))


def _row(figure: QuickFigure) -> tuple[str, ...]:
    interval, goal = figure.interval, figure.goal
    unit = {"times": "x", "%": "%", "points": " pp", "ms": " ms", "count": ""}[figure.unit]
    medians = "; ".join(f"{name} {_number(spread.p50)}" for name, spread in figure.sides.items())
    return (
        figure.title,
        "-" if figure.value is None else f"{_number(figure.value)}{unit}",
        f"{_number(interval[0])} to {_number(interval[1])}" if interval else "-",
        str(figure.n),
        medians or "-",
        f"{goal.sense} {goal.bound:g}" if goal else "-",
        _SIGNS[figure.verdict] + ("" if _says_itself(figure) else f" ({figure.because})"),
    )


def _says_itself(figure: QuickFigure) -> bool:
    """Say whether value and goal tell why it stands as it does."""
    return figure.verdict is Verdict.NO_TARGET or figure.because[:1].isdigit()


def _parameters(figure: QuickFigure) -> str:
    told = ", ".join(f"{name} {value}" for name, value in figure.parameters.items())
    return printable(f"    {figure.name}: {told}") if told else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield printable("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
