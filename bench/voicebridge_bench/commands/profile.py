"""`voicebridge-bench profile`: where a second of processor time goes."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.domain.errors import ExitCode
from voicebridge_bench import output
from voicebridge_bench.commands.quick import SIZES, cache_folder

if TYPE_CHECKING:
    from voicebridge_bench.profiling.results import PhaseName
    from voicebridge_bench.quick.weights import Size

PHASES: "tuple[PhaseName, ...]" = ("silence", "speech", "decode")
SECONDS = 20.0
MEASURED = ("engine.kind", "whisper.model")
"""Settings that the bench itself decides."""
HTML_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """The options of the command, by their names."""

    phases: "tuple[PhaseName, ...]"
    seconds: float
    size: "Size"
    scratch: Path | None
    overrides: tuple[str, ...]
    html_file: Path | None
    json_file: Path | None


@click.command("profile")
@click.option("--phase", "phases", type=click.Choice(PHASES), multiple=True, help="Only this one; may be repeated.")
@click.option("--seconds", type=click.FloatRange(2, 540), default=SECONDS, show_default=True, help="Of each phase.")
@click.option(
    "--size",
    type=click.Choice(SIZES),
    default="base",
    show_default=True,
    help="Of the model, whose weights are random.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where models are kept between runs. Default: `bench` in the state directory.",
)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set one value in the daemon.")
@click.option(
    "--html", "html_file", type=HTML_FILE, help="Write the table and the flame graphs, one page, to this file."
)
@click.option("--json", "json_file", type=output.JSON_FILE, help="Write the result to this file; - prints it.")
def command(**options: Any) -> int:
    """Look into a running daemon and tell where its processor time goes, by room, thread and function.

    It needs py-spy, which reads the daemon from outside: pip install py-spy. Two runs with different settings (--set)
    tell what one of them costs; engine and model stay those that are measured.

    Exit status: 0 measured (it judges nothing), 1 the daemon did not begin or ended, 69 py-spy is missing or may not
    look, or espeak-ng is missing, 130 ended early.
    """
    wanted = ProfileOptions(**options)
    if taken := [word for word in wanted.overrides if word.partition("=")[0].strip() in MEASURED]:
        raise click.UsageError(f"{taken[0]}: what is measured is whisper with random weights (--size).")
    output.require_writable(wanted.html_file, wanted.json_file)
    from voicebridge.settings.layers import load
    from voicebridge_bench.profiling import measuring, show
    from voicebridge_bench.profiling.spy import find_spy

    find_spy()
    with (
        output.sigterm_interrupts(),
        tempfile.TemporaryDirectory(prefix="vb-profile-") as folder,
        output.progress() as progress,
    ):
        (empty := Path(folder) / "empty.toml").touch()
        load(empty, wanted.overrides, {})  # what is wrong with them is said before anything is measured
        wish = measuring.Wish(
            tuple(dict.fromkeys(wanted.phases)) or PHASES,
            wanted.seconds,
            wanted.size,
            cache_folder(wanted.scratch),
            Path(folder),
            progress,
            wanted.overrides,
        )
        result, trees = measuring.profile(wish)
    if not result.phases:
        raise KeyboardInterrupt  # before anything was watched: files of an earlier run stay as they are
    if wanted.html_file is not None:
        output.write(wanted.html_file, show.page(result, trees))
    if wanted.json_file is not None:
        output.write(wanted.json_file, result.model_dump_json(indent=1))
    if wanted.json_file != output.STANDARD_OUTPUT:
        click.echo("\n".join(show.lines(result)))
    return ExitCode.INTERRUPTED if result.interrupted else ExitCode.OK
