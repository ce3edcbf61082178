"""`voicebridge-bench endure`: the engine at full load while speech runs on."""

import dataclasses
import json
import tempfile
from pathlib import Path

import click

from voicebridge.domain.errors import ExitCode
from voicebridge.settings import Settings, WhisperSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.endurance import Endurance, endure
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece
from voicebridge_bench.speech_corpus import commands

PIECES = 40


@click.command("endure")
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the sentences.")
@click.option("--threads", type=click.IntRange(0, 256), default=0, help="Threads of the engine (whisper.threads).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(minutes: float, seed: int, threads: int, as_json: bool) -> int:
    """Play commands in real time while the engine decodes without a pause, falling ever further behind.

    No sample may be lost, memory must stay bounded, and everything must be decoded in the end.

    Exit status: 0 passed, 1 failed, 130 ended early.
    """
    pieces = [Piece(clip.text, clip.samples) for clip in commands(PIECES, seed)]
    engine = WhisperEngine(WhisperSettings(threads=threads, language="en"), WHISPER_COMMANDS)
    with tempfile.TemporaryDirectory(prefix="voicebridge-endure-") as scratch:
        endurance = endure(minutes, pieces, engine, Path(scratch) / "state", Settings())
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(endurance) | {"passed": endurance.passed}))
    else:
        click.echo(_report(endurance))
    return ExitCode.OK if endurance.passed else ExitCode.FAILURE


def _report(e: Endurance) -> str:
    return "\n".join(
        [
            f"utterances played      {e.played} in {e.seconds / 60:.1f} min",
            f"settled                {e.settled} ({e.rejected} rejected, {e.failed} failed), by {e.decodes} decodes",
            f"engine load            {100 * e.engine_load:.0f} % while speech ran, {e.largest_backlog} waiting at most",
            f"gaps                   {e.gaps} ({e.gap_samples} samples)",
            f"listener lag           p50 {e.lag_p50_ms:.0f}, p99 {e.lag_p99_ms:.0f}, max {e.lag_max_ms:.0f} ms",
            f"resident MB            first {e.rss_start_mb:.0f}, top {e.rss_largest_mb:.0f}, last {e.rss_end_mb:.0f}",
            "passed" if e.passed else "FAILED",
        ]
    )
