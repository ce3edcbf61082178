"""Kill the daemon at random moments while it hears speech with known places, and see what is lost.

Each life of the daemon plays the same recording in real time from its start; the place that it had heard at the moment
of the kill follows from the session's anchor (sample index and CLOCK_MONOTONIC, which is one for all processes).
"""

import json
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.units import SAMPLE_RATE, ms_to_samples, samples_to_seconds
from voicebridge.settings import paths
from voicebridge.store.database import open_database
from voicebridge_bench.playlist import Placed

FIRST_TEXT_SECONDS = 60.0
"""A life that announces nothing within this time is a fault of its own."""
KILL_WITHIN_SECONDS = 4.0
"""The kill comes at a random moment within this time of the life's first text."""
ENDPOINT_SECONDS = 1.5
"""Hangover, tail and commit: speech that ended this long before the kill must be stored as a whole utterance."""
ALLOWED_LOSS_SECONDS = 1.0
SETTLE_SECONDS = 120.0


@dataclass(slots=True)
class Life:
    """One run of the daemon: what it announced, and when it was killed (CLOCK_MONOTONIC)."""

    announced: dict[int, str] = field(default_factory=dict)
    killed_at: float = 0.0
    pid: int = 0
    first_text_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Survival:
    """What the kills cost. Losses are lists of sentences, empty when nothing was lost."""

    kills: int
    announced: int
    lost: Sequence[str]
    missed: Sequence[str]
    open_at_kill: int
    largest_loss_seconds: float
    recovered: int
    failed: int
    integrity: str
    first_text_seconds: Sequence[float]

    @property
    def passed(self) -> bool:
        """True when nothing announced and no ended utterance was lost, and at most a second of an open one."""
        return (
            not self.lost
            and not self.missed
            and self.largest_loss_seconds <= ALLOWED_LOSS_SECONDS
            and self.integrity == "ok"
        )


class Kills:
    """Runs the daemon on a playlist, again and again, and kills it."""

    def __init__(self, state: Path, playlist: Path, placed: Sequence[Placed], model: Path, seed: int) -> None:
        self._state = state
        self._playlist = playlist
        self._placed = placed
        self._model = model
        self._random = random.Random(seed)  # noqa: S311 - for moments, not for secrets

    def run(self, kills: int, progress: Callable[[int, int], None] = lambda _done, _announced: None) -> Survival:
        """Kill so many times, let the last restart settle everything, and compare. Raises VoicebridgeError."""
        lives: list[Life] = []
        for number in range(1, kills + 1):
            lives.append(self._live_and_die())
            progress(number, sum(len(life.announced) for life in lives))
        self._settle()
        return self._compare(lives)

    def _live_and_die(self) -> Life:
        life = Life()
        began = time.monotonic()
        child = self._spawn("--realtime", "--json")
        lines = _lines_of(child)
        life.pid = child.pid
        try:
            while not life.announced:
                _take(life, lines.get(timeout=FIRST_TEXT_SECONDS))
        except queue.Empty:
            raise VoicebridgeError(f"The daemon announced nothing within {FIRST_TEXT_SECONDS:g} s.") from None
        finally:
            life.first_text_seconds = time.monotonic() - began
            deadline = time.monotonic() + self._random.uniform(0, KILL_WITHIN_SECONDS)
            while (left := deadline - time.monotonic()) > 0:
                _take_within(life, lines, left)
            life.killed_at = time.monotonic()
            child.send_signal(signal.SIGKILL)
            child.wait()
        while (line := lines.get()) is not None:
            _take(life, line)
        return life

    def _settle(self) -> None:
        """Start once more on a moment of silence: everything pending is decoded, then it ends by itself."""
        silence = self._state.parent / "silence.wav"
        from voicebridge_bench.playlist import write_playlist

        write_playlist(silence, [])
        child = self._spawn("--json", file=silence)
        child.communicate(timeout=SETTLE_SECONDS)
        if child.returncode != 0:
            raise VoicebridgeError(f"The last start ended with status {child.returncode}.")

    def _spawn(self, *options: str, file: Path | None = None) -> "subprocess.Popen[str]":
        call = [sys.executable, "-m", "voicebridge", "--state-dir", str(self._state)]
        call += ["--set", "engine.kind=whisper", "--set", f"whisper.model={self._model}"]
        return subprocess.Popen(
            [*call, "run", "--file", str(file or self._playlist), *options], stdout=subprocess.PIPE, text=True
        )

    def _compare(self, lives: Sequence[Life]) -> Survival:
        database = open_database(paths.database_path(self._state), read_only=True)
        try:
            rows = list(database.query("SELECT * FROM utterances"))
            sessions = {row["pid"]: row["id"] for row in database.query("SELECT id, pid FROM sessions")}
            anchors = {row["session_id"]: row for row in database.query("SELECT * FROM anchors ORDER BY sample_index")}
            integrity = str(next(iter(database.query("PRAGMA integrity_check")))["integrity_check"])
        finally:
            database.close()
        texts = {row["id"]: row["text"] for row in rows}
        losses = [_lost_of(life, rows, sessions, anchors, self._placed) for life in lives]
        return Survival(
            kills=len(lives),
            announced=sum(len(life.announced) for life in lives),
            lost=[
                f"utterance {number}: announced {text!r}, stored {texts.get(number)!r}"
                for life in lives
                for number, text in life.announced.items()
                if texts.get(number) != text
            ],
            missed=[sentence for loss in losses for sentence in loss.missed],
            open_at_kill=sum(loss.open_seconds is not None for loss in losses),
            largest_loss_seconds=max((loss.open_seconds or 0.0 for loss in losses), default=0.0),
            recovered=sum(row["end_reason"] == "interrupted" for row in rows),
            failed=sum(row["status"] == "failed" for row in rows),
            integrity=integrity,
            first_text_seconds=sorted(life.first_text_seconds for life in lives),
        )


@dataclass(frozen=True, slots=True)
class _Loss:
    missed: list[str]
    open_seconds: float | None


def _lost_of(
    life: Life,
    rows: Sequence[dict[str, Any]],
    sessions: dict[int, int],
    anchors: dict[int, dict[str, Any]],
    placed: Sequence[Placed],
) -> _Loss:
    session = sessions[life.pid]
    mine = [row for row in rows if row["session_id"] == session]
    anchor = anchors[session]
    heard = anchor["sample_index"] + int((life.killed_at - anchor["monotonic_seconds"]) * SAMPLE_RATE)
    missed: list[str] = []
    open_seconds: float | None = None
    for piece in placed:
        covered = max((row["end_sample"] for row in mine if row["start_sample"] < piece.span.end), default=0)
        if piece.span.end + ms_to_samples(ENDPOINT_SECONDS * 1000) <= heard:
            if covered <= piece.span.start:
                missed.append(f"session {session}: {piece.text!r} is not there")
        elif piece.span.start < heard:
            until = min(heard, piece.span.end)
            open_seconds = max(0.0, samples_to_seconds(until - max(covered, piece.span.start)))
    return _Loss(missed, open_seconds)


def _lines_of(child: "subprocess.Popen[str]") -> "queue.Queue[str | None]":
    """Return a queue of the child's lines, then None."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _take_within(life: Life, lines: "queue.Queue[str | None]", seconds: float) -> None:
    try:
        _take(life, lines.get(timeout=seconds))
    except queue.Empty:
        return


def _take(life: Life, line: str | None) -> None:
    if line is None:
        raise VoicebridgeError("The daemon ended by itself.", "Its own messages stand above.")
    if not line.endswith("\n"):
        return  # cut by the kill: not announced
    announced = json.loads(line)
    if "id" in announced:
        life.announced[announced["id"]] = announced["text"]
