"""What happened in a time: gaps, sessions and events, for those who look through the window (HTTP).

Lists are bounded, and say so: ``totals`` has the true numbers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from voicebridge.domain.units import SAMPLE_RATE
from voicebridge.store.database import told

if TYPE_CHECKING:
    from sqlite_utils import Database

MAX_ROWS = 1000
"""Most of one kind in one answer."""
# The wall time of a gap is its session's newest anchor before it, and the samples since. One pass over gaps and anchors
# in the order of their samples: to look for each gap's anchor by itself took minutes for a day of one gap a second.
_TOUCHED = f"""WITH marks AS (
        SELECT NULL AS gap_id, id AS anchor_id, session_id, sample_index AS start_sample FROM anchors
            WHERE session_id IN (SELECT DISTINCT session_id FROM gaps WHERE noted_at >= :since)
        UNION ALL
        SELECT id, NULL, session_id, start_sample FROM gaps WHERE noted_at >= :since
    ), anchored AS (
        SELECT gap_id, max(anchor_id) OVER (
            PARTITION BY session_id ORDER BY start_sample, gap_id ROWS UNBOUNDED PRECEDING
        ) AS anchor_id FROM marks
    ), timed AS (
        SELECT gaps.id, gaps.session_id, gaps.reason, gaps.start_sample, gaps.end_sample,
            (gaps.end_sample - gaps.start_sample) / {float(SAMPLE_RATE)} AS seconds,
            coalesce(
                anchors.realtime_seconds + (gaps.start_sample - anchors.sample_index) / {float(SAMPLE_RATE)},
                gaps.noted_at - (gaps.end_sample - gaps.start_sample) / {float(SAMPLE_RATE)}
            ) AS started_at
        FROM anchored JOIN gaps ON gaps.id = anchored.gap_id LEFT JOIN anchors ON anchors.id = anchored.anchor_id
    ), touched AS MATERIALIZED (
        SELECT * FROM timed WHERE started_at < :until AND started_at + seconds >= :since
    )"""  # noqa: S608 - our own numbers
_SESSIONS = "sessions WHERE started_at < :until AND (ended_at IS NULL OR ended_at >= :since)"
_EVENTS = "events WHERE noted_at >= :since AND noted_at < :until"


def happened(db: "Database", since: float, until: float) -> dict[str, Any]:
    """Return ``gaps``, ``sessions`` and ``events`` that touch this time (seconds since the epoch), oldest first.

    Of more than ``MAX_ROWS`` gaps the longest are given, of sessions and events the newest. ``totals`` counts all of
    them; its ``gap_seconds`` is what was lost within this time. Without an anchor (a source that is not paced) a gap
    ends when it was noted. Raises StoreError.
    """
    times = {"since": since, "until": until}
    with told(db):
        gaps, totals = _gaps(db, times)
        return {
            "gaps": gaps,
            "sessions": _newest(
                db, "id, started_at, ended_at, ending, version, source, engine, model", _SESSIONS, times
            ),
            "events": _newest(db, "id, session_id, noted_at AS at, kind, detail", _EVENTS, times),
            "totals": {
                **totals,
                "sessions": _count(db, _SESSIONS, times),
                "events": _count(db, _EVENTS, times),
            },
        }


def _gaps(db: "Database", times: dict[str, float]) -> tuple[Sequence[dict[str, Any]], dict[str, Any]]:
    """Return the longest gaps, and the totals of all."""
    sql = f"""{_TOUCHED} SELECT *, (SELECT count(*) FROM touched) AS gaps_total,
            (SELECT sum(min(started_at + seconds, :until) - max(started_at, :since)) FROM touched) AS gap_seconds
        FROM (SELECT * FROM touched ORDER BY seconds DESC, id DESC LIMIT :limit) ORDER BY id"""  # noqa: S608 - our own tables
    found = list(db.query(sql, {**times, "limit": MAX_ROWS}))
    totals = {"gaps": 0, "gap_seconds": 0.0}
    for gap in found:
        totals = {"gaps": gap.pop("gaps_total"), "gap_seconds": gap.pop("gap_seconds")}
    return found, totals


def _newest(db: "Database", columns: str, rows: str, times: dict[str, float]) -> Sequence[dict[str, Any]]:
    sql = f"SELECT * FROM (SELECT {columns} FROM {rows} ORDER BY id DESC LIMIT :limit) ORDER BY id"  # noqa: S608 - ours
    return list(db.query(sql, {**times, "limit": MAX_ROWS}))


def _count(db: "Database", rows: str, times: dict[str, float]) -> int:
    total: int = db.conn.execute(f"SELECT count(*) FROM {rows}", times).fetchone()[0]  # noqa: S608 - our own tables
    return total
