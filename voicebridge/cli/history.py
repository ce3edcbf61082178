"""`voicebridge history`: what was heard, in order of time."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from voicebridge.cli.heard import heard_by
from voicebridge.cli.invocation import Invocation
from voicebridge.cli.shown import Wanted, full_json, json_line, line, selecting
from voicebridge.domain.errors import StoreBusyError
from voicebridge.domain.utterance import Status, UtteranceRecord

if TYPE_CHECKING:
    from voicebridge.cli.heard import Following

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
    """Show what was heard: time, number and text of each utterance, oldest first.

    Where no daemon of yours runs and no --state-dir is given, the system's service is asked for what it heard.
    """
    from voicebridge.store.search import HistoryQuery

    if limit is None and not wanted.period and wanted.session is None:
        limit = DEFAULT_LIMIT
    query = HistoryQuery(wanted.period.since, wanted.period.until, wanted.statuses, wanted.session, limit=limit)

    def show(record: UtteranceRecord) -> None:
        click.echo(json_line(full_json(record)) if as_json else line(record))

    with heard_by(invocation) as heard:
        # Before the first page, so that nothing falls between the two.
        follower = heard.follower(wanted.statuses, words=as_json) if follow else None
        shown = 0
        for shown, record in enumerate(heard.oldest_first(query), 1):  # noqa: B007 - counted for what follows
            show(record)
            if follower and record.status is not Status.PENDING:
                follower.leave_out(record.utterance_id)
        if not shown:
            narrowed = wanted.period or wanted.statuses or wanted.session is not None
            click.echo("Nothing like that was heard." if narrowed else "Nothing was heard yet.", err=True)
        if follower:
            follow_along(follower, show)


def follow_along(
    follower: "Following", show: Callable[[UtteranceRecord], None], pause: Callable[[float], None] = time.sleep
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
