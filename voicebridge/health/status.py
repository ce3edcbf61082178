"""The status of the running daemon: one record, written where `voicebridge status` finds it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from voicebridge.health.checkpoint import Delay
from voicebridge.health.probes import Reason

SCHEMA = 2
NO_DELAY = Delay(0, 0, None, None, None, None)
FILE_MODE = 0o600
"""Of the owner only, like everything else: it names the source."""


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """How the source is (voicebridge.domain.capture.CaptureReport), with ages instead of moments, in seconds."""

    state: str = ""
    for_seconds: float = 0.0
    """How long it has been in this state."""
    source: str = ""
    """What is really heard."""
    moved: bool = False
    server: str = "unknown"
    call: str = ""
    """The call into the sound library that is under way."""
    attempts: int = 0
    next_attempt_seconds: float | None = None
    recoveries: int = 0
    rate_ratio: float | None = None
    zero_seconds: float = 0.0
    level_peak: int = 0


@dataclass(frozen=True, slots=True)
class WatchdogStatus:
    """What systemd's watchdog was told."""

    period_seconds: float | None = None
    """None when nobody watches."""
    pings: int = 0
    withheld: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is, at one moment. Times are seconds since the epoch (UTC); levels are RMS, 0 to 32768."""

    pid: int
    session_id: int
    started_at: float
    written_at: float
    state: str
    """``starting``, ``hearing``, ``degraded``, ``deaf`` or ``stopping`` (voicebridge.health.probes.State)."""
    source: str
    """What is to be heard; what really is stands in ``capture``."""
    engine: str
    model: str
    engine_state: str
    """``loading``, ``ready`` or ``failed``."""
    first_sample_after_seconds: float | None
    """From the start of the process to the first sample that was captured; None before, and for unpaced sources."""
    engine_ready_after_seconds: float | None
    """From the start of the process to the loaded engine; None before."""
    trouble: str
    """What is wrong, in one sentence; empty when nothing is."""
    heard_seconds: float
    speech_seconds: float
    level: float
    listener_lag_ms: float
    utterances: int
    done: int
    rejected: int
    failed: int
    waiting: int
    backlog_seconds: float
    gaps: int
    gap_seconds: float
    counters: Mapping[str, int]
    """How often each bound was reached, by its name (docs/architecture.md, Bounds)."""
    deaf_seconds: float = 0.0
    """How long no sample has arrived, while the state is ``deaf``; that outage is not among the gaps yet."""
    reasons: Sequence[Reason] = ()
    """What is to be known, the gravest first: code, sentence, advice, and whether it degrades."""
    muted: bool = False
    capture: CaptureStatus = CaptureStatus()
    watchdog: WatchdogStatus = WatchdogStatus()
    signs_of_life: Mapping[str, float] = field(default_factory=dict)
    """How long ago each thread gave one, in seconds."""
    schema: int = SCHEMA
    uptime_seconds: float = 0.0
    rss_bytes: int = 0
    """Memory that the process has in use."""
    uss_bytes: int | None = None
    """Memory that only this process uses, when it was last measured."""
    disk_free_bytes: int | None = None
    """On the disk of the state directory."""
    delay_ms: Delay = NO_DELAY
    """From the end of speech to the commit of its text, over the session; who still waits counts with its age."""
    delay_hour_ms: Delay = NO_DELAY
    """The same for what was settled in the last hour, and what still waits."""
    oldest_waiting_seconds: float | None = None
    """How long ago the speech of the oldest utterance ended that is not settled."""


def status_line(status: Status) -> str:
    """Return the one line for `systemctl status`: how it is, what it hears, what decodes, what waits."""
    source = status.capture.source or status.source
    parts = {
        "hearing": [f"Hearing {source}"],
        "degraded": [f"Degraded: {status.trouble}", f"hearing {source}"],
        "deaf": [f"Deaf: {status.trouble}"],
        "starting": [f"Starting, waiting for {source}"],
        "stopping": ["Stopping"],
    }[status.state]
    parts += ["muted"] if status.muted else []
    parts.append(f"{status.engine} {status.model} {status.engine_state}")
    if status.waiting:
        parts.append(f"{status.waiting} waiting ({status.backlog_seconds:.0f} s)")
    return "; ".join(part.rstrip(".") for part in parts)


class StatusFile:
    """Writes the status to the first of several places that can be written."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.path = next((place for place in places if _writable(place.parent)), None)
        self.failures = 0

    def write(self, status: Status) -> None:
        """Replace the file in one step; not durable on purpose. A failure is counted, not raised."""
        if self.path is None:
            return
        # One name for all: only the holder of the state directory writes, and what a kill leaves is written over.
        partial = self._partial(self.path)
        try:
            # Not by asdict, which copies each of some two hundred values; this is done day and night.
            _write_private(partial, json.dumps(status, default=_fields_of))
            partial.replace(self.path)
        except OSError:
            self.failures += 1

    def remove(self) -> None:
        """Delete the file: the daemon has ended. A failure is counted, not raised: a disk may be read-only by now."""
        if self.path is None:
            return
        try:
            self.path.unlink(missing_ok=True)
            self._partial(self.path).unlink(missing_ok=True)
        except OSError:
            self.failures += 1

    @staticmethod
    def _partial(path: Path) -> Path:
        return path.with_suffix(".tmp")


def read_status(places: Sequence[Path]) -> dict[str, Any] | None:
    """Return the status that a daemon wrote last, or None when there is none that can be read."""
    for place in places:
        try:
            content = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and content.get("schema") == SCHEMA:
            return content
    return None


def _fields_of(record: Any) -> dict[str, Any]:
    """Return a record as what JSON can hold, for what it cannot hold itself. Raises TypeError for anything else."""
    return {one.name: getattr(record, one.name) for one in fields(record)}


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE), "w") as file:
        # One that a kill left keeps the mode that it was made with.
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(text)


def _writable(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK)
