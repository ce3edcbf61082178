"""`voicebridge-bench overhead`: what health and HTTP cost, in silence and with a crowd."""

import dataclasses
import json
import tempfile
from pathlib import Path

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.footprint import Footprint
from voicebridge_bench.live_room import with_pauses
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.overhead import in_silence
from voicebridge_bench.rush import Lag, Load, Rush, under_load
from voicebridge_bench.speech_corpus import commands

PIECES = 8
PAUSE_SECONDS = 2.0
SEED = 1


@click.command("overhead")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Of each measurement.")
@click.option("--readers", type=click.IntRange(1, 2000), default=200, show_default=True, help="Of events, at once.")
@click.option(
    "--never-read", type=click.IntRange(0, 2000), default=20, show_default=True, help="Of those: take nothing."
)
@click.option("--rate", type=click.FloatRange(min=1), default=500.0, show_default=True, help="Requests in a second.")
@click.option("--only", type=click.Choice(["silence", "crowd"]), help="One of the two parts.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(seconds: float, readers: int, never_read: int, rate: float, only: str | None, as_json: bool) -> int:
    """Measure what health and HTTP cost: in silence on against off, then the listener's lag with a crowd and without.

    With a crowd no sample may be lost, and everybody who reads along must be served to the end.

    Exit status: 0 passed, 1 failed, 130 ended early.
    """
    found: dict[str, object] = {}
    passed = True
    with tempfile.TemporaryDirectory(prefix="voicebridge-overhead-") as scratch:
        if only != "crowd":
            engine = {"engine.kind": "whisper", "whisper.model": str(WHISPER_COMMANDS)}
            ways = in_silence(seconds, engine, Path(scratch))
            found["silence"] = [dataclasses.asdict(way) for way in ways]
            if not as_json:
                click.echo("\n".join(_silence_lines(ways)))
        if only != "silence":
            speech = with_pauses([clip.samples for clip in commands(PIECES, SEED)], PAUSE_SECONDS)
            load = under_load(Rush(seconds, readers, never_read, rate), speech, Path(scratch) / "state")
            passed = load.passed
            found["crowd"] = dataclasses.asdict(load) | {"lag_ratio": load.lag_ratio, "passed": passed}
            if not as_json:
                click.echo("\n".join(_crowd_lines(load)))
    if as_json:
        click.echo(json.dumps(found))
    return ExitCode.OK if passed else ExitCode.FAILURE


def _silence_lines(ways: list[Footprint]) -> list[str]:
    off = ways[0]
    return [
        f"{way.name:32}{way.cpu_percent:6.2f} % of one core ({way.cpu_percent - off.cpu_percent:+.2f}),"
        f" {way.rss_mb:5.0f} MB ({way.rss_mb - off.rss_mb:+.0f}), {way.gaps} gaps"
        for way in ways
    ]


def _crowd_lines(load: Load) -> list[str]:
    crowd = load.crowd
    statuses = ", ".join(f"{count} with {status}" for status, count in sorted(crowd.statuses.items()))
    rows = {
        "requests": f"{crowd.requests / crowd.seconds:.0f} a second for {crowd.seconds:.0f} s: {statuses}",
        "answers": f"p50 {crowd.answer_p50_ms:.1f}, p99 {crowd.answer_p99_ms:.1f} ms after they were due",
        "readers": f"{crowd.readers_at_end} of {crowd.readers} to the end, beside {crowd.never_read} that never read",
        "events": f"{crowd.events}; the fewest transcripts of one reader: {crowd.fewest_utterances}",
        "samples lost": f"{load.gap_samples} in {load.gaps} gaps, {load.missing_samples} missing",
        "latest block": f"{load.latest_block_ms:.0f} ms after its time",
        "lag alone": _lag(load.alone),
        "lag crowded": _lag(load.crowded),
        "ratio of p99": f"{load.lag_ratio:.2f}",
        "one core": f"{load.cpu_alone_percent:.1f} % alone, {load.cpu_crowded_percent:.1f} % crowded",
        "resident MB": f"{load.rss_alone_mb:.0f} before, {load.rss_top_mb:.0f} at most, {load.rss_end_mb:.0f} after",
    }
    return [*(f"{name:16}{told}" for name, told in rows.items()), "passed" if load.passed else "FAILED"]


def _lag(lag: Lag) -> str:
    return f"mean {lag.mean_ms:.1f}, p50 {lag.p50_ms:.0f}, p99 {lag.p99_ms:.0f}, max {lag.max_ms:.0f} ms"
