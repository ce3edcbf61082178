"""`voicebridge-bench survive`: kill the daemon at random moments and see what is lost."""

import dataclasses
import json
import statistics
import tempfile
from pathlib import Path

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece, write_playlist
from voicebridge_bench.speech_corpus import commands
from voicebridge_bench.survival import Kills, Survival

PIECES = 24
"""Commands in the recording: about a minute and a half, longer than any life."""


@click.command("survive")
@click.option("--kills", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the moments and the sentences.")
@click.option("--state", type=click.Path(path_type=Path), help="Keep the database here; by default it is deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(kills: int, seed: int, state: Path | None, as_json: bool) -> int:
    """Kill -9 the daemon while it hears commands in real time; every announced utterance must still be there.

    Between two kills at least one utterance is decoded.

    Exit status: 0 passed, 1 anything was lost, 130 ended early.
    """
    with tempfile.TemporaryDirectory(prefix="voicebridge-survive-") as scratch:
        playlist = Path(scratch) / "playlist.wav"
        placed = write_playlist(playlist, [Piece(clip.text, clip.samples) for clip in commands(PIECES, seed)])
        trial = Kills(state or Path(scratch) / "state", playlist, placed, WHISPER_COMMANDS, seed)
        survival = trial.run(kills, lambda done, told: click.echo(f"{done} kills, {told} announced", err=True))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(survival) | {"passed": survival.passed}))
    else:
        click.echo(_report(survival))
    return ExitCode.OK if survival.passed else ExitCode.FAILURE


def _report(survival: Survival) -> str:
    lines = [
        f"kills                         {survival.kills}",
        f"utterances announced          {survival.announced}",
        f"announced and lost            {len(survival.lost)}",
        f"spoken and not stored         {len(survival.missed)}",
        f"utterances open at the kill   {survival.open_at_kill} ({survival.recovered} recovered from the spool)",
        f"largest loss of an open one   {survival.largest_loss_seconds:.2f} s",
        f"set aside as failed           {survival.failed}",
        f"start to first text           median {statistics.median(survival.first_text_seconds):.1f} s",
        f"integrity check               {survival.integrity}",
        "passed" if survival.passed else "FAILED",
    ]
    return "\n".join([*lines, *survival.lost, *survival.missed])
