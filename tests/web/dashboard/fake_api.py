"""A daemon as the dashboard sees it: the page's own files, and the interface's answers from plain data.

Served by the standard library, with the same Content-Security-Policy as the real thing. A test plays scenes: it changes
``status``, publishes events, goes away and comes back on the same port.
"""

import io
import json
import math
import queue
import threading
import time
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import voicebridge.web

STATIC = Path(voicebridge.web.__file__).parent / "static"
TOKEN = "open-sesame"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEARTBEAT_SECONDS = 2.0

Json = dict[str, Any]


class FakeApi:
    """What the daemon would answer. Everything public may be changed by a test at any time."""

    def __init__(self, status: Json) -> None:
        self.status = status
        self.utterances: list[Json] = []
        self.checkpoints: list[Json] = []
        self.timeline: Json = {"gaps": [], "sessions": [], "events": []}
        self.muted_by: list[Json] = []
        self.resumed_from: list[str] = []
        self.asked: list[str] = []
        """Every address that was asked for, with its parameters, in this order."""
        self.clock_ahead_seconds = 0.0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self._readers: list[queue.Queue[bytes | None]] = []
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def come(self) -> None:
        """Serve, on the port of before if there was one."""
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def go(self) -> None:
        """Answer nobody any more."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.put(None)

    def publish(self, kind: str, **content: Any) -> None:
        """Send an event to everybody who reads; one with a ``sequence`` can be resumed from."""
        lines = [f"event: {kind}"] + ([f"id: {content['sequence']}"] if "sequence" in content else [])
        message = "\n".join([*lines, f"data: {json.dumps({'type': kind, **content})}", "", ""]).encode()
        with self._lock:
            for reader in self._readers:
                reader.put(message)

    def hear(self, **utterance: Any) -> None:
        """Store an utterance and tell of it."""
        self.utterances.insert(0, utterance)
        self.publish("utterance", sequence=utterance["settled_sequence"], **utterance)

    def become(self, **status: Any) -> None:
        """Change the status and tell of it."""
        self.status = self.status | status
        told = {name: self.status[name] for name in ("state", "trouble", "reasons", "muted")}
        self.publish("state", **told)

    def subscribe(self) -> queue.Queue[bytes | None]:
        """Return the queue of a new reader; None ends it."""
        reader: queue.Queue[bytes | None] = queue.Queue()
        with self._lock:
            self._readers.append(reader)
        return reader

    @property
    def readers(self) -> int:
        with self._lock:
            return len(self._readers)

    def page(self, query: Mapping[str, str]) -> list[Json]:
        """Return utterances as the store would."""
        words, before = query.get("words", "").lower(), int(query.get("before_id", 1 << 60))
        found = [
            one
            for one in self.utterances
            if words in (one["text"] or "").lower()
            and one["utterance_id"] < before
            and query.get("status", one["status"]) == one["status"]
            and float(query.get("since", 0)) <= one["started_at"] < float(query.get("until", 1 << 60))
        ]
        return found[: int(query.get("limit", 50))]

    def measured(self, query: Mapping[str, str]) -> Json:
        """Return checkpoints as the store would: newer ones, evenly thinned, with the fields asked for."""
        found = [
            one
            for one in self.checkpoints
            if float(query["since"]) <= one["at"] < float(query["until"]) and one["at"] > float(query.get("after", 0))
        ]
        step = -(-len(found) // int(query["limit"])) or 1
        fields = ["at", *query["fields"].split(",")]
        thinned = [one for back, one in enumerate(reversed(found)) if back % step == 0]
        return {"checkpoints": [only(one, fields) for one in reversed(thinned)], "total": len(found)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], api: FakeApi) -> None:
        self.api = api
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers hang up when they please."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden one
        """Say nothing."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        api = self.server.api
        api.asked.append(self.path)
        if path == "/api/status":
            self._json(api.status | {"written_at": time.time() + api.clock_ahead_seconds})
        elif path == "/api/utterances":
            self._json({"utterances": api.page(query)})
        elif path == "/api/checkpoints":
            self._json(api.measured(query))
        elif path == "/api/timeline":
            self._json(api.timeline)
        elif path == "/healthz":
            self._json({"up": True, "version": "1.2.3"})
        elif path == "/api/events":
            self._stream()
        elif path.endswith("/audio"):
            self._send(HTTPStatus.OK, "audio/wav", tone())
        else:
            self._file("index.html" if path == "/" else path.removeprefix("/static/"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            problem = {"title": "Unauthorized", "status": 401, "detail": "The token is missing or wrong."}
            self._send(HTTPStatus.UNAUTHORIZED, "application/problem+json", json.dumps(problem).encode())
            return
        self.server.api.muted_by.append(body)
        self.server.api.become(muted=body["muted"])
        self._json({"muted": body["muted"]})

    def _file(self, name: str) -> None:
        path = STATIC / name
        if "/" in name or not path.is_file():
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"")
            return
        self._send(HTTPStatus.OK, TYPES[path.suffix], path.read_bytes())

    def _json(self, content: Any) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(content).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.server.api.resumed_from.append(self.headers.get("Last-Event-ID", ""))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        reader = self.server.api.subscribe()
        self.wfile.write(b"retry: 1000\n\n")
        while (message := self._next(reader)) is not None:
            self.wfile.write(message)

    @staticmethod
    def _next(reader: "queue.Queue[bytes | None]") -> bytes | None:
        with suppress(queue.Empty):
            return reader.get(timeout=HEARTBEAT_SECONDS)
        return b": still here\n\n"


def only(record: Json, fields: Sequence[str]) -> Json:
    """Return a record with these fields alone, in its shape; what it does not have is null."""
    found: Json = {}
    for field in fields:
        *above, name = field.split(".")
        there, here = record, found
        for one in above:
            there, here = there.get(one, {}), here.setdefault(one, {})
        here[name] = there.get(name)
    return found


def tone(seconds: float = 0.5, rate: int = 16_000) -> bytes:
    """Return a WAV file with a tone."""
    out = io.BytesIO()
    with wave.open(out, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(rate)
        samples = (int(8000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(int(seconds * rate)))
        target.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
    return out.getvalue()


@contextmanager
def served(api: FakeApi) -> Iterator[FakeApi]:
    """Serve while the block runs."""
    api.come()
    try:
        yield api
    finally:
        api.go()
