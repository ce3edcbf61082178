"""Uvicorn in a thread that is not the main one, with a sign of life a second and an end that does not wait long."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from functools import partial

import uvicorn

from voicebridge.domain.window import Window
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import Access
from voicebridge.web.address import bound
from voicebridge.web.app import Application, build
from voicebridge.web.connection import KEEP_ALIVE_SECONDS, MAX_HEADER_BYTES, Bounds, Connection, drop_largest
from voicebridge.web.counters import Counters
from voicebridge.web.crowd import Crowd

TICK_SECONDS = 1.0
TICKS = 10
"""What uvicorn counts in a second: its ticks are a tenth of one, which is ten wake-ups for nothing."""
FLUSH_SECONDS = 0.5
"""How long readers may take what is held for them when it stops."""
STOP_SECONDS = 1
"""How long requests that are under way are waited for then."""
UVICORN = "uvicorn.error"
"""Uvicorn's logger of everything but requests."""


class Server(uvicorn.Server):
    """Serves until ``stop``. One is used for one run."""

    def __init__(
        self,
        application: Application,
        settings: HttpSettings,
        sign: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._sign = sign
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        crowd = Crowd(settings.max_connections, shared=application.shared)
        self._bounds = Bounds(settings.max_connections, crowd, application.counters, clock)
        super().__init__(self._config())

    def stop(self) -> None:
        """Ask it to end; from any thread, before it runs or while it does."""
        self.should_exit = True
        if self._loop is not None and self._stopping is not None:
            # A loop that has ended meanwhile needs no word.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)

    def serve_on(self, listener: socket.socket) -> None:
        """Serve a listening socket until it is stopped, and close it."""
        bound(listener)
        with listener:
            asyncio.run(self.serve([listener]))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        # What it says of its own life is said by us; of requests that are no HTTP it would write a line for each.
        logging.getLogger(UVICORN).setLevel(logging.ERROR)
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Tick once a second until it is stopped."""
        assert self._stopping is not None
        tick = 0
        while not await self.on_tick(tick):
            tick += TICKS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)

    async def on_tick(self, counter: int) -> bool:
        """Give a sign of life, and look at every connection."""
        self._sign()
        now = self._bounds.clock()
        connections = self._connections()
        for connection in connections:
            connection.look(now)
        drop_largest(connections)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every stream, then the connections; who does not take its answer is not waited for long."""
        for server in self.servers:
            server.close()
        self._application.streams.close_all()
        deadline = self._loop_time() + FLUSH_SECONDS
        while (held := self._holding()) and self._loop_time() < deadline:
            await asyncio.sleep(FLUSH_SECONDS / 10)
        for connection in held:
            connection.transport.abort()
        # What it says of requests that it cancels now (a store that is stuck) is no fault.
        logging.getLogger(UVICORN).setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    def _holding(self) -> list[Connection]:
        """Return the connections whose readers have not taken everything."""
        return [one for one in self._connections() if one.held_bytes]

    def _connections(self) -> list[Connection]:
        return [one for one in self.server_state.connections if isinstance(one, Connection)]

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._application.asgi,
            loop="asyncio",
            # In place of a class: uvicorn only calls it.
            http=partial(Connection, bounds=self._bounds),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )


def server(
    window: Window, access: Access, settings: HttpSettings, counters: Counters, sign: Callable[[], None]
) -> Server:
    """Return a server that is ready to run."""
    return Server(build(window, access, settings, counters), settings, sign)
