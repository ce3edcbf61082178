"""The description of the interface (OpenAPI 3.1), served as /openapi.json."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from voicebridge import __version__
from voicebridge.web.api import (
    AUDIO_TYPE,
    DEFAULT_CHECKPOINTS,
    DEFAULT_UTTERANCES,
    JSON_TYPE,
    MAX_CHECKPOINTS,
    MAX_UTTERANCES,
    MAX_WHOLE_CHECKPOINTS,
    MAX_WORDS,
    STATUSES,
)
from voicebridge.web.events import EVENT_TYPE, KINDS
from voicebridge.web.parameters import FIELD_PATTERN, MAX_FIELDS, MAX_ID, MAX_SECONDS
from voicebridge.web.problems import PROBLEM_TYPE
from voicebridge.web.schemas import SCHEMAS

Described: TypeAlias = dict[str, Any]

_ANYWHERE = {
    "400": "A parameter or header is wrong, unknown or repeated.",
    "401": "The token is missing or wrong.",
    "403": "Another origin or site asks, or nothing may be changed here.",
    "413": "The body is too large.",
    "421": "This Host is not served.",
    "429": "Too many requests; Retry-After says when to come back.",
    "500": "Our mistake.",
}
_STORE = {"503": "The store does not answer now; Retry-After says when to come back."}
_MOMENT = {"type": "number", "minimum": 0, "maximum": MAX_SECONDS}


def description() -> Described:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Voicebridge",
            "version": __version__,
            "description": (
                "Status, metrics, what was heard and what happens. Times are seconds since the epoch (UTC). Where "
                "other machines can reach the address, every request needs the token; everywhere, whatever changes "
                "something does. What is unknown is refused, so that a misspelt parameter is noticed."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {**_health(), **_heard(), **_measured(), **_live()},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The setting http.token."}
            },
        },
    }


def _health() -> Described:
    ready = {"200": _json("It hears, and decodes in time.", "Readiness")}
    not_ready = {"503": _json("It does not: the reasons say why.", "Readiness")}
    return {
        "/healthz": _get("Is the process up? Nothing else is said by this.", {"200": _json("It is.", "Health")}),
        "/readyz": _get("Does it hear, and decode in time?", ready | not_ready),
        "/metrics": _get(
            "Metrics in Prometheus' text format.",
            {"200": _content("The metrics.", "text/plain", {"type": "string"})},
        ),
        "/api/status": _get("How the daemon is now.", {"200": _json("The status.", "Status")}),
    }


def _heard() -> Described:
    listed = (
        *_period("began"),
        _query("status", "Only these.", _choices(STATUSES), style="form", explode=False),
        _query("words", "Search; the best come first, in one page.", {"type": "string", "maxLength": MAX_WORDS}),
        _query("limit", "At most so many.", _whole(1, MAX_UTTERANCES, DEFAULT_UTTERANCES)),
        _query("before_id", "Only older ones: `next_before_id` of the page before.", _whole(1, MAX_ID)),
    )
    one = (_path("utterance_id", _whole(1, MAX_ID)),)
    none = {"404": _problem("There is no such utterance, or its audio is not kept.")}
    return {
        "/api/utterances": _get(
            "What was heard, newest first.", {"200": _json("A page.", "Utterances")}, listed, _STORE
        ),
        "/api/utterances/{utterance_id}": _get(
            "One utterance, with its words.", {"200": _json("It.", "Utterance"), **none}, one, _STORE
        ),
        "/api/utterances/{utterance_id}/audio": _get(
            "Its audio, when it is kept.",
            {
                "200": _content(
                    "16 kHz, mono, 16 bit.", AUDIO_TYPE, {"type": "string", "contentMediaType": AUDIO_TYPE}
                ),
                **none,
            },
            one,
            _STORE,
        ),
    }


def _measured() -> Described:
    wanted = (
        *_period("were written"),
        _query("after", "Only newer ones: `at` of the newest one that is known.", _MOMENT),
        _query(
            "limit",
            f"At most so many, thinned evenly; of whole records at most {MAX_WHOLE_CHECKPOINTS}.",
            _whole(1, MAX_CHECKPOINTS, DEFAULT_CHECKPOINTS),
        ),
        _query(
            "fields",
            f"Only these fields of each, and `at`: at most {MAX_FIELDS}, with dots into objects "
            "(`state,memory.rss_bytes`). What a record does not have is null.",
            {
                "type": "array",
                "items": {"type": "string", "pattern": f"^{FIELD_PATTERN}$"},
                "minItems": 1,
                "maxItems": MAX_FIELDS,
                "uniqueItems": True,
            },
            style="form",
            explode=False,
        ),
    )
    return {
        "/api/checkpoints": _get(
            "Health records, oldest first; of the last day by default.",
            {"200": _json("The checkpoints.", "Checkpoints")},
            wanted,
            _STORE,
        ),
        "/api/timeline": _get(
            "Gaps, sessions and events of the last day, or of another time of at most 31 days.",
            {"200": _json("What happened.", "Timeline")},
            _period("touch it"),
            _STORE,
        ),
    }


def _live() -> Described:
    resume = (
        _query("types", "Only these types; all when left out.", _choices(KINDS), style="form", explode=False),
        _query("last_event_id", "As the header of this name, for clients that cannot set it.", _whole(0, MAX_ID)),
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "Begin with what was settled after this event.",
            "schema": {"type": "string", "pattern": "^[0-9]{0,18}$"},
        },
    )
    mute = _operation("Zero the samples from now on, or no longer.", {"200": _json("Done.", "Muted")})
    mute["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": _ref("Muted")}}}
    mute["security"] = [{"token": []}]
    mute["responses"] |= {
        "409": _problem("This cannot be muted."),
        "415": _problem(f"The body is not {JSON_TYPE}."),
        "503": _problem("The disk does not take it."),
    }
    return {
        "/api/events": _get(
            "Server-sent events, without end: utterances as they are settled (their ids are what to resume after), "
            "the words of an utterance with their times once they are known (`words`), what open speech says so far "
            "(`partial`: `stable` text, which only grows, and `tentative` text after it, which may change; join them "
            "as they are; only the newest is sent, none is sent again, and they are made while somebody asks for "
            "them), what was heard and waits, speech, state, level (at most 5 a second), gaps and more. Heartbeats "
            "are comments.",
            {"200": _content("Events until the connection ends; of each:", EVENT_TYPE, _ref("Event"))},
            resume,
            {"503": "Too many others are reading along."},
        ),
        "/api/mute": {"post": mute},
    }


def _get(
    summary: str, responses: Described, parameters: Sequence[Described] = (), more: Mapping[str, str] | None = None
) -> Described:
    operation = _operation(summary, responses)
    operation["parameters"] = list(parameters)
    operation["responses"] |= {status: _problem(detail) for status, detail in (more or {}).items()}
    operation["security"] = [{}, {"token": []}]
    return {"get": operation}


def _operation(summary: str, responses: Described) -> Described:
    refusals = {status: _problem(detail) for status, detail in _ANYWHERE.items()}
    return {"summary": summary, "responses": {**responses, **refusals}}


def _json(text: str, schema: str) -> Described:
    return _content(text, JSON_TYPE, _ref(schema))


def _problem(text: str) -> Described:
    return _content(text, PROBLEM_TYPE, _ref("Problem"))


def _content(text: str, media_type: str, schema: Described) -> Described:
    return {"description": text, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> Described:
    return {"$ref": f"#/components/schemas/{name}"}


def _period(verb: str) -> tuple[Described, Described]:
    return (
        _query("since", f"Only those that {verb} at or after this time.", _MOMENT),
        _query("until", f"Only those that {verb} before this time.", _MOMENT),
    )


def _query(name: str, text: str, schema: Described, **more: Any) -> Described:
    return {"name": name, "in": "query", "description": text, "schema": schema, **more}


def _path(name: str, schema: Described) -> Described:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _whole(low: int, high: int, default: int | None = None) -> Described:
    schema: Described = {"type": "integer", "minimum": low, "maximum": high}
    return schema if default is None else {**schema, "default": default}


def _choices(known: Sequence[str]) -> Described:
    return {"type": "array", "items": {"type": "string", "enum": list(known)}, "minItems": 1, "uniqueItems": True}
