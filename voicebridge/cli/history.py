"""`voicebridge history`: what was heard, in order of time."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import Wanted, full_json, json_line, line, reading, selecting
from voicebridge.domain.errors import StoreBusyError
from voicebridge.domain.utterance import Status, UtteranceRecord

if TYPE_CHECKING:
    from voicebridge.store.database import Database
    from voicebridge.store.search import Follower, HistoryQuery

DEFAULT_LIMIT = 50
POLL_SECONDS = 0.5


@click.command("history")
@selecting
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1),
    help=f"The newest so many. {DEFAULT_LIMIT} when no time and no session is given, otherwise all.",
)
@click.option("-f", "--follow", is_flag=True, help="Then go on with new ones as they come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; times are UTC.")
@click.pass_obj
def command(invocation: Invocation, wanted: Wanted, limit: int | None, follow: bool, as_json: bool) -> None:
    """Show what was heard: time, number and text of each utterance, oldest first."""
    from voicebridge.store.search import Follower, HistoryQuery

    if limit is None and not wanted.period and wanted.session is None:
        limit = DEFAULT_LIMIT
    query = HistoryQuery(wanted.period.since, wanted.period.until, wanted.statuses, wanted.session, limit=limit)

    def show(record: UtteranceRecord) -> None:
        click.echo(json_line(full_json(record)) if as_json else line(record))

    with reading(invocation) as (db, _):
        # Before the first page, so that nothing falls between the two.
        follower = Follower(db, wanted.statuses) if follow else None
        for record in _oldest_first(db, query):
            show(record)
            if follower and record.status is not Status.PENDING:
                follower.leave_out(record.utterance_id)
        if follower:
            follow_along(follower, show)


def _oldest_first(db: "Database", query: "HistoryQuery") -> Iterator[UtteranceRecord]:
    """Yield the newest ``limit`` in order of time; only these are held in memory."""
    from voicebridge.store.search import history

    if query.limit is None:
        return history(db, query)
    return reversed(list(history(db, replace(query, newest_first=True))))


def follow_along(
    follower: "Follower", show: Callable[[UtteranceRecord], None], pause: Callable[[float], None] = time.sleep
) -> None:
    """Show what is settled from now on, until Ctrl-C."""
    try:
        while True:
            pause(POLL_SECONDS)
            try:
                settled = follower.poll()
            except StoreBusyError:
                continue
            for record in settled:
                show(record)
    except KeyboardInterrupt:
        return
