"""Answers that say what is wrong (RFC 9457, application/problem+json), and JSON that any parser takes."""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

PROBLEM_TYPE = "application/problem+json"


class ProblemError(Exception):
    """A request that is not answered as it was meant."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def body_of(status: HTTPStatus, detail: str) -> bytes:
    """Return the body of an answer that says what is wrong."""
    return encoded({"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail})


def answer_to(problem: ProblemError) -> Response:
    """Return the answer that says what is wrong."""
    return Response(body_of(problem.status, problem.detail), problem.status, problem.headers, PROBLEM_TYPE)


def encoded(content: Any) -> bytes:
    """Return JSON in one line of ASCII. What JSON cannot say (infinity, no number) becomes null."""
    try:
        return _dumped(content)
    except ValueError:
        return _dumped(_finite(content))


def encoded_lists(content: Mapping[str, Any]) -> bytes:
    """Return an object as ``encoded`` does, whose lists may be long, or come one item after the other.

    Each of their items is encoded by itself: one call holds the interpreter for all of its time (10 MB: a tenth of a
    second), and the audio device does not wait that long.
    """
    return b"{" + b",".join(encoded(key) + b":" + _listed(value) for key, value in content.items()) + b"}"


def _listed(value: Any) -> bytes:
    if isinstance(value, list | tuple | Iterator):
        return b"[" + b",".join(encoded(item) for item in value) + b"]"
    return encoded(value)


def _dumped(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and content - content != 0:
        return None
    return content
