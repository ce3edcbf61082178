"""`voicebridge-bench compare`: two results of `run`, side by side."""

import dataclasses
import json
from pathlib import Path

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.components.compare import compare
from voicebridge_bench.components.results import read
from voicebridge_bench.components.show import compare_lines


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path, readable=False))
@click.argument("b", type=click.Path(path_type=Path, readable=False))
@click.option("--anyway", is_flag=True, help="Also when hosts, versions or parameters are unlike.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=100),
    default=0.0,
    show_default=True,
    help="Share by which B may be slower: 0.1 is a tenth.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(a: Path, b: Path, anyway: bool, tolerance: float, as_json: bool) -> int:
    """Compare two files of `run --json`: whether B is faster or slower than A, beyond what chance explains.

    Exit status: 0 nothing is slower, 1 something is, 2 they are unlike, 65 a file is no result, 66 there is none.
    """
    comparison = compare(read(a), read(b), tolerance, anyway=anyway)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(comparison) | {"conclusion": comparison.conclusion}))
    else:
        click.echo("\n".join(compare_lines(comparison)))
    return ExitCode.FAILURE if comparison.slower else ExitCode.OK
