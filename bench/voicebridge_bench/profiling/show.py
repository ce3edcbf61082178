"""A result of `profile`, as text and as a page with its flame graphs."""

from collections.abc import Iterator, Mapping
from html import escape

from voicebridge.domain.text import printable
from voicebridge_bench.profiling.flame import Node, svg
from voicebridge_bench.profiling.results import Phase, PhaseName, ProfileResult, Share

SHOWN_FUNCTIONS = 8
_STYLE = """body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1240px;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right}td:first-child,th:first-child{text-align:left}
.flame{width:100%;font:11px monospace}.flame rect{stroke:#fff;stroke-width:.5}.flame text{fill:#222}"""


def lines(result: ProfileResult) -> Iterator[str]:
    """Yield what a result says."""
    host = result.host
    yield printable(
        f"{host.cpu}, {host.cores_usable} of {host.cores} cores; voicebridge {host.versions['voicebridge']}; "
        f"model {result.model} (random weights: for times only)"
    )
    yield printable(f"{result.tool}; milliseconds of processor time in a second.")
    if result.overrides:
        yield f"settings: {printable(', '.join(result.overrides))}"
    for warning in result.warnings:
        yield f"warning: {printable(warning)}"
    if result.phases:
        yield ""
        yield from (printable("  ".join(row).rstrip()) for row in _padded(list(rows(result))))
    for phase in result.phases:
        yield ""
        yield f"{phase.name}: {phase.title} ({phase.seconds:.0f} s, {phase.samples} stacks)"
        yield "  threads: " + ", ".join(_told(share) for share in phase.threads)
        for share in phase.functions[:SHOWN_FUNCTIONS]:
            yield printable(f"  {share.ms:8.2f}  {share.name}")
    if result.interrupted:
        yield ""
        yield f"Ended early: {'these phases were' if result.phases else 'nothing was'} watched to the end."


def rows(result: ProfileResult) -> Iterator[tuple[str, ...]]:
    """Yield the table by room: a head, a row for each room, the total."""
    yield ("room", *(phase.name for phase in result.phases))
    names = dict.fromkeys(share.name for phase in reversed(result.phases) for share in phase.rooms)
    for name in names:
        yield (name, *(_of(phase, name) for phase in result.phases))
    yield ("all", *(f"{phase.total_ms:.2f}" for phase in result.phases))


def page(result: ProfileResult, trees: Mapping[PhaseName, Node]) -> str:
    """Return a page that holds all of it and fetches nothing."""
    head, *body = rows(result)
    table = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in body)
    graphs = "".join(
        f"<h2>{escape(phase.name)}: {escape(phase.title)}</h2>{svg(trees[phase.name], 'ms a second')}"
        for phase in result.phases
    )
    intro = escape(f"{result.host.cpu}; model {result.model} (random weights: for times only). {result.tool}.")
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Voicebridge: where time goes</title>'
        f"<style>{_STYLE}</style><h1>Where processor time goes</h1><p>{intro}</p>"
        f"<p>Milliseconds of processor time in a second.</p>"
        f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{table}</table>{graphs}</html>\n"
    )


def _of(phase: Phase, room: str) -> str:
    return next((f"{share.ms:.2f}" for share in phase.rooms if share.name == room), "-")


def _told(share: Share) -> str:
    return printable(f"{share.name} {share.ms:.2f}")


def _padded(table: list[tuple[str, ...]]) -> Iterator[list[str]]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for first, *others in table:
        yield [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
