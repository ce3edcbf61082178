"""`voicebridge health`: how the daemon was, as its checkpoints say."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from voicebridge.cli.asking import service_instead
from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import Period, between, json_line, local_time, reading
from voicebridge.daemon.control_protocol import CHECKPOINT_RECORDS
from voicebridge.domain.text import printable

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.-:=+*#"
"""Where the terminal's encoding has no blocks."""
SPARKS = 60
"""Longest sparkline; of more checkpoints each mark shows the highest of several."""
HEAD = (
    f"{'time':19}  {'state':9}{'p50':>8}{'p95':>8}{'max':>8}{'waiting':>9}{'rtf':>6}{'level':>7}{'speech':>8}"
    f"{'cpu':>7}{'memory':>9}{'gaps':>8}"
)


@click.command("health")
@between
@click.option(
    "-n",
    "--last",
    type=click.IntRange(1, CHECKPOINT_RECORDS),
    default=20,
    show_default=True,
    help="The newest so many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line (docs/health.md).")
@click.pass_obj
def command(invocation: Invocation, period: Period, last: int, as_json: bool) -> None:
    """Show how the daemon was: one line for each checkpoint, oldest first.

    The delay (p50, p95, max) runs from the end of speech to its text, in the interval before; who still waits counts
    with its age. `waiting` is audio that waits for its decode, `rtf` the time of decodes over that of their audio,
    `level` the loudest moment.

    Where no daemon of yours runs and no --state-dir is given, the system's service is asked.
    """
    records = _records(invocation, period, last)
    if as_json:
        for record in records:
            click.echo(json_line(record))
    elif records:
        click.echo("\n".join(shown(records, blocks=_has_blocks(sys.stdout.encoding))))
    else:
        click.echo("There is no checkpoint of that time yet: one is made every health.interval_seconds.", err=True)


def shown(records: Sequence[dict[str, Any]], *, blocks: bool = True) -> Iterator[str]:
    """Yield the table, what interrupts it, and a sparkline of each figure that has one."""
    yield HEAD
    session = records[0]["session_id"]
    for record in records:
        if record["session_id"] != session:
            session = record["session_id"]
            yield f"-- session {session} began {local_time(record['at'] - record['uptime_seconds'])}"
        if record["missed"]:
            yield f"-- {record['missed']} missing"
        yield _line(record)
        yield from (f"{'':21}{printable(reason['sentence'])}" for reason in record["reasons"])
    for name, values in _curves(records):
        known = [value for value in values if value is not None]
        if known:
            bars = sparkline(values, BARS if blocks else PLAIN_BARS)
            yield f"{name:>10}  {bars}  {min(known):g} to {max(known):g}"


def sparkline(values: Sequence[float | None], bars: str = BARS) -> str:
    """Return a curve in a line of text, from the lowest value to the highest; a space where there is none."""
    step = -(-len(values) // SPARKS)
    groups = [[v for v in values[start : start + step] if v is not None] for start in range(0, len(values), step or 1)]
    peaks = [max(group) if group else None for group in groups]
    known = [peak for peak in peaks if peak is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = (len(bars) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if peak is None else bars[round((peak - low) * scale)] for peak in peaks)


def _records(invocation: Invocation, period: Period, last: int) -> Sequence[dict[str, Any]]:
    from voicebridge.store.checkpoints import newest_checkpoints

    since = period.since or 0.0
    if client := service_instead(invocation):
        with client:
            answer = client.ask("checkpoints", since=since, until=period.until, limit=last)
            records: Sequence[dict[str, Any]] = answer["records"]
            return records
    with reading(invocation) as (db, _):
        return newest_checkpoints(db, last, since, period.until)


def _line(record: dict[str, Any]) -> str:
    delay, level, cpu = record["delay_interval_ms"], record["level"], record["cpu"]
    return "".join(
        (
            f"{local_time(record['at']):19}  {record['state']:9}",
            *(f"{_seconds(delay[name]):>8}" for name in ("p50", "p95", "max")),
            f"{record['backlog_seconds']:>7.0f} s",
            f"{_or_dash(record['real_time_factor'], '.2f'):>6}",
            f"{_or_dash(level['peak_dbfs'], '.0f'):>7}",
            f"{_or_dash(level['speech_share'], '.0%'):>8}",
            f"{_or_dash(cpu['share'], '.1%'):>7}",
            f"{record['memory']['rss_bytes'] / 1e6:>6.0f} MB",
            f"{_gaps(record['gaps']):>8}",
        )
    )


def _curves(records: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Sequence[float | None]]]:
    def rounded(value: float | None, factor: float) -> float | None:
        return None if value is None else round(value * factor, 1)

    yield "p95 ms", [record["delay_interval_ms"]["p95"] for record in records]
    yield "waiting s", [rounded(record["backlog_seconds"], 1) for record in records]
    yield "cpu %", [rounded(record["cpu"]["share"], 100) for record in records]
    yield "memory MB", [rounded(record["memory"]["rss_bytes"], 1e-6) for record in records]


def _gaps(gaps: dict[str, Any]) -> str:
    return f"{gaps['interval_seconds']:.1f} s" if gaps["interval_count"] else "-"


def _seconds(milliseconds: float | None) -> str:
    return _or_dash(None if milliseconds is None else milliseconds / 1000, ".2f")


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _has_blocks(encoding: str | None) -> bool:
    try:
        BARS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
