"""`voicebridge-bench try`: hear live in the terminal; without a microphone a demonstration."""

import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from voicebridge.cli.live import LivePrinter, Tally
from voicebridge.cli.sessions import hear_session
from voicebridge.daemon import assembly
from voicebridge.daemon.session import Orders, Report
from voicebridge.domain.errors import DeviceError, ExitCode, SpeechError
from voicebridge.domain.events import Event, UtteranceSettled
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Status
from voicebridge.settings import Settings, paths
from voicebridge.settings.layers import load
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece, write_playlist
from voicebridge_bench.speech_corpus import human_recordings, say
from voicebridge_bench.words import words_right

SPOKEN = (
    "Turn on the kitchen lights.",
    "Set a timer for twenty minutes.",
    "What is the weather like tomorrow?",
    "Add milk and eggs to the shopping list.",
    "Remind me to water the plants on Friday.",
    "Turn off all the lights and lock the back door.",
)
RECORDED = ("0920", "0930", "001", "003", "005", "goforward")
"""Human recordings of the demonstration, by a part of their names: 18 s in all."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the demonstration: what is played, and the engine that hears it."""

    title: str
    pieces: Sequence[Piece]
    settings: Settings


@click.command("try")
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after so many seconds.")
@click.option("--demo", is_flag=True, help="Play the demonstration even where there is a microphone.")
def command(seconds: float | None, demo: bool) -> int:
    """Hear live in this terminal, on the microphone when there is one, and print what is said.

    Without a microphone a demonstration plays in real time through the same pipeline: commands spoken by espeak-ng
    for the small Whisper that ships with Voicebridge, and people's recordings for PocketSphinx.
    """
    settings = load().settings
    microphone = None if demo else _microphone()
    if microphone is not None:
        return _live(_with_model(settings), microphone, seconds)
    return _demonstrate(settings, seconds)


def _microphone() -> str | None:
    """Return the name of the microphone that would be heard, or None when there is none."""
    from voicebridge.audio.devices import list_inputs

    try:
        inputs = list_inputs()
    except DeviceError as error:
        click.echo(f"-- {printable(error.message)}")
        return None
    chosen = next((device for device in inputs if device.is_default), inputs[0] if inputs else None)
    return chosen.name if chosen else None


def _with_model(settings: Settings) -> Settings:
    """Get the Whisper model once, where a hub can be reached; go on with PocketSphinx where none can."""
    from voicebridge.cli.models import pull_shown
    from voicebridge.speech import models

    folder, name = paths.models_dir(settings), settings.whisper.model
    if models.find(name, folder) is None and settings.engine.kind != "sphinx":
        click.echo(f"-- fetching the whisper model {name} (once)")
        try:
            pull_shown(name, folder)
        except SpeechError as error:
            click.echo(f"-- {printable(str(error))}")
    return settings


def _live(settings: Settings, microphone: str, seconds: float | None) -> int:
    click.echo(f"-- microphone: {printable(microphone)}")
    orders = Orders(settings, paths.state_dir(settings), assembly.microphone(settings), seconds)
    printer = _Follower()
    report = hear_session(orders, printer.show, lambda s: click.echo(f"-- {s.engine_reason}; speak. Ctrl-C ends."))
    _close(printer.tally, report.heard_seconds, report)
    return report.exit_code


def _demonstrate(settings: Settings, seconds: float | None) -> int:
    click.echo("-- no microphone is used: speech is played in real time through the same pipeline (Ctrl-C ends)")
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    state = paths.state_dir(settings) / "demonstration"
    follower, heard_seconds = _Follower(), 0.0
    report: Report | None = None
    with tempfile.TemporaryDirectory(prefix="voicebridge-") as scratch:
        for part in _parts(settings):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            playlist = Path(scratch) / "playlist.wav"
            placed = write_playlist(playlist, part.pieces)
            click.echo(f"\n{part.title}")
            source = assembly.audio_file(playlist, realtime=True)
            report = hear_session(Orders(part.settings, state, source, min(left, 1e9)), follower.show)
            heard_seconds += report.heard_seconds
            follower.played += [p.text for p in placed if p.span.end <= report.heard_seconds * 16_000]
            if not report.ended:
                break
    if report is None:
        return ExitCode.OK
    click.echo(f"\n{follower.verdict()}")
    _close(follower.tally, heard_seconds, report)
    click.echo(f"{'more':>10}  voicebridge --state-dir {shlex.quote(str(state))} history (search, export, forget)")
    return report.exit_code


def _parts(settings: Settings) -> list[Part]:
    whisper = _with(settings, "whisper", model=str(WHISPER_COMMANDS))
    recordings = [
        r for r in human_recordings() if r.text and any(Path(r.name).stem.endswith(name) for name in RECORDED)
    ]
    return [
        Part(
            "Commands spoken by espeak-ng, heard by the small Whisper that ships with Voicebridge:",
            [Piece(text, say(text)) for text in SPOKEN],
            whisper,
        ),
        Part(
            "People's recordings (Debian's pocketsphinx-testdata), heard by PocketSphinx:",
            [Piece(r.text or "", r.samples) for r in recordings],
            _with(settings, "sphinx"),
        ),
    ]


def _with(settings: Settings, kind: str, **whisper: object) -> Settings:
    return settings.model_copy(
        update={
            "engine": settings.engine.model_copy(update={"kind": kind}),
            "whisper": settings.whisper.model_copy(update=whisper),
        }
    )


class _Follower:
    """Prints what is heard and remembers it, to be compared with what was played."""

    def __init__(self) -> None:
        self._printer = LivePrinter(terminal=sys.stdout.isatty())
        self.played: list[str] = []
        self.heard: list[str] = []

    @property
    def tally(self) -> Tally:
        return self._printer.tally

    def show(self, event: Event) -> None:
        self._printer.show(event)
        if isinstance(event, UtteranceSettled) and event.record.status is Status.DONE:
            self.heard.append(event.record.text or "")

    def verdict(self) -> str:
        right, spoken = words_right(" ".join(self.played), " ".join(self.heard))
        return f"{right} of the {spoken} words that were played were heard right."


def _close(tally: Tally, heard_seconds: float, report: Report) -> None:
    click.echo(tally.summary(heard_seconds, report.database))
    if report.error is not None:
        raise report.error
