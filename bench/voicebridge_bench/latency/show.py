"""A result of `latency` for people."""

from collections.abc import Iterator

from voicebridge_bench.latency.results import LatencyResult, Spread

ROWS = {
    "total": "end of speech to text",
    "endpoint": "  to the endpoint",
    "queue": "  queue: commits and waiting",
    "decode": "  decode after the endpoint",
    "delivery": "  delivery to the reader",
    "hearing": "of the first: microphone, detector",
    "hangover": "of the first: hangover",
    "decoded": "all of the decode, in pauses too",
    "stored": "as the database has it",
    "detector": "the detector alone, by samples",
}


def lines(result: LatencyResult) -> Iterator[str]:
    """Yield what a result says."""
    host, source = result.host, result.source
    yield f"{host.cpu}, {host.cores_usable} cores, {host.memory_gib:g} GiB; voicebridge {host.versions['voicebridge']}"
    yield f"{result.engine} {result.model} on {result.corpus}; {result.pieces} pieces, {_load(result.load_processes)}"
    yield f"{source.name} ({source.reason}): {source.description}"
    yield f"True end of speech: {result.end_of_speech}, known to {source.accuracy_ms:g} ms."
    for warning in result.warnings:
        yield f"-- {warning}"
    yield ""
    yield f"{'milliseconds':36}{'n':>5}{'p50':>8}{'p95':>8}{'p99':>8}{'min':>8}{'max':>8}{'iqr':>8}  median within"
    for name, title in ROWS.items():
        if name in result.figures:
            yield _row(title, result.figures[name])
    if not result.figures:
        yield "No delay could be measured."
    if result.ready_share is not None and result.early_share is not None:
        yield (
            f"{result.ready_share:.0%} of the texts were ready at the endpoint; "
            f"{result.early_share:.0%} were decoded in the pause before it."
        )
    withheld = {told for spread in result.figures.values() for what, told in spread.withheld.items() if what == "p99"}
    yield from (f"p99 is not given: {told}." for told in sorted(withheld))
    yield f"{result.words_right} of {result.words} words of these pieces were right."
    for reason, pieces in result.left_out.items():
        yield f"Left out, {reason}: {len(pieces)} ({'; '.join(pieces[:3])}{', ...' if len(pieces) > 3 else ''})"
    if result.interrupted:
        yield "Ended early: this is what was measured until then."


def _load(processes: int) -> str:
    return f"beside {processes} busy process{'es' if processes > 1 else ''}" if processes else "no load beside it"


def _row(title: str, spread: Spread) -> str:
    within = f"{spread.median_interval[0]:.0f} to {spread.median_interval[1]:.0f}" if spread.median_interval else "-"
    values = (spread.p50, spread.p95, spread.p99, spread.minimum, spread.maximum, spread.iqr)
    cells = "".join(f"{'-' if value is None else format(value, '.0f'):>8}" for value in values)
    return f"{title:36}{spread.n:5}{cells}  {within}"
