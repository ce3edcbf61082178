"""A service that runs, looked at over its control socket. Nothing is played to it, nothing is broken, nothing changed.

What was said before it is none of a soak's business: of the utterances the record holds times and lengths, and no text.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.units import FRAME_SAMPLES, seconds_to_samples
from voicebridge_bench.soak.record import (
    JOURNAL,
    JOURNAL_READ,
    Announced,
    Checkpoint,
    Entry,
    Happened,
    Heard,
    Lost,
)
from voicebridge_bench.soak.unit_journal import Line, Reading, Unit, errors_of, unit_of

if TYPE_CHECKING:
    from pathlib import Path

LOOK_SECONDS = 2.0
AWAY_LOOK_SECONDS = 0.5
"""How often one that is gone is looked for; so exact is the time until it answers again."""
SILENT_SECONDS = 15.0
"""Not answering for so long is a hang, where the process lives on."""
CHECKPOINTS = 500
"""In one answer."""
STATUSES = ("done", "rejected", "failed")
PAGES = 1000
"""Bound on the pages read at the end, of 50 utterances each."""


class Service:
    """Implements Subject over a connection that is made anew when it breaks."""

    def __init__(
        self,
        connect: Callable[[], Client],
        tell: Callable[[Entry], None],
        read_errors: Callable[[Unit | None, float], Reading] = errors_of,
    ) -> None:
        """Connect. Raises VoicebridgeError when there is nothing to look at."""
        self._connect = connect
        self._tell = tell
        self._read_errors = read_errors
        self._client: Client | None = connect()
        self.state: Path = self._client.greeting.state_dir
        self.status: Mapping[str, Any] = {}
        self.announced = 0
        self._heap: tuple[int, int | None] | None = None
        """Of the newest checkpoint, and the session that wrote it."""
        self.log_bytes = 0
        """How much of the journal is its own is not ours to measure."""
        self.faults = 0
        self.audio_seconds = 0.0
        pid = self._client.greeting.pid
        self.pid: int | None = pid
        """None while it is gone."""
        self._process = _process_of(pid)
        self._unit = unit_of(pid)
        self._life = 1
        self._lived_since = [time.monotonic()]
        """From when on each life was seen."""
        self._lives: dict[int, int] = {}
        """Which life each session is, as its own status or checkpoint told."""
        self._began_wall = time.time()
        self._wall_of_zero = self._began_wall - time.monotonic()
        self._settled_at: dict[int, float] = {}
        self._gaps: dict[int, dict[str, float]] = {}
        """Seconds lost by reason, as the newest checkpoint of each session has them."""
        self._since = self._began_wall
        self._state = ""
        self._answered = time.monotonic()
        self._silent = False
        self._next_look = 0.0
        self._follow(self._client)

    def start(self) -> None:
        """Say that it was there already."""
        self._happened("started", f"process {self.pid}, which ran already")
        self._happened("ready", "it ran already")

    def look(self, elapsed: float) -> None:
        """Ask it how it is, and what it has settled."""
        del elapsed
        now = time.monotonic()
        if now < self._next_look:
            return
        if _has_left(self._process):
            self._gone(f"process {self.pid} is gone")
        self._next_look = now + (LOOK_SECONDS if self.pid is not None else AWAY_LOOK_SECONDS)
        try:
            client = self._reached()
            self.status = client.ask("status").get("status") or {}
            self._know_session()
            self._take_settled(client)
        except VoicebridgeError as error:
            self._lose(now, error)
            return
        self._answered = time.monotonic()
        if self._silent:
            self._silent = False
            self._happened("went_on", "it answers again")
        if self.status and self.status["state"] != self._state:
            self._state = self.status["state"]
            codes = [reason["code"] for reason in self.status["reasons"] if reason.get("degrades", True)]
            self._happened("state", " ".join([f"{self._state}:", *codes]).rstrip(": "))

    def new_checkpoints(self) -> list[Checkpoint]:
        """Return checkpoints that were written since the last time."""
        try:
            records = self._reached().ask("checkpoints", since=self._since, limit=CHECKPOINTS)["records"]
        except VoicebridgeError:
            return []
        found = [record for record in records if record["at"] > self._since]
        for record in found:
            self._since = max(self._since, record["at"])
            self._heap = record["session_id"], record["memory"]["heap_bytes"]
            self._lives.setdefault(record["session_id"], self._life)
            self._note_gaps(record)
        return [Checkpoint(float(record["monotonic_seconds"]), record) for record in found]

    @property
    def heap_bytes(self) -> int | None:
        """Python's heap at the newest checkpoint; None until the present process has written one."""
        if self._heap is None or self._heap[0] != self.status.get("session_id"):
            return None
        return self._heap[1]

    def finish(self) -> None:
        """Write down what was heard meanwhile, without the words, and what its unit has logged."""
        self._next_look = 0.0
        self.look(0.0)
        for checkpoint in self.new_checkpoints():
            self._tell(checkpoint)
        self._take_history()
        self._take_errors()

    def salvage(self) -> None:
        """Leave it at what was seen: nothing of it ends with the soak."""

    def _take_history(self) -> None:
        with suppress(VoicebridgeError):
            client = self._reached()
            page = client.ask("history", since=self._began_wall, statuses=list(STATUSES))
            for _ in range(PAGES):
                for record in page["records"]:
                    if not self._is_older(record):
                        self._tell(self._heard(record))
                if not page["more"]:
                    break
                page = client.ask("more")

    def _is_older(self, record: Mapping[str, Any]) -> bool:
        """Return whether it is of a session before the soak: under a clock set wrong, its end may be yet to come."""
        return bool(self._lives) and record["session_id"] < min(self._lives)

    def _take_errors(self) -> None:
        found = self._read_errors(self._unit, self._lived_since[0])
        for line in found.lines:
            self._tell(Happened(line.at, "error", self._life_at(line), line.text))
        self._happened(JOURNAL, found.fault or JOURNAL_READ)

    def _life_at(self, line: Line) -> int:
        return max(1, sum(since <= line.at for since in self._lived_since))

    def leave(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _reached(self) -> Client:
        """Return the connection, a new one where the old one broke. Raises VoicebridgeError."""
        if self._client is None:
            self._client = client = self._connect()
            if client.greeting.pid != self.pid:
                self._begin_again(client.greeting.pid)
            self._follow(client)
        return self._client

    def _gone(self, how: str) -> None:
        """Note that the present life is over, once."""
        if self.pid is not None:
            self._happened("crashed", f"{how}; whether somebody stopped it the journal knows")
        self.pid, self._process, self._silent = None, None, False

    def _begin_again(self, pid: int) -> None:
        self._gone(f"process {self.pid} was replaced")
        self.pid, self._process, self._unit, self._state = pid, _process_of(pid), unit_of(pid) or self._unit, ""
        self._life += 1
        self._lived_since.append(time.monotonic())
        self._happened("started", f"process {pid}")
        self._happened("ready", "it answers")

    def _follow(self, client: Client) -> None:
        client.ask("follow", statuses=list(STATUSES))

    def _take_settled(self, client: Client) -> None:
        now = time.monotonic()
        for record in client.ask("poll")["records"]:
            number = record["utterance_id"]
            if number not in self._settled_at and record["status"] == "done":
                self.announced += 1
                self._tell(Announced(now, self._life, number))
            self._settled_at.setdefault(number, now)

    def _lose(self, now: float, error: VoicebridgeError) -> None:
        client, self._client = self._client, None
        self.status = {}
        if client is not None:
            client.close()
        # One that is stuck still lets itself be connected to.
        if error.code == ExitCode.NOT_RUNNING or _has_left(self._process):
            self._gone("nobody listens any more")
        if self.pid is not None and now - self._answered >= SILENT_SECONDS and not self._silent:
            self._silent = True
            self._happened("hang", f"it does not answer for {now - self._answered:.0f} s")

    def _know_session(self) -> None:
        if self.status:
            self._lives.setdefault(self.status["session_id"], self._life)

    def _note_gaps(self, record: Mapping[str, Any]) -> None:
        """Write down the audio that was lost since the checkpoint before: how much and why; where is not told."""
        before = self._gaps.get(record["session_id"])
        now = self._gaps[record["session_id"]] = dict(record["gaps"]["seconds_by_reason"])
        if before is None:
            return
        start = record["frames"]["received"] * FRAME_SAMPLES
        for reason, seconds in now.items():
            lost = seconds_to_samples(seconds - before.get(reason, 0.0))
            if lost > 0:
                at = float(record["monotonic_seconds"])
                self._tell(Lost(record["session_id"], self._life, start, start + lost, reason, at))
                start += lost

    def _heard(self, record: Mapping[str, Any]) -> Heard:
        number = record["utterance_id"]
        return Heard(
            utterance=number,
            session=record["session_id"],
            # A session that came and went between two looks shares its samples with no life that was seen.
            life=self._lives.get(record["session_id"], -record["session_id"]),
            start_sample=record["start_sample"],
            end_sample=record["end_sample"],
            status=record["status"],
            text="",
            delay_ms=record["delay_ms"],
            at=self._settled_at.get(number, record["ended_at"] - self._wall_of_zero),
        )

    def _happened(self, kind: str, detail: str) -> None:
        self._tell(Happened(time.monotonic(), kind, self._life, detail))


def _process_of(pid: int) -> psutil.Process | None:
    """Return a process by which its end is seen; None where this user may not see it."""
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _has_left(process: psutil.Process | None) -> bool:
    """Return whether a process is known to have ended; a zombie has."""
    if process is None:
        return False
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
