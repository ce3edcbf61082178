"""`voicebridge transcribe`: audio files into text, through the same pipeline as the microphone."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.subtitles import FORMS, Transcripts
from voicebridge.domain.errors import AudioError, ExitCode, VoicebridgeError
from voicebridge.domain.events import Event, UtteranceSettled
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Status
from voicebridge.settings import Settings, paths

if TYPE_CHECKING:
    from voicebridge.daemon.session import Report


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """The options of the command, by their names."""

    files: tuple[Path, ...]
    form: str
    output: Path | None
    realtime: bool
    progress: bool | None


@click.command("transcribe")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--txt", "form", flag_value="txt", default="txt", help="One line for each utterance (default).")
@click.option("--json", "form", flag_value="json", help="One JSON object a line for each file.")
@click.option("--srt", "form", flag_value="srt", help="SubRip subtitles.")
@click.option("--vtt", "form", flag_value="vtt", help="WebVTT subtitles.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Write FILE.txt ... here.")
@click.option("--realtime", is_flag=True, help="Play the files at the pace of time; the utterances are the same.")
@click.option("--progress/--no-progress", default=None, help="Show a progress bar (default on a terminal).")
@click.pass_obj
def command(invocation: Invocation, /, **options: Any) -> int:
    """Turn audio FILES of any format into text.

    Nothing is added to the database of the daemon: each call uses a store of its own, unless --state-dir names one
    (`voicebridge --state-dir DIR transcribe FILE`). Exit status: 0, 65 a file that cannot be read (to its end), 66 no
    such file, 69 no model, 130 interrupted; what was heard until then is printed.
    """
    wanted = TranscribeOptions(**options)
    if wanted.form in ("srt", "vtt") and len(wanted.files) > 1 and wanted.output is None:
        raise click.UsageError(f"Several files as {wanted.form} need --output DIRECTORY.")
    code = ExitCode.OK
    with _state(invocation) as state:
        for path in wanted.files:
            outcome = _transcribe(invocation.settings, state, path, wanted)
            code = code or outcome
            if outcome == ExitCode.INTERRUPTED:
                break
    return code


@contextmanager
def _state(invocation: Invocation) -> Iterator[Path]:
    """Give the state directory that the command line names, else one that is deleted afterwards."""
    if invocation.loaded.origins["store.state_dir"] == "command line":
        yield paths.state_dir(invocation.settings)
        return
    with tempfile.TemporaryDirectory(prefix="voicebridge-") as scratch:
        yield Path(scratch)


def _transcribe(settings: Settings, state: Path, path: Path, wanted: TranscribeOptions) -> ExitCode:
    try:
        with _writer(path, wanted) as out:
            report, rejected = _hear_file(settings, state, path, wanted, Transcripts(FORMS[wanted.form], path, out))
    except VoicebridgeError as error:
        return _complain(error)
    if rejected:
        click.echo(f"{printable(str(path))}: {rejected} utterances were rejected (--json shows them and why)", err=True)
    if report.error is not None:
        return _complain(report.error)
    return report.exit_code if report.ended else ExitCode.INTERRUPTED


def _hear_file(
    settings: Settings, state: Path, path: Path, wanted: TranscribeOptions, transcripts: Transcripts
) -> "tuple[Report, int]":
    from voicebridge.cli.progress import FileProgress
    from voicebridge.cli.sessions import hear_session
    from voicebridge.daemon.assembly import audio_file
    from voicebridge.daemon.session import Orders

    orders = Orders(settings, state, audio_file(path, realtime=wanted.realtime))
    rejected = 0
    shown = wanted.progress if wanted.progress is not None else sys.stderr.isatty()
    with FileProgress(path, shown=shown) as progress:

        def show(event: Event) -> None:
            nonlocal rejected
            if isinstance(event, UtteranceSettled):
                rejected += event.record.status is Status.REJECTED
                transcripts.add(event.record)
                progress.reached(event.record.end_sample)

        report = hear_session(orders, show, lambda started: progress.begin(started.source.info.duration_seconds))
    transcripts.finish(report.heard_seconds)
    return report, rejected


@contextmanager
def _writer(path: Path, wanted: TranscribeOptions) -> Iterator[TextIO]:
    if wanted.output is None:
        yield sys.stdout
        return
    try:
        wanted.output.mkdir(parents=True, exist_ok=True)
        target = wanted.output / f"{path.name}.{wanted.form}"
        out = target.open("w", encoding="utf-8")
    except OSError as error:
        raise AudioError(
            f"The output {wanted.output} cannot be written: {error.strerror}.", "Choose another with --output."
        ) from error
    with out:
        yield out


def _complain(error: VoicebridgeError) -> ExitCode:
    click.echo(f"voicebridge: {printable(str(error))}", err=True)
    return error.code
