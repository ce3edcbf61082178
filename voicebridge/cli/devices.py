"""``voicebridge devices``: microphones, and how loud the chosen one hears."""

import dataclasses
import json
import sys
import time
from typing import TYPE_CHECKING

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.domain.errors import DeviceError, ExitCode
from voicebridge.domain.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from voicebridge.audio.devices import InputDevice
    from voicebridge.audio.level import Level, LevelMeter
    from voicebridge.settings.schema import AudioSettings

_REFRESH_SECONDS = 0.1
_FLOOR_DBFS = -60.0
"""Left end of the meter."""
_BAR_CELLS = 40
_LOUD_DBFS = -3.0
"""Peaks from here on are close to clipping."""


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, without a meter.")
@click.option(
    "--level",
    "level_seconds",
    type=click.FloatRange(min=0, max=3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the level of the chosen microphone is shown on a terminal.",
)
@click.option("--no-level", is_flag=True, help="Show no level.")
@click.pass_obj
def command(invocation: Invocation, as_json: bool, level_seconds: float, no_level: bool) -> None:
    """List microphones, with the level of the one that is chosen (audio.device) or the default."""
    from voicebridge.audio.devices import choose, list_inputs

    settings = invocation.settings.audio
    devices = list_inputs()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(device) for device in devices], indent=2))
    if not devices:
        choose(devices, "")
    if as_json:
        return
    _print_table(devices)
    if sys.stdout.isatty() and level_seconds and not no_level:
        _show_level(settings, level_seconds)


def _print_table(devices: "Sequence[InputDevice]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "Index", "Name", "Through", "Channels", "Rate", box=None, pad_edge=False)
    for device in devices:
        table.add_row(
            "*" if device.is_default else "",
            str(device.index),
            Text(printable(device.name)),
            device.host_api,
            str(device.channels),
            f"{device.default_rate} Hz",
        )
    Console(soft_wrap=not sys.stdout.isatty()).print(table)
    click.echo("* is the default. Choose another with audio.device: its index, or part of its name.")


def _show_level(settings: "AudioSettings", seconds: float) -> None:
    """Show the level until the time is up or Ctrl-C. Raises DeviceError."""
    from rich.live import Live

    from voicebridge.audio.level import LevelMeter
    from voicebridge.audio.microphone import FIRST_BLOCK_SECONDS, Microphone

    meter = LevelMeter()
    microphone = Microphone(settings)
    heard = False
    microphone.start(meter)
    try:
        with Live(transient=True, auto_refresh=False) as live:
            until = time.monotonic() + FIRST_BLOCK_SECONDS
            while time.monotonic() < until and microphone.error() is None:
                if meter.samples and not heard:
                    heard, until = True, time.monotonic() + seconds
                live.update(meter_line(meter.latest), refresh=True)
                time.sleep(_REFRESH_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        microphone.stop()
    _sum_up(microphone.info.name, meter)


def meter_line(level: "Level") -> "Text":
    """Return the meter's line: a bar for the RMS level, then RMS and peak in dBFS."""
    from rich.text import Text

    share = min(max((level.rms_dbfs - _FLOOR_DBFS) / -_FLOOR_DBFS, 0.0), 1.0)
    cells = round(share * _BAR_CELLS)
    colour = "red" if level.peak_dbfs > _LOUD_DBFS else "green"
    bar = Text("█" * cells, style=colour) + Text("·" * (_BAR_CELLS - cells), style="dim")
    return bar + Text(f" {level.rms_dbfs:6.1f} dBFS, peak {level.peak_dbfs:6.1f}")


def _sum_up(name: str, meter: "LevelMeter") -> None:
    if not meter.samples:
        advice = "Is it muted, or held by another program?"
        raise DeviceError(f"Nothing came from {name!r}.", advice, exit_code=ExitCode.UNAVAILABLE)
    click.echo(f"{name}: loudest {meter.loudest_dbfs:.1f} dBFS.")
