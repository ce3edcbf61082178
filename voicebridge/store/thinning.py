"""Thinning: rows that gather by themselves, bounded for a process that runs for years.

Utterances are the owner's and go only when they are forgotten; gaps are what was lost of them and stay with them. A
session in which nothing was heard tells nobody anything after a year.
"""

from typing import TYPE_CHECKING

from voicebridge.store.database import transaction
from voicebridge.store.retention import SECONDS_PER_DAY

if TYPE_CHECKING:
    from sqlite_utils import Database

FULL_ANCHOR_DAYS = 7
"""Anchors older than this are thinned to the first of each hour and session (24 a day instead of 1440): between two of
them a sound card drifts by 0.4 s at the most (100 ppm). Every utterance has its wall time in its own row anyway."""
EVENT_DAYS = 365
"""Events older than this are deleted."""
SESSION_DAYS = 365
"""Sessions without an utterance that ended before this are deleted, with their gaps, anchors and events."""
ANCHOR_SECONDS = 3600


def thin_out(db: "Database", now: float) -> int:
    """Delete old anchors but one an hour, and events and empty sessions of more than a year ago; return how many rows.

    Raises StoreError. ``now`` is in seconds since the epoch.
    """
    with transaction(db):
        anchors = db.conn.execute(
            """DELETE FROM anchors WHERE realtime_seconds < :before AND id NOT IN (
                SELECT min(id) FROM anchors WHERE realtime_seconds < :before
                GROUP BY session_id, CAST(realtime_seconds / :every AS INTEGER)
            )""",
            {"before": now - FULL_ANCHOR_DAYS * SECONDS_PER_DAY, "every": ANCHOR_SECONDS},
        )
        events = db.conn.execute("DELETE FROM events WHERE noted_at < ?", (now - EVENT_DAYS * SECONDS_PER_DAY,))
        sessions = db.conn.execute(
            "DELETE FROM sessions WHERE ended_at < ? AND ending IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM utterances WHERE session_id = sessions.id)",
            (now - SESSION_DAYS * SECONDS_PER_DAY,),
        )
        return anchors.rowcount + events.rowcount + sessions.rowcount
