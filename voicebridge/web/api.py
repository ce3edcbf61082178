"""What each route of the API answers (its description is in openapi.py)."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from voicebridge import __version__
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.utterance import Status
from voicebridge.domain.window import Json, UtteranceQuery, Window
from voicebridge.web.guard import MAX_BODY_BYTES
from voicebridge.web.parameters import MAX_ID, MAX_ID_DIGITS, Parameters, muted_in
from voicebridge.web.problems import ProblemError, encoded, encoded_lists
from voicebridge.web.readiness import readiness
from voicebridge.web.reads import Reads
from voicebridge.web.recent import Recent

JSON_TYPE = "application/json"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
AUDIO_TYPE = "audio/wav"
STATUS_SECONDS = 0.25
"""How old a status or metrics may be: so often they are made at most, however many ask."""
DAY_SECONDS = 86_400.0
DEFAULT_UTTERANCES = 50
MAX_UTTERANCES = 200
MAX_CHECKPOINTS = 2000
MAX_WHOLE_CHECKPOINTS = 500
"""Without ``fields``, at 3 to 4 kB each."""
DEFAULT_CHECKPOINTS = 500
MAX_TIMELINE_SECONDS = 31 * DAY_SECONDS
MAX_WORDS = 200
STATUSES = tuple(status.value for status in Status)
NO_PARAMETERS: frozenset[str] = frozenset()


def parameters(request: Request, allowed: frozenset[str] = NO_PARAMETERS) -> Parameters:
    """Return the parameters of a request. Raises ProblemError for one that is not allowed."""
    return Parameters(request.query_params.multi_items(), allowed)


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time, seconds since the epoch."""

    since: float
    until: float


class Api:
    """The routes that answer with what is now, and with what was."""

    def __init__(
        self, window: Window, reads: Reads, levers: Reads, *, may_change: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._window = window
        self._may_change = may_change
        self._reads = reads
        self._levers = levers
        self._clock = clock
        self._status = Recent(window.status.status, STATUS_SECONDS)
        self._metrics = Recent(window.status.metrics, STATUS_SECONDS)

    async def healthz(self, request: Request) -> Response:
        """Say that the process is up; whether it hears is another question."""
        parameters(request)
        return _answer({"up": True, "version": __version__})

    async def readyz(self, request: Request) -> Response:
        """Say whether it hears and decodes in time."""
        parameters(request)
        ready, told = readiness(self._status.get())
        return _answer(told, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics(self, request: Request) -> Response:
        """Return the metrics."""
        parameters(request)
        return Response(self._metrics.get(), media_type=METRICS_TYPE)

    async def status(self, request: Request) -> Response:
        """Return the status, and whether anything may be changed over HTTP here."""
        parameters(request)
        return _answer({**self._status.get(), "may_change": self._may_change})

    async def utterances(self, request: Request) -> Response:
        """Return a page of utterances, and where the next one begins."""
        given = parameters(request, frozenset({"since", "until", "status", "words", "limit", "before_id"}))
        query = UtteranceQuery(
            since=given.moment("since"),
            until=given.moment("until"),
            statuses=given.choices("status", STATUSES),
            words=given.text("words", MAX_WORDS).strip(),
            limit=given.whole("limit", 1, MAX_UTTERANCES) or DEFAULT_UTTERANCES,
            before_id=given.whole("before_id", 1, MAX_ID),
        )

        def read() -> bytes:
            found = self._window.store.utterances(query)
            # A search is ordered by how well it fits, and has one page.
            more = found[-1]["utterance_id"] if len(found) == query.limit and not query.words else None
            return encoded_lists({"utterances": list(found), "next_before_id": more})

        return Response(await self._reads.run(read), media_type=JSON_TYPE)

    async def utterance(self, request: Request) -> Response:
        """Return one utterance."""
        parameters(request)
        found = await self._reads.run(partial(self._window.store.utterance, _id_in(request)))
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such utterance.")
        return _answer(found)

    async def audio(self, request: Request) -> Response:
        """Return the audio of an utterance."""
        parameters(request)
        audio = await self._reads.run(partial(self._window.store.audio, _id_in(request)))
        if audio is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such utterance, or its audio is not kept.")
        return Response(audio, media_type=AUDIO_TYPE)

    async def checkpoints(self, request: Request) -> Response:
        """Return checkpoints of the last day, or of another time; whole, or some fields of each."""
        given = parameters(request, frozenset({"since", "until", "after", "limit", "fields"}))
        period, after, fields = self._period(given), given.moment("after"), given.fields("fields")
        # The next number that there is: what was written at that very moment is known already.
        since = period.since if after is None else max(period.since, math.nextafter(after, math.inf))
        limit = given.whole("limit", 1, MAX_CHECKPOINTS) or DEFAULT_CHECKPOINTS
        limit = limit if fields else min(limit, MAX_WHOLE_CHECKPOINTS)

        def read() -> bytes:
            found = self._window.store.checkpoints(since, period.until, limit, fields)
            told = {"since": period.since, "until": period.until, "total": found.total}
            return encoded_lists({**told, "checkpoints": iter(found.records)})

        return Response(await self._reads.run(read), media_type=JSON_TYPE)

    async def timeline(self, request: Request) -> Response:
        """Return gaps, sessions and events of the last day, or of another time of at most a month."""
        period = self._period(parameters(request, frozenset({"since", "until"})))
        since = max(period.since, period.until - MAX_TIMELINE_SECONDS)

        def read() -> bytes:
            found = self._window.store.timeline(since, period.until)
            return encoded_lists({"since": since, "until": period.until, **found})

        return Response(await self._reads.run(read), media_type=JSON_TYPE)

    async def mute(self, request: Request) -> Response:
        """Zero the samples from now on, or no longer."""
        parameters(request)
        muted = muted_in(await _json_in(request))
        by = f"HTTP from {request.client.host}" if request.client and request.client.host else "HTTP"
        try:
            await self._levers.run(partial(self._window.levers.mute, muted, by))
        except VoicebridgeError as error:
            raise ProblemError(HTTPStatus.CONFLICT, str(error)) from error
        return _answer({"muted": muted})

    def _period(self, given: Parameters) -> Period:
        until = given.moment("until")
        until = self._clock() if until is None else until
        since = given.moment("since")
        return Period(max(until - DAY_SECONDS, 0.0) if since is None else since, until)


def _id_in(request: Request) -> int:
    text: str = request.path_params["utterance_id"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0
    if not 1 <= number <= MAX_ID:
        raise ProblemError(HTTPStatus.NOT_FOUND, "There is no such utterance.")
    return number


async def _json_in(request: Request) -> object:
    """Return the body, which is JSON and small. Raises ProblemError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_TYPE:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"The body must be {JSON_TYPE}.")
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body is at most {MAX_BODY_BYTES} bytes.")
        content: object = json.loads(body)
    except ClientDisconnect as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body ended too early.") from error
    except (ValueError, RecursionError) as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "The body is no JSON.") from error
    return content


def _answer(content: Json | dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(encoded(content), status, media_type=JSON_TYPE)
