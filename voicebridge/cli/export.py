"""`voicebridge export`: what was heard, as jsonl, csv or srt, with its audio where it was kept."""

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from voicebridge.cli.invocation import Invocation
from voicebridge.cli.live import iso_utc
from voicebridge.cli.shown import Wanted, full_json, json_line, reading, selecting, utterances
from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.domain.text import printable
from voicebridge.domain.units import samples_to_seconds
from voicebridge.domain.utterance import Status, UtteranceRecord

if TYPE_CHECKING:
    from voicebridge.store.retention import KeptAudio

CSV_COLUMNS = (
    "id",
    "session",
    "status",
    "started_at",
    "ended_at",
    "seconds",
    "language",
    "confidence",
    "decode_ms",
    "delay_ms",
    "decode_kind",
    "window_seconds",
    "fallback",
    "engine",
    "model",
    "text",
    "reasons",
    "audio",
)
FORMULA_STARTS = ("=", "+", "-", "@")
"""A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection)."""


@click.command("export")
@selecting
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv", "srt"]), default="jsonl", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file instead of the terminal.")
@click.option("--force", is_flag=True, help="Write over a file that is there already.")
@click.option("--audio", type=click.Path(path_type=Path), help="Copy kept audio into this directory.")
@click.pass_obj
def command(
    invocation: Invocation, wanted: Wanted, kind: str, output: Path | None, force: bool, audio: Path | None
) -> None:
    """Write what was heard, oldest first; only what was believed, unless statuses are named. Times are UTC."""
    from voicebridge.store.retention import KeptAudio, Retention
    from voicebridge.store.search import HistoryQuery, history

    period, statuses = wanted.period, wanted.statuses or (Status.DONE,)
    query = HistoryQuery(period.since, period.until, statuses, wanted.session)
    with reading(invocation) as (db, state), _target(output, force) as out:
        records: Iterable[UtteranceRecord] = history(db, query)
        copies = Copies(KeptAudio(state, Retention(keeps=True)), audio) if audio else None
        written = WRITERS[kind](copies.along(records) if copies else records, out)
    told = f"{utterances(written)} written"
    if copies:
        told += f", {copies.copied} with audio, {copies.missing} without"
    if output or copies:
        click.echo(told + ".", err=True)


@dataclass
class Copies:
    """Copies kept audio of the utterances that pass by."""

    kept: "KeptAudio"
    folder: Path
    copied: int = 0
    missing: int = 0

    def along(self, records: Iterable[UtteranceRecord]) -> Iterator[UtteranceRecord]:
        """Yield the utterances; the audio of each is copied first."""
        from voicebridge.store.database import make_directory

        make_directory(self.folder)
        for record in records:
            self._copy(record)
            yield record

    def _copy(self, record: UtteranceRecord) -> None:
        source = self.kept.path_of(record.audio_path) if record.audio_path else None
        if source is None or not source.is_file():
            self.missing += 1
            return
        # A kept utterance is half a minute at most: about one megabyte.
        _write_private(self.folder / source.name, source.read_bytes())
        self.copied += 1


def write_jsonl(records: Iterable[UtteranceRecord], out: IO[str]) -> int:
    """Write one JSON object a line; return how many."""
    written = 0
    for record in records:
        out.write(json_line(full_json(record)) + "\n")
        written += 1
    return written


def write_csv(records: Iterable[UtteranceRecord], out: IO[str]) -> int:
    """Write a table with a header (RFC 4180); return how many rows."""
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    written = 0
    for record in records:
        cells = full_json(record) | {
            "seconds": f"{record.span.seconds:.3f}",
            "started_at": iso_utc(record.started_at),
            "reasons": "; ".join(record.reasons),
        }
        writer.writerow([_cell(cells[name]) for name in CSV_COLUMNS])
        written += 1
    return written


def write_srt(records: Iterable[UtteranceRecord], out: IO[str]) -> int:
    """Write subtitles of what has a text, timed from the start of the first utterance's session; return how many."""
    times = _SubtitleTimes()
    written = 0
    for record in records:
        start, end = times.of(record)
        text = " ".join(printable(record.text or "").replace("-->", "->").split())
        if text:
            written += 1
            out.write(f"{written}\n{_srt_time(start)} --> {_srt_time(end)}\n{text}\n\n")
    return written


class _SubtitleTimes:
    """Places utterances in seconds from the start of the first one's session, by their place in its audio.

    A later session stands where its wall time puts it, but not before the end of what was before it: a file is heard
    faster than it plays.
    """

    def __init__(self) -> None:
        self._session_id: int | None = None
        self._origin = 0.0
        """Wall time of second 0."""
        self._offset = 0.0
        self._end = 0.0

    def of(self, record: UtteranceRecord) -> tuple[float, float]:
        """Return where the next utterance begins and ends."""
        start, end = samples_to_seconds(record.start_sample), samples_to_seconds(record.end_sample)
        if record.session_id != self._session_id:
            began_at = record.started_at - start
            if self._session_id is None:
                self._origin = began_at
            self._offset = max(began_at - self._origin, self._end)
            self._session_id = record.session_id
        self._end = self._offset + end
        return self._offset + start, self._end


WRITERS: dict[str, Callable[[Iterable[UtteranceRecord], IO[str]], int]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "srt": write_srt,
}


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text


def _srt_time(seconds: float) -> str:
    ms = max(round(seconds * 1000), 0)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


@contextmanager
def _target(output: Path | None, force: bool) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(output, flags, 0o600)
    except FileExistsError:
        raise StoreError(
            f"{output} exists.", "Name another file, or add --force.", exit_code=ExitCode.FAILURE
        ) from None
    except OSError as error:
        raise StoreError(f"{output} cannot be written ({error.strerror}).", "Name another file.") from error
    # newline="" leaves the line ends to the csv module.
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        yield out


def _write_private(path: Path, data: bytes) -> None:
    from voicebridge.store.database import told

    with told(path), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
