"""`voicebridge-bench checkpoints`: checkpoints at full load, against what is seen from outside."""

import dataclasses
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.checkpoint_figures import NEAR_SECONDS, PAUSE_SECONDS, SWING_SECONDS
from voicebridge_bench.checkpoints import Evidence, compare, look_pauses, machine, run
from voicebridge_bench.claims import Line
from voicebridge_bench.outside import CLOSE_LOOK_SECONDS, LOOK_SECONDS
from voicebridge_bench.playlist import Piece
from voicebridge_bench.speech_corpus import commands

PIECES = 40
SEED = 1


@click.command("checkpoints")
@click.option("--seconds", type=click.FloatRange(10, 3600), default=600.0, show_default=True, help="Of speech.")
@click.option(
    "--interval", type=click.FloatRange(1, 600), default=5.0, show_default=True, help="Seconds between checkpoints."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures there.")
def command(seconds: float, interval: float, json_file: Path | None) -> int:
    """Play commands in real time to a daemon whose engine decodes without a pause, and compare its checkpoints.

    None may be missing, late by more than 0.5 s or cost more than 5 ms; each figure is held against what psutil, stat,
    our clock, the file and the rows of the database say, and must be within its bound each time. Each line shows the
    checkpoint that was furthest off.

    Exit status: 0 passed, 1 failed, 130 ended early.
    """
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="voicebridge-checkpoints-") as scratch:
        pieces = [Piece(clip.text, clip.samples) for clip in commands(PIECES, SEED)]
        evidence = run(seconds, interval, pieces, Path(scratch))
    lines = compare(evidence, interval)
    passed = all(line.ok for line in lines)
    if json_file is not None:
        json_file.write_text(json.dumps(_as_json(evidence, lines, facts), indent=2) + "\n", encoding="utf-8")
    click.echo("\n".join(table(lines)))
    click.echo(_looked(evidence))
    click.echo("passed" if passed else "FAILED")
    return ExitCode.OK if passed else ExitCode.FAILURE


def table(lines: Sequence[Line]) -> list[str]:
    """Return the lines as a table."""
    head = f"{'figure':42}{'checkpoint':>13}{'outside':>23}{'off by':>10}{'bound':>8}{'times':>7}"
    return [head, *(_row(line) for line in lines)]


def _row(line: Line) -> str:
    if not line.compared:
        return f"{line.figure:42}{'nothing to compare':>54}{0:7}  not ok"
    outside = _number(line.low) if line.low == line.high else f"{_number(line.low)} to {_number(line.high)}"
    return (
        f"{line.figure:42}{_number(line.told):>13}{outside:>23}{_number(line.off):>10}{line.bound:8g}{line.compared:7}"
        f"  {'ok' if line.ok else 'not ok'}"
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3f}"


def _looked(evidence: Evidence) -> str:
    _, longest = look_pauses(evidence.outside)
    return (
        f"Looked at from outside every {1000 * LOOK_SECONDS:.0f} ms, and every {1000 * CLOSE_LOOK_SECONDS:.0f} ms when"
        f" a checkpoint is due (the longest pause was {1000 * longest:.0f} ms).\n"
        f"What was told must lie within what was seen {1000 * NEAR_SECONDS:.0f} ms around it and at one look more on"
        " either side: it is read some milliseconds after its moment,\n"
        "and memory rises and falls with each decode (where looks were further apart than"
        f" {1000 * PAUSE_SECONDS:.0f} ms, within what was seen {SWING_SECONDS:g} s around it).\n"
        f"{evidence.load.decodes} decodes; at most {evidence.load.largest_backlog} utterances waited."
    )


def _as_json(evidence: Evidence, lines: Sequence[Line], facts: dict[str, Any]) -> dict[str, Any]:
    def plain(line: Line) -> dict[str, Any]:
        told = {name: None if _is_nan(value) else value for name, value in dataclasses.asdict(line).items()}
        return told | {"ok": line.ok}

    usual, longest = look_pauses(evidence.outside)
    return {
        "machine": facts,
        "passed": all(line.ok for line in lines),
        "lines": [plain(line) for line in lines],
        "engine": dataclasses.asdict(evidence.load),
        "looks": {"count": len(evidence.outside.looks), "median_seconds": usual, "longest_seconds": longest},
        "checkpoints": evidence.records,
    }


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
