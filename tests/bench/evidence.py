"""A run whose every figure is known: ten seconds of audio, four utterances, an engine that is always behind."""

import math
from typing import Any

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge_bench.checkpoints import Evidence
from voicebridge_bench.full_load import EngineLoad
from voicebridge_bench.outside import Look, Outside

INTERVAL = 1.0
WALL_OFFSET = 1000.0
DATABASE_SEEN, SESSION_BEGAN, FIRST_SAMPLE = 100.0, 100.2, 100.4
"""On CLOCK_MONOTONIC."""
SPEECH_ENDS = (2.0, 4.5, 7.0, 9.5)
"""In seconds of audio."""
SETTLED = (5.0, 9.1, 12.2, 14.3)
"""In seconds since the first sample."""
HANGOVER = 0.7
RECORDS = 14
FRAMES = 500


def played() -> Samples:
    """Return the file: ten seconds, each louder than the one before."""
    noise = np.random.default_rng(1).uniform(-1, 1, FRAMES * 320)
    loudness = np.repeat(np.arange(1, 11) * 1000, FRAMES * 32)
    return (noise * loudness).astype(np.int16)


def evidence() -> Evidence:
    """Return what such a run leaves behind; to be changed at will."""
    moments = [SESSION_BEGAN + INTERVAL * (number + 1) for number in range(RECORDS)]
    samples = played()
    records = [record(samples, now, now - INTERVAL) for now in moments]
    ticks = np.arange(DATABASE_SEEN, moments[-1] + 1, 0.02)
    outside = Outside([look(float(now)) for now in ticks], [now + 0.03 for now in moments], DATABASE_SEEN)
    first = {"sample_index": 320, "monotonic_seconds": FIRST_SAMPLE + 0.02, "realtime_seconds": 0.0}
    rows = [utterance(end, settled) for end, settled in zip(SPEECH_ENDS, SETTLED, strict=True)]
    copies = [record(samples, now, now - INTERVAL) for now in moments]
    return Evidence(records, copies, rows, [first], [], samples, outside, EngineLoad(0.99, 100, 3))


def look(now: float) -> Look:
    """Return what is seen at a moment."""
    figures = {"rss": 1e8, "uss": 6e7, "cpu": cpu(now), "threads": 9, "files": 20}
    return Look(now, figures | {"database": 4096, "wal": 1e6, "disk_free": 1e9, "wall_offset": WALL_OFFSET})


def cpu(now: float) -> float:
    """Return the processor time at a moment."""
    return 0.5 * (now - DATABASE_SEEN)


def utterance(end: float, settled: float) -> dict[str, Any]:
    """Return the row of an utterance of a second and a half."""
    return {
        "status": "done",
        "start_sample": int((end - 1.2) * 16_000),
        "end_sample": int((end + 0.3) * 16_000),
        "speech_end": int(end * 16_000),
        "settled_at": WALL_OFFSET + FIRST_SAMPLE + settled,
        "delay_ms": (settled - end) * 1000,
    }


def record(samples: Samples, now: float, before: float) -> dict[str, Any]:
    """Return the checkpoint of a moment, as far as it is compared."""
    passed = now - FIRST_SAMPLE
    heard = [end + HANGOVER <= passed for end in SPEECH_ENDS]
    settled = [moment <= passed for moment in SETTLED]
    waiting = sum(heard) - sum(settled)
    received, until_then = frames(now), frames(before)
    return {
        "at": now + WALL_OFFSET,
        "monotonic_seconds": now,
        "uptime_seconds": now - SESSION_BEGAN,
        "missed": 0,
        "state": "hearing",
        "cost_ms": 2.0,
        "frames": {"received": received, "expected": math.floor(passed * 50)},
        "level": level(samples[until_then * 320 : received * 320]),
        "memory": {"rss_bytes": 100_000_000, "uss_bytes": 60_000_000},
        "cpu": {"user_seconds": cpu(now) - 0.1, "system_seconds": 0.1},
        "threads": 9,
        "open_files": 20,
        "disk": {"free_bytes": 1_000_000_000, "database_bytes": 4096, "wal_bytes": 1_000_000},
        "utterances": {"heard": sum(heard), "done": sum(settled), "rejected": 0, "failed": 0, "waiting": waiting},
        "backlog_seconds": 1.5 * max(waiting - 1, 0),
        "decodes": {"audio_seconds": 1.5 * sum(settled)},
        "delay_session_ms": delays(passed),
        "gaps": {"count": 0, "seconds": 0.0},
    }


def frames(now: float) -> int:
    """Return how many have come."""
    return min(max(math.floor((now - FIRST_SAMPLE) * 50), 0), FRAMES)


def level(samples: Samples) -> dict[str, float | None]:
    """Return the level of an interval."""
    if not len(samples):
        return {"rms_dbfs": None, "peak_dbfs": None}
    rms = math.sqrt(np.mean(samples.astype(np.float64) ** 2))
    peak = int(np.abs(samples.astype(np.int64)).max())
    return {
        "rms_dbfs": round(20 * math.log10(rms / 32768), 1),
        "peak_dbfs": float(-int(-20 * math.log10(peak / 32768))),
    }


def delays(passed: float) -> dict[str, float | None]:
    """Return the delays of the session at a moment."""
    counted = sorted(
        (min(settled, passed) - end) * 1000
        for end, settled in zip(SPEECH_ENDS, SETTLED, strict=True)
        if end + HANGOVER <= passed
    )
    told = {f"p{percent}": _rank(counted, percent) for percent in (50, 95, 99)}
    return {"count": len(counted), "max": counted[-1] if counted else None, **told}


def _rank(counted: list[float], percent: int) -> float | None:
    return counted[max(int(percent * len(counted) / 100 + 0.5), 1) - 1] if counted else None
