"""A daemon in a process of its own that hears a paced file while its engine is kept at full load.

    python -m voicebridge_bench.full_load STATE PLAYLIST --interval 5 --busy-seconds 4.5 --bind 127.0.0.1:8090

It ends by itself when all is decoded, and prints one line of JSON (the fields of ``EngineLoad``).
"""

import dataclasses
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click

from voicebridge.cli.leaving import leave
from voicebridge.cli.sessions import hear_session
from voicebridge.daemon import assembly
from voicebridge.daemon.session import Orders, Started
from voicebridge.domain.errors import ExitCode
from voicebridge.settings import Settings, WhisperSettings
from voicebridge.settings.schema import HealthSettings, HttpSettings
from voicebridge.speech.whisper import WhisperEngine
from voicebridge_bench.endurance import SAMPLE_EVERY_SECONDS, BusyEngine
from voicebridge_bench.models import WHISPER_COMMANDS

HELD_INTERVALS = 2.5
LEAST_HELD_SECONDS = 5.0
"""So long after the file's end the engine is still held: for checkpoints that have the whole file behind them."""
FILE_MB = 64
"""Bound of the checkpoints' file, so that an hour at one a second stays in one piece."""


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy the engine was from its first decode until it was let go, looked at every 50 ms."""

    share: float
    """Of the looks, those in which a decode was running; 0 to 1."""
    decodes: int
    largest_backlog: int
    """Utterances that waited, with the one that was decoded."""


class _Foreman:
    """Keeps the engine busy until the file is over, and for some checkpoints more; then it may work off the rest."""

    def __init__(self, busy: BusyEngine, hold_seconds: float) -> None:
        self._busy = busy
        self._hold_seconds = hold_seconds
        self._looks = self._decoding = self._backlog = 0
        self._finished = threading.Event()

    def begin(self, started: Started) -> None:
        """Watch a session that begins."""
        threading.Thread(target=self._run, args=(started,), name="foreman", daemon=True).start()

    def end(self) -> EngineLoad:
        """Return what was seen."""
        self._finished.set()
        return EngineLoad(self._decoding / max(self._looks, 1), self._busy.decodes, self._backlog)

    def _run(self, started: Started) -> None:
        crew, over_since = started.daemon.crew, None
        while not self._finished.wait(SAMPLE_EVERY_SECONDS):
            now = time.monotonic()
            if crew.listener.ended:
                over_since = now if over_since is None else over_since
                if now - over_since >= self._hold_seconds:
                    self._busy.busy_seconds = 0.0
                    return
            decoding = crew.transcriber.decode_age_seconds(now) > 0
            if decoding or self._looks:
                self._looks += 1
                self._decoding += decoding
                self._backlog = max(self._backlog, crew.transcriber.waiting)


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.argument("playlist", type=click.Path(path_type=Path))
@click.option("--interval", type=float, required=True, help="Seconds between checkpoints.")
@click.option("--busy-seconds", type=float, required=True, help="How long each utterance is decoded.")
@click.option("--bind", required=True, help="Where HTTP is served.")
def main(state: Path, playlist: Path, interval: float, busy_seconds: float, bind: str) -> None:
    """Hear the playlist in real time at full load."""
    settings = Settings(
        health=HealthSettings(interval_seconds=interval, checkpoint_file_mb=FILE_MB), http=HttpSettings(bind=bind)
    )
    busy = BusyEngine(WhisperEngine(WhisperSettings(language="en"), WHISPER_COMMANDS), busy_seconds)
    foreman = _Foreman(busy, max(HELD_INTERVALS * interval, LEAST_HELD_SECONDS))
    orders = Orders(settings, state, assembly.audio_file(playlist, realtime=True), engine=busy, reread=lambda: settings)
    report = hear_session(orders, None, foreman.begin)
    click.echo(json.dumps(dataclasses.asdict(foreman.end())))
    leave(report.exit_code if report.ended else report.exit_code or ExitCode.FAILURE)


if __name__ == "__main__":
    main()
