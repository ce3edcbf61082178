"""What the daemon has stored, with moments on CLOCK_MONOTONIC."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voicebridge.domain.timeline import Anchor, Timeline
from voicebridge.domain.utterance import DecodeKind
from voicebridge.settings import paths
from voicebridge.store.database import open_database
from voicebridge_bench.latency.delays import Stored


def read_stored(state: Path) -> list[Stored]:
    """Return the settled utterances of the one session in a state directory. Raises StoreError."""
    database = open_database(paths.database_path(state), read_only=True)
    try:
        rows = list(database.query("SELECT * FROM utterances WHERE status != 'pending' ORDER BY id"))
        anchors = list(database.query("SELECT * FROM anchors ORDER BY sample_index, id"))
    finally:
        database.close()
    return [] if not anchors else stored_of(rows, anchors)


def pending(state: Path) -> int:
    """Return how many utterances wait for their text. Raises StoreError."""
    database = open_database(paths.database_path(state), read_only=True)
    try:
        (row,) = database.query("SELECT count(*) AS waiting FROM utterances WHERE status = 'pending'")
        return int(row["waiting"])
    finally:
        database.close()


def stored_of(rows: Sequence[Mapping[str, Any]], anchors: Sequence[Mapping[str, Any]]) -> list[Stored]:
    """Return rows of the database as they are matched."""
    timeline = Timeline(_anchor(anchors[0]))
    for anchor in anchors[1:]:
        timeline.add(_anchor(anchor))
    return [
        Stored(
            utterance_id=row["id"],
            status=row["status"],
            began_at=timeline.monotonic_seconds(row["start_sample"]),
            ended_at=timeline.monotonic_seconds(row["end_sample"]),
            speech_ended_at=timeline.monotonic_seconds(row["speech_end"]),
            speech_end_sample=row["speech_end"],
            end_reason=row["end_reason"],
            decode_ms=row["decode_ms"],
            delay_ms=row["delay_ms"],
            text=row["text"] or "",
            early=row["decode_kind"] == DecodeKind.SPECULATIVE,
        )
        for row in rows
    ]


def _anchor(row: Mapping[str, Any]) -> Anchor:
    return Anchor(row["sample_index"], row["monotonic_seconds"], row["realtime_seconds"])
