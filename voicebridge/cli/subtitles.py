"""Transcripts of a file as text, JSON, SubRip or WebVTT."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from voicebridge.cli.live import as_json, json_line
from voicebridge.domain.events import WordsFound
from voicebridge.domain.text import printable
from voicebridge.domain.units import samples_to_seconds
from voicebridge.domain.utterance import Status, UtteranceRecord


@dataclass(frozen=True, slots=True)
class Form:
    """One form of output: what stands before all, and each believed utterance by its number (from 1)."""

    header: str
    entry: Callable[[int, UtteranceRecord], str]
    streams: bool = True


class Transcripts:
    """Writes the utterances of one file as they come; JSON needs them all and is written at the end."""

    def __init__(self, form: Form, path: Path, out: TextIO) -> None:
        self._form = form
        self._path = path
        self._out = out
        self._records: dict[int, UtteranceRecord] = {}
        """What is written at the end, by its id."""
        self._count = 0

    def add(self, record: UtteranceRecord) -> None:
        """Take a settled utterance."""
        if not self._form.streams:
            self._records[record.utterance_id] = record
        elif record.status is Status.DONE:
            if self._count == 0:
                self._out.write(self._form.header)
            self._count += 1
            self._out.write(self._form.entry(self._count, record))
            self._out.flush()

    def add_words(self, found: WordsFound) -> None:
        """Take the words of an utterance, which come after its text; nothing where its form has none."""
        record = self._records.get(found.utterance_id)
        if record is not None:
            self._records[found.utterance_id] = replace(record, words=found.words, confidence=found.confidence)

    def finish(self, heard_seconds: float) -> None:
        """Write what belongs at the end."""
        if not self._form.streams:
            self._out.write(_document(self._path, heard_seconds, self._records.values()) + "\n")
        elif self._count == 0:
            self._out.write(self._form.header)


def timestamp(seconds: float, decimal_mark: str) -> str:
    """Return hours:minutes:seconds with milliseconds, as subtitles write it."""
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, fraction = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{decimal_mark}{fraction:03d}"


def _document(path: Path, heard_seconds: float, records: Iterable[UtteranceRecord]) -> str:
    utterances = [
        as_json(record)
        | {
            "start_seconds": samples_to_seconds(record.start_sample),
            "end_seconds": samples_to_seconds(record.end_sample),
        }
        for record in records
    ]
    return json_line({"file": str(path), "seconds": heard_seconds, "utterances": utterances})


def _bounds(record: UtteranceRecord, decimal_mark: str) -> str:
    start, end = samples_to_seconds(record.start_sample), samples_to_seconds(record.end_sample)
    return f"{timestamp(start, decimal_mark)} --> {timestamp(end, decimal_mark)}"


def _text(record: UtteranceRecord) -> str:
    # An arrow would end a cue's text where a reader looks for the next cue.
    return printable(record.text or "").replace("-->", "->")


FORMS: Mapping[str, Form] = {
    "txt": Form("", lambda _number, record: f"{printable(record.text or '')}\n"),
    "json": Form("", lambda _number, _record: "", streams=False),
    "srt": Form("", lambda number, record: f"{number}\n{_bounds(record, ',')}\n{_text(record)}\n\n"),
    "vtt": Form("WEBVTT\n\n", lambda _number, record: f"{_bounds(record, '.')}\n{_escaped(record)}\n\n"),
}


def _escaped(record: UtteranceRecord) -> str:
    return _text(record).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
