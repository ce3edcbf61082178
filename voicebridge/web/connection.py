"""One connection: uvicorn's, with the bounds that uvicorn does not have.

Uvicorn (0.54) bounds the header, and how long a connection may stay idle between two requests. It waits for ever for a
header or body that does not come, for a reader that does not read, and takes any number of connections. All of that is
looked at here once a second, by ``Connection.look``.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from voicebridge.web.counters import Counters
from voicebridge.web.crowd import Crowd
from voicebridge.web.problems import PROBLEM_TYPE, body_of

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import RequestResponseCycle
    from uvicorn.server import ServerState

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES = 16 * 1024
"""Request line and headers together; h11 refuses more."""
KEEP_ALIVE_SECONDS = 5
"""How long a connection may stay idle between two requests."""
ASK_SECONDS = 10.0
"""How long a request may take to arrive whole: line, headers and body."""
TAKE_SECONDS = 10.0
"""How long a reader may take nothing of what is held for it."""
LINGER_SECONDS = 1.0
"""How long one that was turned away may take to read why."""
MAX_LINGERING = 64
"""Connections that are told why they are turned away; of more, each is closed without a word."""
MAX_LINGERING_EACH = 8
"""As much, of one address that has more than its share."""
MAX_HELD_BYTES = 8_000_000
"""Of answers that their readers have not taken yet, all together; the largest are dropped."""


@dataclass(slots=True)
class Bounds:
    """What the connections of one server share; used by its loop's thread alone."""

    max_connections: int
    crowd: Crowd
    counters: Counters
    clock: Callable[[], float]


class Connection(H11Protocol):
    """A connection that is given up when its client takes too long."""

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: "asyncio.AbstractEventLoop | None" = None,
        *,
        bounds: Bounds,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._asking_since: float | None = bounds.clock()
        self._held = 0
        self._held_since: float | None = None
        self._turned_away_at: float | None = None

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin, or turn it away when there are too many."""
        super().connection_made(transport)
        self._bounds.counters.connections += 1
        crowd = self._bounds.crowd
        beyond_share = crowd.enter(self._address) - crowd.share
        beyond = len(self.connections) - self._bounds.max_connections
        if beyond > 0 or beyond_share > 0:
            self._turn_away(silently=beyond > MAX_LINGERING or beyond_share > MAX_LINGERING_EACH)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another one."""
        super().connection_lost(exc)
        self._bounds.crowd.leave(self._address)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; of a connection that was turned away it is thrown away."""
        if self._turned_away_at is None and not self.transport.is_closing():
            super().data_received(data)
            self._note_asking()

    def on_response_complete(self) -> None:
        """Go on to the next request, which may be here in part."""
        super().on_response_complete()
        self._note_asking()

    def eof_received(self) -> None:
        """Nothing more is asked: one that was turned away has read why."""
        if self._turned_away_at is not None:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, saying whether it was too long."""
        self._bounds.counters.bad_requests += 1
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else HTTPStatus.BAD_REQUEST
        self._refuse(HTTPStatus(hint), str(error) if error is not None else msg)
        self.transport.close()

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def held_bytes(self) -> int:
        """What its reader has not taken yet, and the kernel does not hold."""
        return self.transport.get_write_buffer_size()

    def drop(self) -> None:
        """Close it, throwing away what its reader has not taken."""
        self._bounds.counters.not_reading += 1
        # Not close(): that waits until what is held has been taken.
        self.transport.abort()

    def look(self, now: float) -> None:
        """Give it up if its client takes too long; called about once a second."""
        if self._turned_away_at is not None and now - self._turned_away_at > LINGER_SECONDS:
            self.transport.abort()
        elif self._asking_since is not None and now - self._asking_since > ASK_SECONDS:
            self._give_up_asking()
        elif self._takes_nothing(now):
            self.drop()

    def _note_asking(self) -> None:
        """Note since when a request is under way that has not arrived whole."""
        state = self.conn.their_state
        # Between two requests uvicorn's own timer runs, until something of the next one comes.
        if state is not h11.SEND_BODY and not (state is h11.IDLE and self.timeout_keep_alive_task is None):
            self._asking_since = None
        elif self._asking_since is None:
            self._asking_since = self._bounds.clock()

    def _give_up_asking(self) -> None:
        self._bounds.counters.too_slow += 1
        self._asking_since = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The request did not arrive within {ASK_SECONDS:g} s.")
        self.transport.close()

    def _takes_nothing(self, now: float) -> bool:
        """Say whether something has been held for so long without any of it being taken."""
        held, before = self.held_bytes, self._held
        self._held = held
        if not held or held < before or self._held_since is None:
            self._held_since = now if held else None
            return False
        return now - self._held_since > TAKE_SECONDS

    def pause_writing(self) -> None:
        """Look at what is held for all, as this one's reader does not take it: a second later it may be too much."""
        super().pause_writing()
        drop_largest([one for one in self.connections if isinstance(one, Connection)])

    def resume_writing(self) -> None:
        """Much was taken; what is held now may be as much again."""
        super().resume_writing()
        self._held_since = None

    def _turn_away(self, *, silently: bool) -> None:
        counters = self._bounds.counters
        counters.turned_away += 1
        self._turned_away_at = self._bounds.clock()
        self._asking_since = None
        if silently:
            self.transport.abort()
            return
        self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "There are too many connections.", "Retry-After: 1\r\n")
        # Not closed at once: a request that arrives meanwhile would reset the connection, and this with it.
        self.transport.write_eof()

    def _refuse(self, status: HTTPStatus, detail: str, headers: str = "") -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            return  # it would stand in the middle of an answer
        body = body_of(status, detail)
        head = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: {PROBLEM_TYPE}\r\nContent-Length: {len(body)}\r\n"
            f"X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n{headers}Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)


def drop_largest(connections: Sequence[Connection], most_bytes: int = MAX_HELD_BYTES) -> None:
    """Drop those that hold most, until all together hold no more than so much."""
    total = sum(connection.held_bytes for connection in connections)
    if total <= most_bytes:
        return
    for connection in sorted(connections, key=lambda one: one.held_bytes, reverse=True):
        total -= connection.held_bytes
        connection.drop()
        if total <= most_bytes:
            return
