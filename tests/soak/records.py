"""Records of soaks as a healthy daemon would give them, made in memory, and faults planted into them.

Memory is like that of a real process: it settles like exp(-t / 10 min) by 6 MB, carries AR(1) noise of 60 KB (standard
deviation) with a correlation time of 10 min, and steps of malloc: an arena of 132 KB that comes and goes, about every
10 min. All of that together has a standard deviation of about 90 KB.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voicebridge_bench.soak.record import (
    SCHEMA,
    Announced,
    Checkpoint,
    End,
    Happened,
    Header,
    Heard,
    Played,
    Record,
    Sample,
)

HOUR = 3600.0
RATE = 16_000
BEGAN = 5000.0
WALL = 1_790_000_000.0
KB, MB = 1_000, 1_000_000
NOISE_BYTES, NOISE_HOURS = 60 * KB, 1 / 6
ARENA_BYTES, ARENA_HOURS = 132 * KB, 1 / 6
WORDS = ("turn", "on", "off", "the", "light", "in", "hall", "heating", "kitchen", "open", "window", "timer", "ten")
Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True)
class Life:
    """From and until when, in seconds since the soak began, and how it left."""

    began: float
    ended: float
    how: str = "stopped"


def healthy(hours: float = 8.0, seed: int = 1, lives: Sequence[Life] = (), **header: Any) -> Record:
    """Return the record of a soak in which all went well."""
    seconds = hours * HOUR
    chance = np.random.default_rng(seed)
    every = min(300.0, max(3.0, seconds / 96))
    record = Record(
        Header(
            schema=SCHEMA,
            version="0.0",
            profile="office",
            seed=seed,
            asked_seconds=seconds,
            speed=header.pop("speed", 1.0),
            checkpoint_seconds=every,
            attached=False,
            began_wall=WALL,
            began=BEGAN,
            host={"cpu": "a test", "cores": 2},
            **header,
        ),
    )
    found = list(lives) or [Life(0.0, seconds)]
    for number, life in enumerate(found, start=1):
        _live(record, number, life, chance, every)
    record.happened.append(Happened(BEGAN + seconds, "integrity", len(found), "ok"))
    record.end = End(BEGAN + seconds, "complete")
    return record


def ar1(chance: np.random.Generator, count: int, step: float, correlation: float, deviation: float) -> Numbers:
    """Return autocorrelated noise: ``step`` and ``correlation`` are times."""
    kept = math.exp(-step / correlation)
    shocks = chance.normal(0, deviation * math.sqrt(1 - kept**2), count)
    noise = np.empty(count)
    state = chance.normal(0, deviation)
    for index, shock in enumerate(shocks):
        state = kept * state + shock
        noise[index] = state
    return noise


def memory(chance: np.random.Generator, hours: Numbers) -> Numbers:
    """Return the memory of a process that is ``hours`` old, in bytes, without its base."""
    step = float(hours[1] - hours[0]) if len(hours) > 1 else 1.0
    arena = np.cumsum(chance.random(len(hours)) < step / ARENA_HOURS) % 2
    settling = -6 * MB * np.exp(-hours * 6)
    return settling + ar1(chance, len(hours), step, NOISE_HOURS, NOISE_BYTES) + ARENA_BYTES * arena


def _live(record: Record, number: int, life: Life, chance: np.random.Generator, every: float) -> None:
    began, ended = BEGAN + life.began, BEGAN + life.ended
    ready = min(began + 0.6, ended)
    record.happened += [
        Happened(began, "started", number, f"process {4000 + number}"),
        Happened(ready, "ready", number, "it hears"),
        Happened(ended, life.how, number),
    ]
    _speak(record, number, ready, ended, chance)
    _take_samples(record, number, began, ended, chance)
    at = began + every
    while at < ended:
        record.checkpoints.append(Checkpoint(at, content(record, number, began, ready, at, every)))
        at += every


def _speak(record: Record, number: int, ready: float, ended: float, chance: np.random.Generator) -> None:
    at = ready + 2.0
    while at < ended - 8:
        seconds = float(chance.uniform(1.5, 3.0))
        words = list(chance.choice(WORDS, size=4))
        start, end = round((at - ready) * RATE), round((at + seconds - ready) * RATE)
        record.played.append(Played(at, at + seconds, number, start, end, " ".join(words), "whisper"))
        if chance.random() < 0.2:
            words[int(chance.integers(4))] = "something"
        delay = float(0.7 + 0.1 + chance.gamma(4.0, 0.03))
        settled = at + seconds + delay
        utterance = len(record.heard) + 1
        record.heard.append(
            Heard(utterance, number, number, start - 4800, end + 2240, "done", " ".join(words), 1000 * delay, settled)
        )
        record.announced.append(Announced(settled + 0.01, number, utterance))
        at += seconds + float(chance.uniform(2.0, 22.0))


def _take_samples(record: Record, number: int, began: float, ended: float, chance: np.random.Generator) -> None:
    step = min(10.0, max(1.0, (record.header.asked_seconds) / 2880))
    moments = np.arange(began + 1, ended, step)
    if not len(moments):
        return
    hours = (moments - began) / HOUR
    used = memory(chance, hours)
    heap = 20 * MB - 0.5 * MB * np.exp(-hours * 6) + ar1(chance, len(hours), step / HOUR, NOISE_HOURS, 4 * KB)
    files = 31 + (chance.random(len(hours)) < 0.1)
    for index, at in enumerate(moments):
        passed = float(at - BEGAN)
        record.samples.append(
            Sample(
                at=float(at),
                pid=4000 + number,
                rss_bytes=int(420 * MB + used[index]),
                uss_bytes=int(300 * MB + used[index]) // 4096 * 4096,
                heap_bytes=int(heap[index]),
                cpu_seconds=0.12 * float(at - began),
                threads=14,
                open_files=int(files[index]),
                database_bytes=int(200_000 + 90 * passed) // 4096 * 4096,
                wal_bytes=1 * MB,
                log_bytes=int(4000 + passed * 0.5),
                disk_free_bytes=40_000 * MB,
            )
        )


def content(record: Record, number: int, began: float, ready: float, at: float, every: float) -> Mapping[str, Any]:
    """Return a checkpoint as the daemon writes it, as far as anybody here reads it."""
    frames = int((at - ready) * 50)
    done = [heard for heard in record.heard if heard.life == number and heard.at is not None and heard.at <= at]
    newest = sorted(heard.delay_ms or 0.0 for heard in done if (heard.at or 0.0) > at - every)
    return {
        "schema": 1,
        "at": WALL + at - BEGAN,
        "monotonic_seconds": at,
        "session_id": number,
        "uptime_seconds": at - began,
        "interval_seconds": every,
        "missed": 0,
        "state": "hearing",
        "reasons": [],
        "frames": {"expected": frames, "received": frames, "ratio": 1.0},
        "level": {"rms_dbfs": -42.0 + 3 * math.sin(at / 900), "peak_dbfs": -12.0 + 2 * math.sin(at / 500)},
        "backlog_seconds": 0.4 + 0.4 * math.sin(at / 700),
        "decodes": {"final": 0, "speculative": len(done)},
        "delay_interval_ms": {
            "count": len(newest),
            "p50": newest[len(newest) // 2] if newest else None,
            "p95": newest[int(0.95 * (len(newest) - 1))] if newest else None,
        },
        "utterances": {"heard": len(done)},
        "cpu": {"user_seconds": 0.12 * (at - began), "share": 0.12 + 0.02 * math.sin(at / 600)},
        "memory": {"rss_bytes": 420 * MB, "uss_bytes": 300 * MB, "heap_bytes": 20 * MB},
        "open_files": 31,
        "threads": 14,
    }


def grow(record: Record, **per_hour: float) -> Record:
    """Plant a leak: fields of the samples grow by so much in an hour."""
    record.samples = [
        dataclasses.replace(
            sample,
            **{name: int(getattr(sample, name) + rate * (sample.at - BEGAN) / HOUR) for name, rate in per_hour.items()},
        )
        for sample in record.samples
    ]
    return record


def crash_loop(hours: float = 1.0, seed: int = 1) -> Record:
    """Return the record of a daemon that leaves by itself again and again, and is started anew after some seconds."""
    lives: list[Life] = []
    at = 0.0
    while at < hours * HOUR - 60:
        lives.append(Life(at, at + 40, "crashed"))
        at += 42
    lives.append(Life(at, hours * HOUR))
    return healthy(hours, seed, lives)
