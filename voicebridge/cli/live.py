"""What a person reads while the daemon hears: one line for each utterance, and a summary at the end."""

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from voicebridge.cli.running_text import running_line, terminal_columns
from voicebridge.domain.audio import Gap
from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    GapNoted,
    MuteChanged,
    PartialHeard,
    SettingsReloaded,
    SpeechDiscarded,
    SpeechStarted,
    StoreChanged,
    StoreNotice,
    UtteranceSettled,
    UtteranceStored,
    WordsFound,
)
from voicebridge.domain.text import printable
from voicebridge.domain.utterance import Status, UtteranceKey, UtteranceRecord

if TYPE_CHECKING:
    from voicebridge.daemon.session import Report, Started

KEPT_DELAYS = 100_000
"""Bound on the delays kept for the summary (a month of speech): its figures are those of the first so many."""


@dataclass(slots=True)
class Tally:
    """What the summary is made of."""

    done: int = 0
    rejected: int = 0
    failed: int = 0
    gaps: int = 0
    gap_seconds: float = 0.0
    delays_ms: list[float] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    """Ids of what is stored and not settled: no more than wait for the engine."""
    recovered: int = 0
    """Settled utterances of earlier sessions; the counts above are of this one's."""
    session_id: int | None = None
    """None before it is known: every utterance is then taken for one of this session."""

    def begin(self, session_id: int, left: Iterable[int]) -> None:
        """Say which session it is, and the ids of what earlier ones have left to be decoded."""
        self.session_id = session_id
        self.waiting.update(left)

    def take(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, GapNoted):
            self.gaps += 1
            self.gap_seconds += event.gap.span.seconds
        elif isinstance(event, UtteranceStored):
            self.waiting.add(event.pending.utterance_id)
        elif isinstance(event, UtteranceSettled):
            self._settle(event.record)

    def _settle(self, record: UtteranceRecord) -> None:
        self.waiting.discard(record.utterance_id)
        if self.session_id not in (None, record.session_id):
            self.recovered += 1
            return
        self.done += record.status is Status.DONE
        self.rejected += record.status is Status.REJECTED
        self.failed += record.status is Status.FAILED
        if record.delay_ms is not None and len(self.delays_ms) < KEPT_DELAYS:
            self.delays_ms.append(record.delay_ms)

    def summary(self, heard_seconds: float, database: Path) -> str:
        """Return the summary for people."""
        utterances = _utterances(self.done)
        if self.rejected:
            utterances += f", {self.rejected} rejected (voicebridge history --rejected)"
        if self.failed:
            utterances += f", {self.failed} failed (voicebridge history --failed)"
        lines = [f"{'heard':>10}  {_duration(heard_seconds)}", f"{'text':>10}  {utterances}"]
        if self.recovered:
            lines.append(f"{'recovered':>10}  {_utterances(self.recovered)} from an earlier run")
        if self.waiting:
            lines.append(f"{'waiting':>10}  {_utterances(len(self.waiting))}, decoded at the next start")
        lines.append(f"{'gaps':>10}  " + (f"{self.gaps}, {self.gap_seconds:.1f} s lost" if self.gaps else "none"))
        if self.delays_ms:
            lines.append(f"{'delay':>10}  {delay_figures(self.delays_ms)} (end of speech to text)")
        lines.append(f"{'database':>10}  {database}")
        return "\n".join(lines)


def delay_figures(delays_ms: list[float]) -> str:
    """Return median, 95th percentile and maximum in seconds."""
    ordered = sorted(delays_ms)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"median {statistics.median(ordered) / 1000:.2f} s, p95 {p95 / 1000:.2f} s, max {ordered[-1] / 1000:.2f} s"


class LivePrinter:
    """Prints what is heard as it is heard; on a terminal its last line also shows what is being said."""

    def __init__(
        self,
        terminal: bool,
        echo: Callable[..., None] = click.echo,
        *,
        columns: Callable[[], int] = terminal_columns,
    ) -> None:
        self.tally = Tally()
        self._terminal = terminal
        self._echo = echo
        self._columns = columns
        self._passing = ""
        """What stands in the last line, until something takes its place."""
        self._being_said: UtteranceKey | None = None

    def greet(self, started: "Started") -> None:
        """Say what is heard, and by which engine and why."""
        _begin(self.tally, started)
        source, reason = printable(started.source.info.name), printable(started.engine_reason)
        self._line(click.style(f"-- hearing {source}; {reason}; Ctrl-C ends", dim=True))

    def show(self, event: Event) -> None:
        """Print an event, if it is one that people want to see."""
        self.tally.take(event)
        match event:
            case SpeechStarted():
                self._pass(click.style("… hearing speech", dim=True))
            case SpeechDiscarded():
                self._pass("")
            case PartialHeard():
                self._pass(running_line(event, self._columns()), event.key)
            case UtteranceSettled(record):
                self._settle(record)
            case _:
                if text := notice(event):
                    self._line(click.style(text, dim=True))

    def finish(self, report: "Report") -> None:
        """Print the summary, in place of what stands in the last line."""
        self._line(self.tally.summary(report.heard_seconds, report.database))

    def _settle(self, record: UtteranceRecord) -> None:
        passing, key = self._passing, self._being_said
        self._line(utterance_line(record))
        if key is not None and key != UtteranceKey(record.session_id, record.start_sample):
            self._pass(passing, key)  # the next one is being said already

    def _pass(self, text: str, key: UtteranceKey | None = None) -> None:
        """Show something that the next line takes the place of."""
        if self._terminal and (text or self._passing):
            self._echo("\r\x1b[2K" + text, nl=False)
            self._passing, self._being_said = text, key

    def _line(self, text: str) -> None:
        self._pass("")
        self._echo(text)


def utterance_line(record: UtteranceRecord) -> str:
    """Return the line of a settled utterance: time, text, delay and engine."""
    at = datetime.fromtimestamp(record.started_at, tz=UTC).astimezone().strftime("%H:%M:%S")
    engine = click.style(f"[{record.engine}]", dim=True) if record.engine else ""
    delay = click.style(f"{record.delay_ms / 1000:.2f} s", fg="green") if record.delay_ms is not None else ""
    if record.status is Status.DONE:
        return f"{at}  {printable(record.text or '')}  {delay} {engine}".rstrip()
    words = f"({record.status}: {'; '.join(record.reasons)})"
    return click.style(f"{at}  {printable(words)}", dim=True) + f"  {engine}"


def notice(event: Event) -> str:
    """Return a sentence for an event that is not an utterance, or nothing."""
    match event:
        case GapNoted(gap):
            return f"-- {gap.span.seconds:.2f} s of audio were lost ({gap.reason})"
        case CaptureChanged() | DeviceMoved() | StoreChanged() | StoreNotice():
            return f"-- {printable(event.detail)}"
        case MuteChanged() | SettingsReloaded():
            return f"-- {printable(_steered(event))}"
        case EngineReady(engine, model, load_ms):
            return f"-- {engine} ({printable(model)}) is ready after {load_ms / 1000:.1f} s"
        case EngineFailed(engine, detail):
            return f"-- {engine} cannot be used: {printable(detail)}"
        case _:
            return ""


def _steered(event: MuteChanged | SettingsReloaded) -> str:
    if isinstance(event, MuteChanged):
        return f"{'muted' if event.muted else 'not muted any more'}, by {event.by}"
    if event.refused:
        return f"the settings were not taken: {event.refused}"
    after = f"; only after a restart: {', '.join(event.needs_restart)}" if event.needs_restart else ""
    return f"settings read again, in force: {', '.join(event.applied) or 'nothing new'}{after}"


class JsonPrinter:
    """Prints one JSON object a line: utterances have an ``id``, gaps a ``gap``, everything else an ``event``.

    Without ``transcripts`` an utterance has neither ``text`` nor ``words``, and neither comes in an event.
    """

    def __init__(self, echo: Callable[..., None] = click.echo, *, transcripts: bool = True) -> None:
        self.tally = Tally()
        self._echo = echo
        self._transcripts = transcripts
        self._left_out = () if transcripts else ("text", "words")
        self._wall: Callable[[int], float] | None = None

    def greet(self, started: "Started") -> None:
        """Print which session it is, what is heard, and by which engine and why."""
        _begin(self.tally, started)
        clock = started.daemon.crew.clock
        self._wall = clock.wall if clock.paced else None
        about = {"session": started.notebook.session_id, "source": started.source.info.name}
        self._echo(json_line({"event": "started", **about, "engine_reason": started.engine_reason}))

    def show(self, event: Event) -> None:
        """Print an event as JSON."""
        self.tally.take(event)
        if isinstance(event, UtteranceSettled):
            utterance = as_json(event.record)
            self._echo(json_line({name: utterance[name] for name in utterance if name not in self._left_out}))
        elif isinstance(event, GapNoted):
            self._echo(json_line(self._gap(event.gap)))
        elif isinstance(event, PartialHeard | WordsFound):
            if self._transcripts:
                self._echo(json_line(_told_text(event)))
        elif told := _told(event):
            self._echo(json_line(told))

    def finish(self, report: "Report") -> None:
        """Print nothing: programs were told everything."""

    def _gap(self, gap: Gap) -> dict[str, object]:
        told: dict[str, object] = {"gap": gap.reason, "start": gap.span.start, "end": gap.span.end}
        if self._wall is None:  # of a file nobody knows when it was spoken
            return told
        started_at, ended_at = self._wall(gap.span.start), self._wall(gap.span.end)
        return {**told, "started_at": iso_utc(started_at), "ended_at": iso_utc(ended_at)}


def _begin(tally: Tally, started: "Started") -> None:
    notebook = started.notebook
    tally.begin(notebook.session_id, (pending.utterance_id for pending in notebook.recovery.pending))


def _told_text(event: PartialHeard | WordsFound) -> dict[str, object]:
    if isinstance(event, WordsFound):
        words = [asdict(word) for word in event.words]
        return {"event": "words", "utterance": event.utterance_id, "confidence": event.confidence, "words": words}
    bounds = {"start_sample": event.key.start_sample, "end_sample": event.end_sample}
    return {"event": "partial", "stable": event.stable, "tentative": event.tentative, **bounds}


def _told(event: Event) -> dict[str, object] | None:
    match event:
        case CaptureChanged(hearing, source, detail, first):
            kind = ("capture_began" if first else "capture_back") if hearing else "capture_lost"
            return {"event": kind, "source": source, "detail": detail}
        case StoreChanged(working, detail):
            return {"event": "store_recovered" if working else "store_alarm", "detail": detail}
        case EngineReady(engine, model, load_ms):
            return {"event": "engine_ready", "engine": engine, "model": model, "load_ms": load_ms}
        case EngineFailed(engine, detail):
            return {"event": "engine_failed", "engine": engine, "detail": detail}
        case _:
            return _told_change(event)


def _told_change(event: Event) -> dict[str, object] | None:
    match event:
        case DeviceMoved(source, wanted, detail):
            return {"event": "device_moved", "source": source, "wanted": wanted, "detail": detail}
        case MuteChanged(muted, by):
            return {"event": "muted" if muted else "unmuted", "by": by}
        case SettingsReloaded(applied, needs_restart, refused):
            kind = "reload_refused" if refused else "reloaded"
            return {"event": kind, "applied": applied, "needs_restart": needs_restart, "detail": refused}
        case StoreNotice(kind, detail):
            return {"event": kind.value, "detail": detail}
        case _:
            return None


def json_line(value: object) -> str:
    """Return JSON on one line in which nothing can steer a terminal; other letters stay as they are."""
    text = json.dumps(value, ensure_ascii=False)
    if printable(text) == text:
        return text
    return "".join(c if printable(c) == c else json.dumps(c)[1:-1] for c in text)


def as_json(record: UtteranceRecord) -> dict[str, object]:
    """Return an utterance as a JSON object; wall times in UTC, ISO 8601."""
    return {
        "id": record.utterance_id,
        "status": record.status,
        "text": record.text,
        "started_at": iso_utc(record.started_at),
        "ended_at": iso_utc(record.ended_at),
        "start_sample": record.start_sample,
        "end_sample": record.end_sample,
        "language": record.language,
        "confidence": record.confidence,
        "engine": record.engine,
        "model": record.model,
        "decode_ms": record.decode_ms,
        "delay_ms": record.delay_ms,
        "decode_kind": record.kind,
        "window_seconds": record.window_seconds,
        "fallback": record.fallback,
        "end_reason": record.end_reason,
        "reasons": list(record.reasons),
        "words": [asdict(word) for word in record.words],
    }


def iso_utc(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utterances(count: int) -> str:
    return f"{count} utterance{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{seconds:.1f} s"
