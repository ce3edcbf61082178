"""The schemas of what the interface answers (JSON Schema 2020-12). What is not named here may come as well."""

from typing import Any

from voicebridge.domain.utterance import DecodeKind, EndReason, Status
from voicebridge.web.events import KINDS

_NUMBER = {"type": "number"}
_WHOLE = {"type": "integer"}
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_STATES = ["starting", "hearing", "degraded", "deaf", "stopping"]


def _object(needed: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(needed), "properties": {**needed, **optional}}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_REASON = _object({"code": _TEXT, "sentence": _TEXT, "advice": _TEXT, "degrades": _FLAG})
_PERIOD = {"since": _NUMBER, "until": _NUMBER}
_UTTERANCE = _object(
    {
        "utterance_id": _WHOLE,
        "session_id": _WHOLE,
        "status": {"enum": [status.value for status in Status]},
        "started_at": _NUMBER,
        "ended_at": _NUMBER,
        "text": _maybe(_TEXT),
    },
    start_sample=_WHOLE,
    end_sample=_WHOLE,
    speech_ratio=_NUMBER,
    end_reason={"enum": [reason.value for reason in EndReason]},
    attempts=_WHOLE,
    language=_maybe(_TEXT),
    words=_list(_object({"text": _TEXT, "start_sample": _WHOLE, "end_sample": _WHOLE, "probability": _NUMBER})),
    confidence=_maybe(_NUMBER),
    avg_logprob=_maybe(_NUMBER),
    no_speech_prob=_maybe(_NUMBER),
    compression_ratio=_maybe(_NUMBER),
    engine=_maybe(_TEXT),
    model=_maybe(_TEXT),
    decode_ms=_maybe(_NUMBER),
    delay_ms={**_maybe(_NUMBER), "description": "From the end of speech to the commit of the text."},
    window_seconds={**_maybe(_NUMBER), "description": "Audio that the encoder was given, padding included."},
    fallback={
        **_TEXT,
        "description": "Why the short window was not believed and this is the full one's; empty when it was.",
    },
    decode_kind={
        "enum": [kind.value for kind in DecodeKind],
        "description": "When it was decoded: `speculative`, before its end was certain, or `final`.",
    },
    reasons=_list(_TEXT),
    audio_kept=_FLAG,
    settled_sequence={**_maybe(_WHOLE), "description": "The id of its event, when it is settled."},
)
SCHEMAS: dict[str, Any] = {
    "Problem": _object({"type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT}),
    "Reason": _REASON,
    "Health": _object({"up": {"const": True}, "version": _TEXT}),
    "Readiness": _object({"ready": _FLAG, "state": {"enum": _STATES}, "reasons": _list(_REASON)}),
    "Status": _object(
        {
            "state": {"enum": _STATES},
            "reasons": _list(_REASON),
            "session_id": _WHOLE,
            "started_at": _NUMBER,
            "source": _TEXT,
            "engine_state": {"enum": ["loading", "ready", "failed"]},
            "muted": _FLAG,
            "may_change": {
                **_FLAG,
                "description": "Whether anything may be changed over HTTP here: a token is set.",
            },
            "waiting": _WHOLE,
            "backlog_seconds": _NUMBER,
        }
    ),
    "Utterance": _UTTERANCE,
    "Utterances": _object(
        {"utterances": _list({"$ref": "#/components/schemas/Utterance"}), "next_before_id": _maybe(_WHOLE)}
    ),
    "Checkpoints": _object(
        {
            **_PERIOD,
            "total": {**_WHOLE, "description": "How many there are in this time, before they are thinned."},
            "checkpoints": _list(_object({}, at=_NUMBER)),
        }
    ),
    "Timeline": _object(
        {
            **_PERIOD,
            "gaps": _list(_object({"started_at": _NUMBER, "seconds": _NUMBER, "reason": _TEXT})),
            "sessions": _list(_object({"id": _WHOLE, "started_at": _NUMBER, "ended_at": _maybe(_NUMBER)})),
            "events": _list(_object({"at": _NUMBER, "kind": _TEXT, "detail": _maybe(_TEXT)})),
            "totals": {
                **_object({"gaps": _WHOLE, "gap_seconds": _NUMBER, "sessions": _WHOLE, "events": _WHOLE}),
                "description": "Of all there are; a list holds 1000 at most: the longest gaps, the newest others. "
                "`gap_seconds` is what was lost within this time.",
            },
        }
    ),
    "Event": _object(
        {"data": {"type": "string", "contentMediaType": "application/json", "description": "JSON with a `type`."}},
        event={"enum": list(KINDS)},
        id={"type": "string", "pattern": "^[0-9]+$"},
        retry=_WHOLE,
    ),
    "Muted": {**_object({"muted": _FLAG}), "additionalProperties": False},
}
