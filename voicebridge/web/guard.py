"""The guard before every route: Host, Origin, rate, size and token are looked at before anything is done.

Against DNS rebinding the Host header must be a name that was allowed; against other pages in the same browser whatever
a browser says of where a request comes from (Origin, Sec-Fetch-Site) must be this page. There are no CORS headers.
"""

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from voicebridge.web.access import Access
from voicebridge.web.counters import Counters
from voicebridge.web.problems import ProblemError, answer_to
from voicebridge.web.rate import Rates

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 4096
MAX_LENGTH_DIGITS = 20
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every answer."""
READ_CHALLENGE = 'Bearer realm="voicebridge", Basic realm="voicebridge", charset="UTF-8"'
"""Basic too, with the token as password, for a browser can open a page with nothing else."""
WRITE_CHALLENGE = 'Bearer realm="voicebridge"'
"""Not Basic: a browser would send that along by itself, whoever has made it ask."""


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: "ASGIApp", access: Access, rates: Rates, counters: Counters) -> None:
        self._app = app
        self._access = access
        self._rates = rates
        self._counters = counters

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        self._counters.requests += 1
        send = _with_headers(send)
        try:
            self._look_at(scope)
        except ProblemError as problem:
            await answer_to(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _look_at(self, scope: "Scope") -> None:
        client = scope.get("client")
        self._limit(self._rates.take_share(client[0] if client else ""))
        headers = Headers(scope)
        try:
            host = headers.only(b"host")
            self._check_host(scope, host)
            _check_origin(scope, headers, host)
            _check_size(headers)
            self._check_token(scope, headers)
        except ProblemError:
            self._counters.refused += 1
            raise
        # Last, so that whoever has no token takes nothing of what those who have one share.
        self._limit(self._rates.take())

    def _limit(self, may_pass: bool) -> None:
        if not may_pass:
            self._counters.limited += 1
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests in this second.", {"Retry-After": "1"})

    def _check_host(self, scope: "Scope", host: str) -> None:
        name = name_of(host)
        server = scope.get("server")
        # Of a wildcard the connection's own address is the bind address; a name cannot be bound to that.
        itself = self._access.address.everywhere and server is not None and name.strip("[]") == server[0]
        if name not in self._access.hosts and not itself:
            raise ProblemError(
                HTTPStatus.MISDIRECTED_REQUEST, "This Host is not served here; http.allowed_hosts names those that are."
            )

    def _check_token(self, scope: "Scope", headers: "Headers") -> None:
        writes = scope["method"] not in SAFE_METHODS
        if not writes and self._access.address.local:
            return
        if writes and not self._access.token:
            raise ProblemError(HTTPStatus.FORBIDDEN, "Nothing may be changed here: no http.token is set.")
        if not self._access.knows(_token_in(headers.only(b"authorization"), basic=not writes)):
            challenge = WRITE_CHALLENGE if writes else READ_CHALLENGE
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED, "The token is missing or wrong.", {"WWW-Authenticate": challenge}
            )


class Headers:
    """The headers of a request; one that is repeated is refused where it decides something."""

    def __init__(self, scope: "Scope") -> None:
        self._pairs: list[tuple[bytes, bytes]] = scope["headers"]

    def only(self, name: bytes) -> str:
        """Return the one value of a header, or nothing. Raises ProblemError when there are several."""
        values = [value for key, value in self._pairs if key == name]
        if len(values) > 1:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"The header {name.decode('ascii')} is repeated.")
        return values[0].decode("latin-1").strip() if values else ""


def name_of(host: str) -> str:
    """Return the name in a Host header, without its port and in lower case; nothing if it is none."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        return host.lower()
    return name.lower() if port.isascii() and port.isdigit() else ""


def _check_origin(scope: "Scope", headers: Headers, host: str) -> None:
    origin, site = headers.only(b"origin"), headers.only(b"sec-fetch-site").lower()
    # A link from elsewhere, or an address that was typed in, may open the page; nothing of it is seen elsewhere.
    opens_page = headers.only(b"sec-fetch-mode") == "navigate" and scope["path"] == "/" and scope["method"] == "GET"
    if origin and origin.lower() not in {f"http://{host}".lower(), f"https://{host}".lower()}:
        raise ProblemError(HTTPStatus.FORBIDDEN, "Other origins are not served.")
    if site not in {"", "none", "same-origin"} and not opens_page:
        raise ProblemError(HTTPStatus.FORBIDDEN, "Requests from other sites are not served.")


def _check_size(headers: Headers) -> None:
    length = headers.only(b"content-length")
    digits = length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS
    if length and not (digits and int(length) <= MAX_BODY_BYTES):
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body is at most {MAX_BODY_BYTES} bytes.")


def _token_in(authorization: str, *, basic: bool) -> bytes:
    scheme, _, credentials = authorization.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials.encode("latin-1")
    if scheme.lower() == "basic" and basic:
        try:
            return base64.b64decode(credentials, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _with_headers(send: "Send") -> "Send":
    async def send_with_headers(message: "Message") -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
