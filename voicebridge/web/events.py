"""`/api/events`: server-sent events (WHATWG HTML, section 9.2)."""

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from voicebridge.web.api import parameters
from voicebridge.web.parameters import MAX_ID, MAX_ID_DIGITS
from voicebridge.web.problems import ProblemError
from voicebridge.web.streams import Stream, Streams

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

EVENT_TYPE = "text/event-stream"
KINDS = (
    "utterance",
    "words",
    "partial",
    "pending",
    "speech",
    "state",
    "level",
    "gap",
    "capture",
    "mute",
    "engine",
    "store",
)
"""Types of events that can be asked for."""
HEADERS = {"X-Accel-Buffering": "no"}


class Events:
    """Serves the streams."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def events(self, request: Request) -> Response:
        """Tell what happens until the client goes away."""
        given = parameters(request, frozenset({"types", "last_event_id"}))
        kinds = frozenset(given.choices("types", KINDS))
        asked, seen = given.whole("last_event_id", 0, MAX_ID), _sequence_in(request.headers.get("last-event-id", ""))
        # The header is newer: a browser comes back with it to the address that it began with.
        last = asked if seen is None else seen
        if request.method == "HEAD":
            return Response(headers=HEADERS, media_type=EVENT_TYPE)
        return _Telling(self._streams, self._streams.open(kinds), last)


class _Telling(StreamingResponse):
    """One stream as a response; whatever ends it, the stream is closed."""

    def __init__(self, streams: Streams, stream: Stream, last: int | None) -> None:
        super().__init__(streams.told(stream, last), headers=HEADERS, media_type=EVENT_TYPE)
        self._streams = streams
        self._stream = stream

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.close(self._stream)


def _sequence_in(header: str) -> int | None:
    if not header:
        return None
    digits = header.isascii() and header.isdigit() and len(header) <= MAX_ID_DIGITS
    if not (digits and int(header) <= MAX_ID):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Last-Event-ID must be an id that was sent before.")
    return int(header)
