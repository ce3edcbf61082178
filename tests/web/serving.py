"""The real server on a free port of loopback, before a daemon that is not there."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.window import FakeDaemon
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import access_of
from voicebridge.web.address import listen
from voicebridge.web.app import Application, build
from voicebridge.web.counters import Counters
from voicebridge.web.server import Server

TOKEN = "a-token-for-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WRITES = {**BEARER, "Content-Type": "application/json"}
SECONDS = 30.0
"""How long a test waits before it fails."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A running server."""

    daemon: FakeDaemon
    application: Application
    port: int
    counters: Counters
    now: list[float] = field(default_factory=lambda: [0.0])
    """The clock by which connections are judged."""

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())
        finally:
            connection.close()

    def ask_until(self, done: Callable[[], bool]) -> None:
        """Ask, so that the server's loop turns, until something is so."""
        deadline = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < deadline, "it never came to that"
            self.ask("/healthz")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)

    def sent(self, data: bytes) -> bytes:
        """Return everything that comes back for these bytes until the server closes."""
        with self.connect() as connection:
            connection.sendall(data)
            return everything_from(connection)


def everything_from(connection: socket.socket) -> bytes:
    """Read until the other side closes, in whatever way."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


@contextmanager
def served(daemon: FakeDaemon | None = None, **changed: Any) -> Iterator[Served]:
    """Serve meanwhile, with these settings of ``http``."""
    daemon = daemon or FakeDaemon()
    settings = HttpSettings(**{"bind": "127.0.0.1:0", "token": TOKEN, **changed})
    access, counters, now = access_of(settings), Counters(), [0.0]
    application = build(daemon.window, access, settings, counters)
    server = Server(application, settings, lambda: None, lambda: now[0])
    listener = listen(access.address)
    thread = threading.Thread(target=server.serve_on, args=(listener,), name="http")
    port = listener.getsockname()[1]
    thread.start()
    try:
        yield Served(daemon, application, port, counters, now)
    finally:
        server.stop()
        thread.join(SECONDS)
        assert not thread.is_alive(), "the server did not stop"


class EventReader:
    """Reads server-sent events as they come."""

    def __init__(self, server: Served, path: str = "/api/events", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        self._connection.request("GET", path, headers=headers)
        self.response = self._connection.getresponse()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield ``{"id", "event", "data"}`` until the stream ends; comments and retry as they stand."""
        event: dict[str, Any] = {}
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if not line:
                if event:
                    yield event
                event = {}
                continue
            name, _, value = line.partition(": ")
            event[name or "comment"] = json.loads(value) if name == "data" else value

    def next(self, kind: str) -> dict[str, Any]:
        """Return the next event of this type."""
        for event in self.events():
            if event.get("event") == kind:
                return event
        raise AssertionError(f"the stream ended before there was a {kind}")

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def __enter__(self) -> "EventReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
