"""The application: every route, and the guard around all of them."""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicebridge.domain.window import Window
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import Access
from voicebridge.web.api import JSON_TYPE, Api, parameters
from voicebridge.web.counters import Counters
from voicebridge.web.events import Events
from voicebridge.web.guard import Guard
from voicebridge.web.openapi import description
from voicebridge.web.problems import ProblemError, answer_to, encoded
from voicebridge.web.rate import Rates
from voicebridge.web.reads import LEVERS, Reads
from voicebridge.web.static_files import StaticFiles, read_static
from voicebridge.web.streams import Streams

logger = logging.getLogger(__name__)

STREAM_SHARE = 7 / 8
"""Of the connections: the rest is left for those who only ask."""


@dataclass(frozen=True, slots=True)
class Application:
    """The application, and what its server needs of it."""

    asgi: Guard
    routes: tuple[Route, ...]
    streams: Streams
    counters: Counters
    shared: bool
    """Whether other machines can connect: then each address has its share."""


def build(window: Window, access: Access, settings: HttpSettings, counters: Counters) -> Application:
    """Join the routes."""

    async def fault(_request: Request, _error: Exception) -> Response:
        # Starlette raises it again, and uvicorn logs it with its traceback.
        counters.failures += 1
        return answer_to(ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "This is our mistake; the log has details."))

    reads = Reads(counters)
    streams = Streams(window, reads, counters, most=int(settings.max_connections * STREAM_SHARE))
    api = Api(window, reads, Reads(counters, LEVERS), may_change=bool(access.token))
    routes = _routes(api, Events(streams), StaticFiles(read_static()))
    handlers = {ProblemError: _problem, HTTPException: _refusal, Exception: fault}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    shared = not access.address.local
    guard = Guard(app, access, Rates(settings.requests_per_second, shared=shared), counters)
    return Application(guard, routes, streams, counters, shared)


def _routes(api: Api, events: Events, static: StaticFiles) -> tuple[Route, ...]:
    described = encoded(description())

    async def openapi(request: Request) -> Response:
        parameters(request)
        return Response(described, media_type=JSON_TYPE)

    return (
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
        Route("/metrics", api.metrics),
        Route("/api/status", api.status),
        Route("/api/utterances", api.utterances),
        Route("/api/utterances/{utterance_id}", api.utterance),
        Route("/api/utterances/{utterance_id}/audio", api.audio),
        Route("/api/checkpoints", api.checkpoints),
        Route("/api/timeline", api.timeline),
        Route("/api/events", events.events),
        Route("/api/mute", api.mute, methods=["POST"]),
        Route("/openapi.json", openapi),
        Route("/static/{path:path}", static.named),
        Route("/", static.index),
    )


# Not plain functions: Starlette would call those in threads, up to 40 of them.
async def _problem(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, ProblemError)
    return answer_to(problem)


async def _refusal(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HTTPException)
    return answer_to(ProblemError(HTTPStatus(refusal.status_code), refusal.detail, refusal.headers))
