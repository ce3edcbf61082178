"""`voicebridge transcribe`: audio files into text, through the same pipeline as the microphone."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.subtitles import FORMS, Transcripts
from voicebridge.domain.errors import AudioError, ExitCode, VoicebridgeError
from voicebridge.domain.events import Event, UtteranceSettled, UtteranceStored, WordsFound
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Status
from voicebridge.settings import Settings, paths

if TYPE_CHECKING:
    from voicebridge.cli.progress import FileProgress
    from voicebridge.daemon.session import Orders, Report, Started


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """The options of the command, by their names."""

    files: tuple[Path, ...]
    form: str
    output: Path | None
    realtime: bool
    progress: bool | None


@click.command("transcribe")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False), metavar="FILE...")
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

    Example: `voicebridge transcribe --srt --output subtitles *.mp3`.

    Nothing is added to the database of the daemon: each call uses a store of its own, unless --state-dir names one
    (`voicebridge --state-dir DIR transcribe FILE`). Exit status: 0, 1 some of it could not be decoded or written, 65 a
    file that cannot be read (to its end), 66 no such file, 69 no model, 130 interrupted; what was heard until then is
    printed. After a file that cannot be read the others are still transcribed.
    """
    wanted = TranscribeOptions(**options)
    _check_outputs(wanted)
    code = ExitCode.OK
    with _place(invocation) as (settings, state):
        engine_line = _EngineLine(settings)
        for path in wanted.files:
            outcome = _transcribe((settings, state), path, wanted, engine_line)
            code = code or outcome
            if outcome == ExitCode.INTERRUPTED:
                return outcome
    return code


def _check_outputs(wanted: TranscribeOptions) -> None:
    if wanted.output is None:
        if wanted.form in ("srt", "vtt") and len(wanted.files) > 1:
            raise click.UsageError(f"Several files as {wanted.form} need --output DIRECTORY.")
        if sys.stdout is None:
            raise VoicebridgeError("Standard output is closed.", "Write to a directory with --output.")
        return
    name, count = Counter(path.name for path in wanted.files).most_common(1)[0]
    if count > 1:
        raise click.UsageError(f"{count} files are called {name}: their output would have one name too.")


@contextmanager
def _place(invocation: Invocation) -> Iterator[tuple[Settings, Path]]:
    """Give settings and the state directory that the command line names, else one that is deleted afterwards."""
    settings = invocation.settings
    if invocation.loaded.origins["store.state_dir"] == "command line":
        yield settings, paths.state_dir(settings)
        return
    brief = settings.store.model_copy(update={"retain_audio": "until_transcribed", "reserve_mb": 0})
    with tempfile.TemporaryDirectory(prefix="voicebridge-") as scratch:
        yield settings.model_copy(update={"store": brief}), Path(scratch)


def _transcribe(
    place: tuple[Settings, Path], path: Path, wanted: TranscribeOptions, engine_line: "_EngineLine"
) -> ExitCode:
    from voicebridge.cli.progress import FileProgress
    from voicebridge.daemon.assembly import audio_file
    from voicebridge.daemon.session import Orders

    shown = wanted.progress if wanted.progress is not None else sys.stderr is not None and sys.stderr.isatty()
    try:
        with _writer(path, wanted) as out:
            hearing = _Hearing(Transcripts(FORMS[wanted.form], path, out), FileProgress(path, shown=shown), engine_line)
            report = hearing.hear(Orders(*place, audio_file(path, realtime=wanted.realtime)))
    except AudioError as error:
        return _complain(error)
    name = printable(str(path))
    if hearing.rejected:
        click.echo(f"{name}: {hearing.rejected} utterances were rejected (--json shows them and why)", err=True)
    if hearing.failed:
        click.echo(f"{name}: {hearing.failed} utterances could not be decoded (--json shows why)", err=True)
    if isinstance(report.error, AudioError):
        return _complain(report.error)
    if report.error is not None:
        raise report.error
    if report.exit_code != ExitCode.OK:
        return report.exit_code
    if report.stopped or not report.ended or hearing.waiting:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILURE if hearing.failed else ExitCode.OK


class _EngineLine:
    """Says once which engine was chosen, and why, unless the settings name it: on a terminal, and of a fallback."""

    def __init__(self, settings: Settings) -> None:
        self._due = settings.engine.kind == "auto"

    def say(self, started: "Started") -> None:
        """Say it, if that is due."""
        if self._due and (started.fallback or (sys.stderr is not None and sys.stderr.isatty())):
            click.echo(f"voicebridge: {printable(started.engine_reason)}", err=True)
        self._due = False


class _Hearing:
    """One file being heard: what is announced of it goes to its transcripts and its progress bar."""

    def __init__(self, transcripts: Transcripts, progress: "FileProgress", engine_line: _EngineLine) -> None:
        self._transcripts = transcripts
        self._progress = progress
        self._engine_line = engine_line
        self._session_id = 0
        self.waiting = 0
        """Utterances that are stored and not decoded yet."""
        self.rejected = 0
        self.failed = 0

    def hear(self, orders: "Orders") -> "Report":
        """Hear to the end, or until it is interrupted. Raises VoicebridgeError."""
        from voicebridge.cli.sessions import hear_session

        with self._progress:
            report = hear_session(orders, self._show, self._begin)
        with told_of_output():
            self._transcripts.finish(report.heard_seconds)
        return report

    def _begin(self, started: "Started") -> None:
        self._session_id = started.notebook.session_id
        self._engine_line.say(started)
        self._progress.begin(started.source.info.duration_seconds)

    def _show(self, event: Event) -> None:
        if isinstance(event, UtteranceStored):
            self.waiting += 1
        elif isinstance(event, UtteranceSettled) and event.record.session_id == self._session_id:
            # Others were left in this state directory by an earlier session, of another file.
            self.waiting -= 1
            self.rejected += event.record.status is Status.REJECTED
            self.failed += event.record.status is Status.FAILED
            with self._progress.aside():
                self._transcripts.add(event.record)
            self._progress.reached(event.record.end_sample)
        elif isinstance(event, WordsFound):
            self._transcripts.add_words(event)


@contextmanager
def _writer(path: Path, wanted: TranscribeOptions) -> Iterator[TextIO]:
    """Give where the text goes: a file gets its name at the end, so that an earlier one stays if nothing is heard."""
    if wanted.output is None:
        yield sys.stdout
        return
    target = wanted.output / f"{path.name}.{wanted.form}"
    partial = target.with_name(f"{target.name}.partial")
    with told_of_output():
        wanted.output.mkdir(parents=True, exist_ok=True)
        out = partial.open("w", encoding="utf-8")
    try:
        with out:
            yield out
    except BaseException:
        if not partial.stat().st_size:
            partial.unlink()
            raise
        partial.replace(target)
        raise
    with told_of_output():
        partial.replace(target)


@contextmanager
def told_of_output() -> Iterator[None]:
    """Turn errors of writing into VoicebridgeError; a reader that has gone (head, less) stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f" in {error.filename}" if error.filename else ""
        message = f"The text cannot be written{where}: {error.strerror}."
        # As `export` leaves with when its file cannot be written.
        code = ExitCode.STORE if error.filename else ExitCode.FAILURE
        raise VoicebridgeError(message, "Choose another place with --output.", exit_code=code) from error


def _complain(error: VoicebridgeError) -> ExitCode:
    click.echo(f"voicebridge: {printable(str(error))}", err=True)
    return error.code
