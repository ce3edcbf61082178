"""`voicebridge-bench judge`: judge the record of a soak again, and write its reports anew."""

from pathlib import Path

import click

from voicebridge_bench.commands.soak import report_on


@click.command("judge")
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> int:
    """Judge again what a soak has written into FOLDER, by the bounds of its profile as they are now.

    Also for a soak that was cut off, or one that still runs: it is judged as far as it has come.

    Exit status: 0 passed, 1 failed, 130 nothing failed and it did not come to its end.
    """
    return report_on(folder)
