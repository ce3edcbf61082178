"""Plain data for the dashboard: a box that has run since the night, what it heard, and how it was."""

import math
from collections.abc import Sequence
from typing import Any

from tests.web.dashboard.fake_api import FakeApi

HOUR = 3600.0
DAY = 24 * HOUR
HEARD = (
    "turn on the light in the hall",
    "we meet at nine tomorrow, and bring the drawings with you",
    "is the pump still running",
    "no, it stopped when the pressure fell below two bar",
    "then call the plant and ask for the night shift",
    "okay",
    "the second valve is open, the first one is closed and locked",
    "who has the key",
    "it hangs beside the door",
    "please repeat the last number",
)


def reason(code: str, sentence: str, advice: str, *, degrades: bool = True) -> dict[str, Any]:
    return {"code": code, "sentence": sentence, "advice": advice, "degrades": degrades}


DEVICE_LOST = reason(
    "device_lost",
    "Nothing can be heard from USB Conference Microphone for 4 s, tried 3 times.",
    "Is it plugged in, and does the sound server run? `voicebridge devices` lists all.",
)
BACKLOG = reason("backlog", "312 s of speech wait for their text.", "Take a smaller whisper.model, or another machine.")


def status(now: float) -> dict[str, Any]:
    """Return a status of a box that hears well."""
    return {
        "schema": 2,
        "pid": 812,
        "session_id": 7,
        "started_at": now - 15.2 * HOUR,
        "state": "hearing",
        "source": "default",
        "engine": "whisper",
        "model": "small",
        "engine_state": "ready",
        "trouble": "",
        "heard_seconds": 54_700.0,
        "speech_seconds": 9_300.0,
        "level": 410.0,
        "utterances": 1127,
        "done": 1101,
        "rejected": 22,
        "failed": 3,
        "waiting": 1,
        "backlog_seconds": 2.4,
        "gaps": 2,
        "gap_seconds": 4.2,
        "counters": {},
        "deaf_seconds": 0.0,
        "uptime_seconds": 15.2 * HOUR,
        "delay_hour_ms": {"count": 41, "still_waiting": 1, "p50": 510.0, "p95": 920.0, "p99": 1100.0, "max": 1130.0},
        "delay_ms": {"count": 1100, "still_waiting": 1, "p50": 430.0, "p95": 1240.0, "p99": 2100.0, "max": 4031.0},
        "reasons": [],
        "muted": False,
        "may_change": True,
        "capture": {"state": "hearing", "source": "USB Conference Microphone"},
    }


def utterance(number: int, text: str | None, started_at: float, **changes: Any) -> dict[str, Any]:
    """Return an utterance as the interface gives it."""
    return {
        "utterance_id": number,
        "settled_sequence": number,
        "session_id": 7,
        "status": "done",
        "started_at": started_at,
        "ended_at": started_at + 2.6,
        "text": text,
        "language": "en",
        "confidence": 0.91,
        "delay_ms": 430.0,
        "reasons": [],
        "audio_kept": False,
    } | changes


def checkpoint(at: float, now: float) -> dict[str, Any]:
    """Return a checkpoint of a day whose afternoon was busy."""
    hours = (now - at) / HOUR
    busy = math.exp(-(((hours - 6) / 1.5) ** 2))
    wave = math.sin(at / 2900) * 0.5 + 0.5
    return {
        "at": at,
        "state": "hearing",
        "backlog_seconds": 90 * busy * wave + 2 * wave,
        "cpu": {"share": 0.08 + 0.5 * busy + 0.06 * wave},
        "memory": {
            "rss_bytes": int(612e6 + 3e6 * wave + 40e6 * busy),
            "uss_bytes": int(540e6 + 3e6 * wave + 40e6 * busy),
        },
        "disk": {"free_bytes": int(21.4e9 - (DAY - (now - at)) * 2200)},
        "delay_interval_ms": {"p50": 380 + 60 * wave + 700 * busy, "p95": 720 + 180 * wave + 2600 * busy},
    }


def day(now: float) -> list[dict[str, Any]]:
    """Return checkpoints of the last day, with a hole where the box was off."""
    moments = [now - DAY + 300 * n for n in range(int(DAY / 300))]
    return [checkpoint(at, now) for at in moments if not 15.2 * HOUR < now - at < 16 * HOUR]


def happened(now: float) -> dict[str, Any]:
    """Return a timeline with two sessions and three gaps."""
    return {
        "sessions": [
            {"id": 6, "started_at": now - 30 * HOUR, "ended_at": now - 16 * HOUR, "ending": "crashed"},
            {"id": 7, "started_at": now - 15.2 * HOUR, "ended_at": None, "ending": None},
        ],
        "gaps": [
            {"id": 1, "started_at": now - 20 * HOUR, "seconds": 37.0, "reason": "device_lost"},
            {"id": 2, "started_at": now - 6 * HOUR, "seconds": 0.4, "reason": "overflow"},
            {"id": 3, "started_at": now - 2 * HOUR, "seconds": 3.8, "reason": "stalled"},
        ],
        "events": [
            {"id": 1, "at": now - 20 * HOUR, "kind": "capture_lost", "detail": "USB Conference Microphone is gone."},
            {
                "id": 2,
                "at": now - 20 * HOUR + 37,
                "kind": "capture_back",
                "detail": "USB Conference Microphone is back.",
            },
            {"id": 3, "at": now - 3 * HOUR, "kind": "reloaded", "detail": "in force: log.level; after a restart: "},
        ],
    }


def heard(now: float, texts: Sequence[str] = HEARD) -> list[dict[str, Any]]:
    """Return what was heard, newest first, one rejected and one that waits among it."""
    found = [
        utterance(4100 - n, text, now - 20 - 47 * n**1.5, audio_kept=n % 3 == 0, delay_ms=380.0 + 37 * n)
        for n, text in enumerate(texts)
    ]
    if len(found) > 5:
        found[5] |= {"status": "rejected", "reasons": ["no_speech_prob 0.81"], "confidence": 0.31}
    return found


def box(now: float) -> FakeApi:
    """Return a box that hears well."""
    api = FakeApi(status(now))
    api.utterances, api.checkpoints, api.timeline = heard(now), day(now), happened(now)
    return api
