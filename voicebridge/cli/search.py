"""`voicebridge search`: find words in what was heard."""

import sys

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import Period, between, full_json, json_line, local_time, reading
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.text import printable

BEFORE, AFTER = "\ue000", "\ue001"
"""Private-use characters around a found word: no engine writes them, and they pass `printable`."""


@click.command("search")
@click.argument("words", nargs=-1, required=True)
@between
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--skip", type=click.IntRange(0, 1_000_000), default=0, help="Leave out the best so many.")
@click.option("--raw", is_flag=True, help="WORDS are a query of SQLite's FTS5: AND, OR, NOT, NEAR.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; times are UTC.")
@click.pass_obj
def command(  # noqa: PLR0913, PLR0917 - one parameter for each option, as click has it
    invocation: Invocation,
    words: tuple[str, ...],
    period: Period,
    limit: int,
    skip: int,
    raw: bool,
    as_json: bool,
) -> None:
    """Find WORDS, all of them, in what was heard; best hits first. `light*` finds lights and lighting, too.

    Exit status 1 when nothing is found.
    """
    from voicebridge.store.search import SearchQuery, search

    query = SearchQuery(period.since, period.until, limit, skip, raw, ("[", "]") if as_json else (BEFORE, AFTER))
    with reading(invocation) as (db, _):
        hits = search(db, " ".join(words), query)
    for hit in hits:
        if as_json:
            click.echo(json_line(full_json(hit.record) | {"snippet": hit.snippet, "score": hit.score}))
        else:
            click.echo(f"{local_time(hit.record.started_at)}  #{hit.record.utterance_id}  {_marked(hit.snippet)}")
    if not hits:
        click.echo("Nothing was found.", err=True)
        sys.exit(ExitCode.FAILURE)


def _marked(snippet: str) -> str:
    # click.echo takes the marks off again where no terminal reads them.
    bold, plain = click.style("", bold=True, reset=False), click.style("")
    return printable(snippet).replace(BEFORE, bold).replace(AFTER, plain)
