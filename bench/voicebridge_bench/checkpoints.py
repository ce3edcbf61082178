"""Checkpoints of a daemon at full load: none missing, none late, and each figure against what is seen from outside."""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from voicebridge import __version__
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLE_BYTES, SAMPLE_RATE
from voicebridge.settings import Settings, paths
from voicebridge.store.checkpoints import FILE_NAME
from voicebridge.store.database import open_database
from voicebridge_bench.checkpoint_delays import by_delays
from voicebridge_bench.checkpoint_figures import by_clock, by_file, by_looks
from voicebridge_bench.checkpoint_rows import by_gaps, by_rows, heard_of
from voicebridge_bench.checkpoint_times import Record, costs, times
from voicebridge_bench.claims import Line, within, worst
from voicebridge_bench.endurance import BUSY_FACTOR, enough
from voicebridge_bench.full_load import EngineLoad
from voicebridge_bench.outside import Onlooker, Outside
from voicebridge_bench.overhead import free_ports
from voicebridge_bench.playlist import Piece

PAUSE_SECONDS = 1.0
LEAST_LOAD = 0.95
"""Share of the time in which the engine must have been decoding; between two decodes stand two commits."""
SPARE_SECONDS = 300.0
"""For the start, and for what waited to be worked off."""
WORDS_OF_A_FAULT = 2000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run left behind: what the daemon wrote, what it was given, and what was seen of it."""

    records: Sequence[Record]
    """Checkpoints in the database, oldest first."""
    lines: Sequence[Record]
    """Those in the file."""
    utterances: Sequence[Mapping[str, Any]]
    anchors: Sequence[Mapping[str, Any]]
    gaps: Sequence[Mapping[str, Any]]
    played: Samples
    """The file, shape (n,), n in whole frames."""
    outside: Outside
    load: EngineLoad


def compare(evidence: Evidence, interval_seconds: float) -> list[Line]:
    """Return a line for each promise and figure. Raises VoicebridgeError when there is nothing to compare with."""
    records, outside, played = evidence.records, evidence.outside, evidence.played
    if not outside.looks or outside.began is None or not evidence.anchors:
        raise VoicebridgeError("The daemon was not seen from outside, or heard nothing.")
    offset = statistics.median(look.figures["wall_offset"] for look in outside.looks)
    heard = heard_of(evidence.utterances, evidence.anchors, offset, Settings().endpoint.hangover_ms)
    # Until everything was settled the daemon surely went on.
    until = max((u.settled for u in heard if u.settled is not None), default=outside.looks[-1].monotonic)
    return [
        worst("engine decoding, share of the time", [within(evidence.load.share, [1.0])], 1 - LEAST_LOAD),
        *times(records, evidence.lines, outside.lines_seen, interval_seconds, until),
        *costs(records),
        *by_clock(records, outside.lines_seen, outside.began, played),
        *by_file(records, played),
        *by_looks(records, outside.looks, interval_seconds),
        *by_rows(records, heard),
        *by_delays(records, heard),
        *by_gaps(records, evidence.gaps, offset),
    ]


def run(seconds: float, interval_seconds: float, pieces: Sequence[Piece], scratch: Path) -> Evidence:
    """Play speech to a daemon of its own for so long, its engine at full load. Raises VoicebridgeError."""
    state, playlist, log = scratch / "state", scratch / "playlist.wav", scratch / "daemon.log"
    pieces = list(enough(pieces, seconds, PAUSE_SECONDS))
    played = write_speech(playlist, pieces)
    busy_seconds = BUSY_FACTOR * len(played) / SAMPLE_RATE / len(pieces)
    options = {
        "--interval": f"{interval_seconds:g}",
        "--busy-seconds": f"{busy_seconds:.2f}",
        "--bind": f"127.0.0.1:{free_ports(1)[0]}",
    }
    call = [sys.executable, "-m", "voicebridge_bench.full_load", str(state), str(playlist)]
    call += [word for pair in options.items() for word in pair]
    with log.open("wb") as told:
        child = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=told, text=True)
        onlooker = Onlooker(child.pid, state, interval_seconds)
        try:
            in_time = onlooker.look_until(lambda: child.poll() is not None, time.monotonic() + seconds + SPARE_SECONDS)
        finally:
            child.kill()
            out, _ = child.communicate()
    if not in_time or child.returncode:
        words = log.read_text(errors="replace")[-WORDS_OF_A_FAULT:]
        raise VoicebridgeError(f"The daemon did not end well (status {child.returncode}): {words}")
    return gather(state, played, onlooker.seen, EngineLoad(**json.loads(out)))


def gather(state: Path, played: Samples, outside: Outside, load: EngineLoad) -> Evidence:
    """Read what a daemon has left in its state directory. Raises VoicebridgeError."""
    database = open_database(paths.database_path(state), read_only=True)
    try:
        return Evidence(
            records=[json.loads(row["record"]) for row in database.query("SELECT record FROM checkpoints ORDER BY id")],
            lines=[json.loads(line) for line in (state / FILE_NAME).read_text(encoding="utf-8").splitlines()],
            utterances=list(database.query("SELECT * FROM utterances")),
            anchors=list(database.query("SELECT * FROM anchors ORDER BY sample_index")),
            gaps=list(database.query("SELECT * FROM gaps")),
            played=played,
            outside=outside,
            load=load,
        )
    finally:
        database.close()


def write_speech(path: Path, pieces: Sequence[Piece]) -> Samples:
    """Write the pieces as WAV with a pause before each and at the end, in whole frames; return the samples."""
    pause = np.zeros(int(PAUSE_SECONDS * SAMPLE_RATE), np.int16)
    parts = [part for piece in pieces for part in (pause, piece.samples)]
    samples = np.concatenate([*parts, pause])
    samples = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(SAMPLE_BYTES)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.astype("<i2").tobytes())
    return samples


def look_pauses(outside: Outside) -> tuple[float, float]:
    """Return the median and the longest time between two looks, in seconds."""
    moments = [look.monotonic for look in outside.looks]
    pauses = np.diff(moments) if len(moments) > 1 else np.array([math.nan])
    return float(np.median(pauses)), float(pauses.max())


def machine() -> dict[str, Any]:
    """Return the facts of the machine under a measurement."""
    return {
        "voicebridge": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": os.getloadavg(),
    }
