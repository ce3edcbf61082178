"""Rows of the table of utterances, and what they mean."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from voicebridge.domain.audio import Span
from voicebridge.domain.text import as_unicode
from voicebridge.domain.utterance import (
    DecodeKind,
    EndedUtterance,
    EndReason,
    Outcome,
    PendingUtterance,
    Status,
    UtteranceKey,
    UtteranceRecord,
    Word,
    confidence_of,
)

RECORD_SQL = """SELECT utterances.*, audio.path AS audio_path, settled.sequence AS settled_sequence FROM utterances
    LEFT JOIN audio ON audio.utterance_id = utterances.id LEFT JOIN settled ON settled.utterance_id = utterances.id"""
"""Rows for ``record_of``; a condition may follow."""

_RECORD_COLUMNS = (
    "session_id",
    "start_sample",
    "end_sample",
    "started_at",
    "ended_at",
    "speech_ratio",
    "attempts",
    "text",
    "language",
    "confidence",
    "avg_logprob",
    "no_speech_prob",
    "compression_ratio",
    "engine",
    "model",
    "decode_ms",
    "delay_ms",
    "audio_path",
    "window_seconds",
)
"""Columns of a row that a record takes as they are."""
_TRANSCRIPT_COLUMNS = (
    "text",
    "engine",
    "model",
    "decode_ms",
    "language",
    "language_probability",
    "avg_logprob",
    "no_speech_prob",
    "compression_ratio",
    "temperature",
    "encoder_passes",
    "window_seconds",
    "fallback",
)
"""Fields of a transcript that are columns as they are."""

Row = Mapping[str, Any]


def record_of(row: Row) -> UtteranceRecord:
    """Return the utterance that a row of ``RECORD_SQL`` holds."""
    return UtteranceRecord(
        utterance_id=row["id"],
        status=Status(row["status"]),
        end_reason=EndReason(row["end_reason"]),
        words=tuple(Word(*word) for word in json.loads(row["words"] or "[]")),
        fallback=row["fallback"] or "",
        kind=DecodeKind(row["decode_kind"] or DecodeKind.FINAL),
        reasons=tuple(json.loads(row["reasons"] or "[]")),
        settled_sequence=row.get("settled_sequence"),
        **{name: row[name] for name in _RECORD_COLUMNS},
    )


def pending_of(row: Row) -> PendingUtterance:
    """Return the pending utterance that a row of the table holds."""
    ended = EndedUtterance(
        key=UtteranceKey(row["session_id"], row["start_sample"]),
        span=Span(row["start_sample"], row["end_sample"]),
        speech=Span(row["speech_start"], row["speech_end"]),
        speech_ratio=row["speech_ratio"],
        reason=EndReason(row["end_reason"]),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
    return PendingUtterance(row["id"], ended, row["attempts"], bool(row["recovered"]))


def columns_of_ended(ended: EndedUtterance) -> dict[str, Any]:
    """Return the columns of an utterance at its endpoint."""
    return {
        "session_id": ended.key.session_id,
        "status": Status.PENDING.value,
        "start_sample": ended.span.start,
        "end_sample": ended.span.end,
        "speech_start": ended.speech.start,
        "speech_end": ended.speech.end,
        "speech_ratio": ended.speech_ratio,
        "end_reason": ended.reason.value,
        "started_at": ended.started_at,
        "ended_at": ended.ended_at,
    }


def columns_of_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return the columns that the outcome of a decode sets; without a transcript its columns stay empty."""
    columns: dict[str, Any] = {"status": outcome.status.value, "reasons": json.dumps(outcome.reasons)}
    transcript = outcome.transcript
    if transcript is None:
        return columns
    return {
        **columns,
        **columns_of_words(transcript.words),
        "decode_kind": transcript.kind.value,
        **{name: storable(getattr(transcript, name)) for name in _TRANSCRIPT_COLUMNS},
    }


def columns_of_words(words: Sequence[Word]) -> dict[str, Any]:
    """Return the columns of words and of the confidence that is their mean."""
    listed = [(word.text, word.start_sample, word.end_sample, word.probability) for word in words]
    return {"words": storable(json.dumps(listed, ensure_ascii=False)), "confidence": confidence_of(words)}


def storable(value: Any) -> Any:
    """Return text with what is no Unicode replaced (names of files that are not UTF-8), anything else as it is."""
    return as_unicode(value) if isinstance(value, str) else value
