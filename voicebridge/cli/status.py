"""`voicebridge status`: how the daemon of a state directory is."""

import json
import math
import time
from pathlib import Path
from typing import Any

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.text import printable
from voicebridge.settings import paths

STALE_SECONDS = 30.0
"""A status older than this is not believed: it is written every two seconds."""
FULL_SCALE = 32768


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def command(invocation: Invocation, as_json: bool) -> int:
    """Show how the daemon is. Exit status: 0 it hears, 1 something is wrong, 3 it does not run."""
    from voicebridge.store.lock import holder

    state = paths.state_dir(invocation.settings)
    running = holder(state)
    status = _status_of(running.pid, state) if running else None
    if status is not None and time.time() - status["written_at"] > STALE_SECONDS:
        status["trouble"] = f"The status is {time.time() - status['written_at']:.0f} s old: the daemon may be stuck."
        status["state"] = "stale"
    if as_json:
        click.echo(json.dumps({"running": running is not None, "state_dir": str(state), "status": status}))
    else:
        click.echo("\n".join(_lines(state, str(running) if running else None, status)))
    return _exit_code(running is not None, status)


def _status_of(pid: int, state: Path) -> dict[str, Any] | None:
    """Return what this process wrote last; one that was killed leaves its status to be found by mistake."""
    from voicebridge.health.status import read_status

    found = (read_status([place]) for place in paths.status_paths(state))
    return next((status for status in found if status is not None and status["pid"] == pid), None)


def _exit_code(running: bool, status: dict[str, Any] | None) -> ExitCode:
    if not running:
        return ExitCode.NOT_RUNNING
    well = status is not None and status["state"] == "hearing" and not status["trouble"]
    return ExitCode.OK if well else ExitCode.FAILURE


def _lines(state: Path, running: str | None, status: dict[str, Any] | None) -> list[str]:
    if running is None:
        return [f"not running (state directory {state})"]
    if status is None:
        return [f"starting: {running} holds {state} and has not said yet how it is"]
    return [
        f"{'state':>10}  {_state(status)}" + (f": {printable(status['trouble'])}" if status["trouble"] else ""),
        f"{'process':>10}  {running}",
        f"{'source':>10}  {printable(status['source'])}, level {_dbfs(status['level'])}",
        f"{'engine':>10}  {status['engine']} ({printable(status['model'])}), {status['engine_state']}",
        f"{'heard':>10}  {status['heard_seconds'] / 3600:.2f} h, {status['speech_seconds'] / 60:.1f} min of speech",
        f"{'text':>10}  {status['done']} done, {status['rejected']} rejected, {status['failed']} failed",
        f"{'waiting':>10}  {status['waiting']} utterances, {status['backlog_seconds']:.0f} s of audio",
        f"{'gaps':>10}  {status['gaps']}, {status['gap_seconds']:.1f} s lost",
        f"{'database':>10}  {paths.database_path(state)}",
    ]


def _state(status: dict[str, Any]) -> str:
    # A daemon that an upgrade has not restarted yet does not say how long.
    deaf_seconds = status.get("deaf_seconds", 0)
    return f"{status['state']} for {deaf_seconds:.0f} s" if deaf_seconds else str(status["state"])


def _dbfs(level: float) -> str:
    return f"{20 * math.log10(level / FULL_SCALE):.0f} dBFS" if level > 0 else "silence"
