"""`voicebridge status`: how the daemon of a state directory is."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from voicebridge.cli.asking import service_instead
from voicebridge.cli.invocation import Invocation
from voicebridge.cli.latest import (
    checkpoint_line,
    last_checkpoint,
    last_session,
    last_words_in,
    last_words_told,
    session_line,
    size_of,
    span_of,
)
from voicebridge.cli.service_state import for_reading
from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ControlError, ExitCode
from voicebridge.domain.text import printable
from voicebridge.domain.units import dbfs
from voicebridge.settings import paths

STALE_SECONDS = 30.0
"""A status older than this is not believed: it is written every two seconds."""
ASK_SECONDS = 1.0
"""How long the control thread has to answer before what was written last is shown."""
WATCH_SECONDS = 2.0
CODES = {
    "degraded": ExitCode.DEGRADED,
    "deaf": ExitCode.DEAF,
    "starting": ExitCode.STARTING,
    "stopping": ExitCode.STOPPING,
    "stale": ExitCode.STALE,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out. ``running`` says which process it is, None when none runs; ``status`` is what it wrote."""

    state: Path
    running: str | None
    status: dict[str, Any] | None
    service: bool
    """True for the system's service, asked over its control socket."""
    words: str = ""
    """What was heard last, and when."""


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --watch one a line.")
@click.option("-w", "--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@click.pass_obj
def command(invocation: Invocation, as_json: bool, watch: bool) -> int:
    """Show how the daemon is: yours, or else the system's service.

    When it does not answer, its last checkpoint is shown, with its age; when it does not run, how it ended, too.

    Exit status: 0 it hears and all is well, 3 it does not run, 10 degraded, 11 deaf, 12 starting, 13 stopping, 14 what
    it said last is old, 77 this user may not ask it.
    """
    if watch:
        return keep_showing(lambda: _found(invocation, as_json), as_json)
    code, told = _found(invocation, as_json)
    click.echo(told)
    return code


def keep_showing(
    look: Callable[[], tuple[ExitCode, str]], plain: bool, pause: Callable[[float], None] = time.sleep
) -> ExitCode:
    """Show it again and again, on one screen where there is one, until Ctrl-C; return what was shown last.

    ``look`` returns the exit status and the text. The screen is cleared only then, so that it is never empty.
    """
    code = ExitCode.OK
    screen = sys.stdout.isatty() and not plain
    try:
        while True:
            code, told = look()
            if screen:
                click.clear()
            click.echo(told)
            sys.stdout.flush()
            pause(WATCH_SECONDS)
    except KeyboardInterrupt:
        return code


def _found(invocation: Invocation, as_json: bool) -> tuple[ExitCode, str]:
    seen = _look(invocation)
    status = seen.status
    if status is not None and time.time() - status["written_at"] > STALE_SECONDS:
        status["trouble"] = f"The status is {time.time() - status['written_at']:.0f} s old: the daemon may be stuck."
        status["state"] = "stale"
    if as_json:
        running = seen.running is not None
        found = {"running": running, "service": seen.service, "state_dir": str(seen.state), "status": status}
        if status is None:
            found["checkpoint"] = last_checkpoint(seen.state)
        if not running:
            found["session"] = last_session(seen.state)
        return _exit_code(seen), json.dumps(found)
    return _exit_code(seen), "\n".join(_lines(seen))


def _look(invocation: Invocation) -> Seen:
    from voicebridge.store.lock import holder

    if client := service_instead(invocation):
        with client:
            who = client.greeting
            status = _understood(client.ask("status")["status"], who.version)
            words = last_words_told(client)
            return Seen(who.state_dir, f"process {who.pid}, the system's service", status, service=True, words=words)
    invocation = for_reading(invocation)
    state = invocation.meant.state
    running = holder(state)
    if running is None:
        if invocation.meant.fault is not None:
            raise invocation.meant.fault
        return Seen(state, None, None, service=False)
    status = _asked(running.pid, state) or _written(running.pid, state)
    return Seen(state, str(running), status, service=False, words=last_words_in(state))


def _understood(status: dict[str, Any] | None, version: str) -> dict[str, Any] | None:
    from voicebridge.health.status import SCHEMA

    if status is not None and status.get("schema") != SCHEMA:
        raise ControlError(
            f"The daemon (version {version}) says how it is in other words than this command knows.",
            "Restart it: systemctl restart voicebridge",
        )
    return status


def _asked(pid: int, state: Path) -> dict[str, Any] | None:
    """Return what this process says now; None when it has no control socket, or its control thread does not answer."""
    for place in paths.control_paths(state):
        try:
            with Client(place, ASK_SECONDS) as client:
                if client.greeting.pid == pid:
                    return _understood(client.ask("status")["status"], client.greeting.version)
        except ControlError:
            continue
    return None


def _written(pid: int, state: Path) -> dict[str, Any] | None:
    """Return what this process wrote last; one that was killed leaves its status to be found by mistake."""
    from voicebridge.health.status import read_status

    found = (read_status([place]) for place in paths.status_paths(state))
    return next((status for status in found if status is not None and status["pid"] == pid), None)


def _exit_code(seen: Seen) -> ExitCode:
    if seen.running is None:
        return ExitCode.NOT_RUNNING
    if seen.status is None:
        return ExitCode.STARTING
    state = seen.status["state"]
    if state == "hearing":  # a file that is not heard any more can still have trouble, in what is stored of it
        return ExitCode.DEGRADED if seen.status["trouble"] else ExitCode.OK
    return CODES.get(state, ExitCode.FAILURE)


def _lines(seen: Seen) -> list[str]:
    if seen.running is None:
        return [f"not running (state directory {seen.state})", *session_line(seen.state), *checkpoint_line(seen.state)]
    status = seen.status
    if status is None:
        told = f"starting: {seen.running} holds {seen.state} and has not said yet how it is"
        return [told, *checkpoint_line(seen.state)]
    return [
        f"{'state':>10}  {_state(status)}" + (f": {printable(status['trouble'])}" if status["trouble"] else ""),
        *_reasons(status),
        f"{'process':>10}  {seen.running}",
        f"{'source':>10}  {_source(status)}",
        f"{'engine':>10}  {status['engine']} ({printable(status['model'])}), {status['engine_state']}",
        f"{'heard':>10}  {span_of(status['heard_seconds'])}, {span_of(status['speech_seconds'])} of speech",
        f"{'text':>10}  {status['done']} done, {status['rejected']} rejected, {status['failed']} failed",
        f"{'waiting':>10}  {_counted(status['waiting'], 'utterance')}, {span_of(status['backlog_seconds'])} of audio",
        f"{'gaps':>10}  {status['gaps']}, {status['gap_seconds']:.1f} s lost",
        *_measured(status),
        *([f"{'last words':>10}  {seen.words}"] if seen.words else []),
        f"{'database':>10}  {paths.database_path(seen.state)}",
        *(checkpoint_line(seen.state) if status["state"] == "stale" else []),
    ]


def _measured(status: dict[str, Any]) -> list[str]:
    """Return delays, memory, disk and uptime."""
    free, uss = status["disk_free_bytes"], status["uss_bytes"]
    lines = [f"{'uptime':>10}  {span_of(status['uptime_seconds'])}", *_delay(status)]
    # They are measured at different moments, and its own part cannot be the larger one.
    own = "" if uss is None else f", {size_of(min(uss, status['rss_bytes']))} of it its own"
    lines.append(f"{'memory':>10}  {size_of(status['rss_bytes'])}{own}")
    if free is not None:
        lines.append(f"{'disk':>10}  {size_of(free)} free")
    return lines


def _delay(status: dict[str, Any]) -> list[str]:
    """Return the delays of the last hour, or of the session when nothing was settled in that hour."""
    lately, session = status.get("delay_hour_ms", {"count": 0}), status["delay_ms"]
    delay, when = (lately, "in the last hour") if lately["count"] else (session, "since it started, none for an hour")
    if not delay["count"]:
        return []
    waiting = f", {delay['still_waiting']} of {delay['count']} still waiting" if delay["still_waiting"] else ""
    figures = f"median {delay['p50'] / 1000:.2f} s, p95 {delay['p95'] / 1000:.2f} s, max {delay['max'] / 1000:.2f} s"
    return [f"{'delay':>10}  {figures} {when}{waiting}"]


def _state(status: dict[str, Any]) -> str:
    deaf_seconds = status["deaf_seconds"]
    muted = ", muted" if status["muted"] else ""
    return f"{status['state']} for {span_of(deaf_seconds)}{muted}" if deaf_seconds else f"{status['state']}{muted}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _reasons(status: dict[str, Any]) -> list[str]:
    """Return what else is to be known, and what to do about each; the trouble is said already."""
    lines = []
    for reason in status["reasons"]:
        told = (
            reason["advice"] if reason["sentence"] == status["trouble"] else f"{reason['sentence']} {reason['advice']}"
        )
        if told.strip():
            lines.append(f"{'':>10}  {printable(told).strip()}")
    return lines


def _source(status: dict[str, Any]) -> str:
    """Return what is really heard, how loud, and what was wanted where that is something else."""
    wanted, capture = printable(status["source"]), status["capture"]
    heard = printable(capture["source"])
    moved = f" (moved there by the sound server; wanted: {wanted})" if capture["moved"] else ""
    level = "nothing arrives" if status["state"] == "deaf" else f"level {_dbfs(status['level'])}"
    return f"{heard or wanted}{moved}, {level}"


def _dbfs(level: float) -> str:
    return f"{dbfs(level):.0f} dBFS" if level > 0 else "silence"
