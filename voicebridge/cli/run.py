"""`voicebridge run`: hear, and store what is said."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.domain.errors import AudioError
from voicebridge.settings import Settings, paths

if TYPE_CHECKING:
    from voicebridge.audio.pcm import SampleFormat
    from voicebridge.cli.live import JsonPrinter, LivePrinter
    from voicebridge.daemon.assembly import SourceMaker
    from voicebridge.daemon.session import Started
    from voicebridge.settings.layers import Loaded

FORMATS = ("s16le", "s24le", "s32le", "f32le", "f64le", "u8")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of the command, by their names."""

    device: str | None
    path: Path | None
    realtime: bool
    from_stdin: bool
    rate: int
    channels: int
    sample_format: "SampleFormat"
    seconds: float | None
    as_json: bool
    quiet: bool | None
    service: bool
    partials: bool | None

    @property
    def reads_partials(self) -> bool:
        """Whether what open speech says so far is printed: on a terminal, and for programs that ask for it."""
        if self.silent:
            return False
        return self.partials is True if self.as_json else self.partials is not False and sys.stdout.isatty()

    @property
    def paced(self) -> bool:
        """Whether the source keeps the pace of time; what is read faster has no open utterance worth a decode."""
        return self.realtime or (self.path is None and not self.from_stdin)

    @property
    def silent(self) -> bool:
        """Nothing is printed into the journal unless asked: what is heard must not get there."""
        if sys.stdout is None or self.service:
            return True
        return (not self.as_json and _is_journal(1)) if self.quiet is None else self.quiet


@click.command("run")
@click.option("--device", help="Microphone: part of its name, or its index from `voicebridge devices`.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, readable=False),
    help="Hear an audio file instead of a microphone.",
)
@click.option(
    "--realtime", is_flag=True, help="Play the file at the pace of time; with --stdin: it comes at that pace."
)
@click.option("--stdin", "from_stdin", is_flag=True, help="Hear standard input: WAV, or raw PCM as described by:")
@click.option("--rate", type=click.IntRange(1, 384_000), default=16_000, show_default=True, help="... samples/s.")
@click.option("--channels", type=click.IntRange(1, 64), default=1, show_default=True, help="... channels.")
@click.option("--format", "sample_format", type=click.Choice(FORMATS), default="s16le", show_default=True, help="...")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line; see below.")
@click.option(
    "--quiet/--live", default=None, help="Print nothing | print what is heard (default, except into the journal)."
)
@click.option(
    "--partials/--no-partials",
    default=None,
    help="Print what is being said before it ends, or not (default: on a terminal, without --json); a file or standard "
    "input needs --realtime for it.",
)
@click.option("--service", is_flag=True, help="Run as a service: see below.")
@click.pass_obj
def command(invocation: Invocation, /, **options: Any) -> int:
    """Hear until Ctrl-C, and store what is said. A second Ctrl-C ends at once.

    Examples: `voicebridge run --device kitchen`, `arecord -f S16_LE -r 16000 | voicebridge run --stdin --realtime`.

    With --json utterances have an `id`, gaps a `gap`, and everything else has an `event`: with `words` come the times
    of an utterance's words, after its text; with `partial` (where --partials asks for them) what is being said, as
    `stable` text, which only grows, and `tentative` text after it. Where standard output is the journal, the text and
    the words of utterances are left out, unless the setting log.transcripts is true.

    As a service it prints nothing, logs, and hears for months: the defaults are audio.retry=true and
    engine.required=false, so that without a microphone or model it goes on and looks for them.

    Exit status: 0 ended as asked, 65 audio that cannot be read, 66 no such file or device, 69 no microphone or model,
    74 the store, 75 another process runs here, 78 the settings, 86 a stuck call (start it again).
    """
    wanted = RunOptions(**options)
    if wanted.device is not None:
        invocation = invocation.with_override(f"audio.device={json.dumps(wanted.device)}")
    if wanted.service and (wanted.as_json or wanted.quiet is False):
        raise click.UsageError("--service prints nothing: it goes without --json and --live.")
    if wanted.partials and not wanted.reads_partials:
        raise click.UsageError("--partials needs a terminal, or --json.")
    if wanted.partials and not wanted.paced:
        raise click.UsageError("--partials needs speech at the pace of time: add --realtime.")
    return _hear(invocation, wanted)


def _source(settings: Settings, wanted: RunOptions) -> "SourceMaker":
    from voicebridge.daemon import assembly

    if sum((wanted.path is not None, wanted.from_stdin, wanted.device is not None)) > 1:
        raise click.UsageError("--device, --file and --stdin exclude each other.")
    if wanted.path is not None:
        return assembly.audio_file(wanted.path, realtime=wanted.realtime)
    if wanted.from_stdin:
        return assembly.standard_input(wanted.rate, wanted.channels, wanted.sample_format, realtime=wanted.realtime)
    return assembly.microphone(settings)


def _printer(settings: Settings, wanted: RunOptions) -> "JsonPrinter | LivePrinter | None":
    from voicebridge.cli.live import JsonPrinter, LivePrinter

    if wanted.silent:
        return None
    if wanted.as_json:
        return JsonPrinter(transcripts=settings.log.transcripts or not _is_journal(1))
    return LivePrinter(terminal=sys.stdout.isatty())


def _why_no_partials(started: "Started", mode: str) -> str:
    """Return why none will be made though they are asked for; nothing where they will be."""
    partials = started.daemon.crew.transcriber.early.partials
    if partials is not None and partials.wanted:
        return ""
    if mode == "off":
        return "partials.mode is off"
    return 'with PocketSphinx they take too long (partials.mode = "on" makes them all the same)'


def _is_journal(descriptor: int) -> bool:
    from voicebridge.daemon.logs import is_journal_stream, leads_to_journal

    return is_journal_stream(descriptor, os.environ) or leads_to_journal(descriptor)


def _hear(invocation: Invocation, wanted: RunOptions) -> int:
    from voicebridge.cli.sessions import hear_session
    from voicebridge.daemon.session import Orders
    from voicebridge.settings.layers import load

    def read() -> "Loaded":
        return load(invocation.config, invocation.overrides, service=wanted.service)

    loaded = read()
    orders = Orders(
        loaded.settings,
        paths.state_dir(loaded.settings),
        _source(loaded.settings, wanted),
        wanted.seconds,
        reread=lambda: read().settings,
        partials=wanted.reads_partials,
    )
    printer = _printer(loaded.settings, wanted)
    if printer is None:
        report = hear_session(orders, None, notices=loaded.notices)
    else:
        greet = printer.greet

        def begin(started: "Started") -> None:
            greet(started)
            if wanted.partials and (why := _why_no_partials(started, loaded.settings.partials.mode)):
                click.echo(f"voicebridge: no partials are made: {why}.", err=True)

        report = hear_session(orders, printer.show, begin, loaded.notices)
    if printer is not None:
        printer.finish(report)
    if report.error is not None:
        raise report.error
    if wanted.from_stdin and report.ended and not report.heard_seconds:
        raise AudioError("Standard input held no audio.", "Pipe audio into it: arecord -f S16_LE -r 16000 | ...")
    return report.exit_code
