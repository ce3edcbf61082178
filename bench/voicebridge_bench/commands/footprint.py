"""`voicebridge-bench footprint`: CPU in silence, memory, time to the first sample."""

import dataclasses
import json
import os
import tempfile
from pathlib import Path

import click

from voicebridge_bench.footprint import WARM_UP_SECONDS, Footprint, measure, silence
from voicebridge_bench.models import WHISPER_COMMANDS

SPARE_SECONDS = 40.0


@click.command("footprint")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Of silence, each.")
@click.option("--microphone", is_flag=True, help="Hear the default microphone instead of a paced file.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(seconds: float, microphone: bool, as_json: bool) -> None:
    """Measure from outside what the daemon costs in silence, at 16 kHz mono and 48 kHz stereo, by engine."""
    whisper = {"engine.kind": "whisper", "whisper.model": str(WHISPER_COMMANDS)}
    results: list[Footprint] = []
    with tempfile.TemporaryDirectory(prefix="voicebridge-footprint-") as scratch:
        for rate, channels, engine in (
            (16_000, 1, whisper),
            (48_000, 2, whisper),
            (16_000, 1, {"engine.kind": "sphinx"}),
        ):
            name = f"{rate // 1000} kHz, {channels} channel(s), {engine['engine.kind']}"
            if microphone:
                arguments: list[str] = []
                settings = engine | {"audio.rate": str(rate), "audio.channels": str(channels)}
            else:
                room = silence(Path(scratch) / "room.wav", seconds + WARM_UP_SECONDS + SPARE_SECONDS, rate, channels)
                arguments, settings = ["--file", str(room), "--realtime"], engine
            results.append(measure(name, arguments, settings, seconds, os.environ))
            if not as_json:
                click.echo(_line(results[-1]))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(result) for result in results]))


def _line(f: Footprint) -> str:
    first = f"{f.first_sample_seconds:.2f} s" if f.first_sample_seconds is not None else "unknown"
    ready = f"{f.ready_seconds:.2f} s" if f.ready_seconds is not None else "unknown"
    return (
        f"{f.name}: {f.cpu_percent:.2f} % of one core, {f.rss_mb:.0f} MB ({f.rss_before_engine_mb:.0f} MB before the"
        f" engine), first sample after {first}, engine ready after {ready}, {f.gaps} gaps"
    )
