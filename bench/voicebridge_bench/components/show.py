"""A run and a comparison on the console: one line a figure."""

from collections.abc import Iterable, Iterator

from voicebridge.domain.text import printable
from voicebridge_bench.components.compare import Comparison
from voicebridge_bench.components.results import FigureResult, Run, SuiteResult, Verdict

_SIGNS = {Verdict.MET: "met", Verdict.MISSED: "MISSED", Verdict.NOT_JUDGED: "not judged", Verdict.NO_TARGET: "-"}


def run_lines(run: Run) -> Iterator[str]:
    """Yield the summary of a run."""
    host = run.host
    yield printable(
        f"{host.cpu}, {host.cores_usable} of {host.cores} cores, {host.memory_gib:g} GiB, {host.system}, "
        f"kernel {host.kernel}, Python {host.python}" + (f", in {host.container}" if host.container else "")
    )
    shown_class = run.hardware_class or "none"
    yield printable(
        f"class {shown_class} ({run.class_reason}); load {host.load_average[0]:.1f}, others used "
        f"{run.others_cores:.1f} cores meanwhile; "
        f"timing costs {run.timer.overhead_ns:.0f} ns, taken off"
    )
    for warning in run.warnings:
        yield f"warning: {printable(warning)}"
    for suite in run.suites:
        yield ""
        yield from _suite_lines(suite)
    yield ""
    figures = [figure.verdict for suite in run.suites for figure in suite.figures]
    counts = ", ".join(f"{figures.count(verdict)} {verdict}" for verdict in Verdict if verdict in figures)
    yield f"{run.outcome.upper()} in {run.seconds:.0f} s ({counts or 'no figure'}): {printable(run.because)}"


def _suite_lines(suite: SuiteResult) -> Iterator[str]:
    if suite.state != "ran":
        yield f"{suite.name}: {suite.state.upper()}: {printable(suite.reason)}"
        return
    yield f"{suite.name}: {suite.title} ({suite.seconds:.0f} s)"
    yield from (f"  warning: {printable(warning)}" for warning in suite.warnings)
    yield from (f"  left out: {printable(what)}: {printable(why)}" for what, why in suite.left_out.items())
    rows = [_row(figure) for figure in suite.figures]
    yield from _table(("figure", "unit", "p50", "p95", "p99", "median, 95 %", "n", "target", "verdict"), rows)


def _row(figure: FigureResult) -> tuple[str, ...]:
    interval = figure.median_interval
    target = figure.target
    return (
        figure.name + (f" (x{figure.real_time_factor:.2f} of real time)" if figure.real_time_factor else ""),
        figure.unit,
        *(_number(value) for value in (figure.p50, figure.p95, figure.p99)),
        f"{_number(interval[0])} to {_number(interval[1])}" if interval else "-",
        str(figure.iterations),
        f"{target.statistic} <= {target.most:g}" if target else "none",
        _SIGNS[figure.verdict],
    )


def compare_lines(comparison: Comparison) -> Iterator[str]:
    """Yield a comparison: what differs, each figure side by side, what is slower."""
    yield from (f"unlike: {printable(one)}" for one in comparison.unlike)
    yield from (f"left out: {printable(one)}" for one in comparison.left_out)
    yield from (printable(note) for note in comparison.notes)
    rows = [
        (
            pair.name,
            pair.unit,
            _number(pair.a),
            _number(pair.b),
            f"{pair.ratio:.3f}",
            f"{pair.interval[0]:.3f} to {pair.interval[1]:.3f}" if pair.interval else "-",
            pair.mark,
        )
        for pair in comparison.pairs
    ]
    yield from _table(("figure", "unit", "A", "B", "B / A", f"{100 * comparison.level:g} %", "B is"), rows)
    yield ""
    yield comparison.conclusion


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        # The first column and the last are words, what is between are figures.
        cells = [
            cell.ljust(width) if place in (0, 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        cells[-1] = row[-1]
        yield printable("  " + "  ".join(cells))
