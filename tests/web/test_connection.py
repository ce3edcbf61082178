import asyncio
import json
import socket
from http import HTTPStatus

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.fakes.window import FakeDaemon
from tests.web.serving import SECONDS, WRITES, Served, everything_from, served
from voicebridge.web.address import address_of, bound, listen
from voicebridge.web.connection import (
    ASK_SECONDS,
    LINGER_SECONDS,
    MAX_HEADER_BYTES,
    MAX_HELD_BYTES,
    MAX_LINGERING_EACH,
    TAKE_SECONDS,
    Bounds,
    Connection,
)
from voicebridge.web.counters import Counters
from voicebridge.web.crowd import Crowd, share_of

ASKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


def answered(connection: socket.socket, request: bytes) -> bytes:
    """Send a request and return the head of its answer; the connection stays open."""
    connection.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        assert piece, "closed before it answered"
        got += piece
    return got


def status_of(got: bytes) -> int:
    return int(got.split(b" ", 2)[1]) if got else 0


@pytest.mark.parametrize("begun", [b"", b"GET /", ASKED, b"POST /api/mute HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_request_that_does_not_come_whole_is_given_up(begun: bytes) -> None:
    with served() as server, server.connect() as connection:
        connection.sendall(begun)
        server.ask("/healthz")  # what was sent before has been seen
        server.now[0] += ASK_SECONDS + 1
        assert status_of(everything_from(connection)) == HTTPStatus.REQUEST_TIMEOUT
        assert server.counters.too_slow == 1


def test_a_body_that_does_not_come_is_given_up() -> None:
    with served() as server, server.connect() as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in WRITES.items())
        connection.sendall(f"POST /api/mute HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 15\r\n\r\n{{".encode())
        server.ask("/healthz")
        server.now[0] += ASK_SECONDS + 1
        assert status_of(everything_from(connection)) == HTTPStatus.REQUEST_TIMEOUT
        assert server.daemon.levers.pulled == []


def test_a_request_after_the_first_has_the_same_time() -> None:
    with served() as server, server.connect() as connection:
        assert status_of(answered(connection, ASKED + b"\r\n")) == 200
        connection.sendall(b"GET /heal")
        server.ask("/healthz")
        server.now[0] += ASK_SECONDS + 1
        everything_from(connection)
        assert server.counters.too_slow == 1


def test_a_byte_now_and_then_makes_no_difference() -> None:
    with served() as server, server.connect() as connection:
        server.ask("/healthz")  # the connection has been seen
        for byte in b"GET /healthz":
            connection.sendall(bytes([byte]))
            server.now[0] += ASK_SECONDS / 10
        assert status_of(everything_from(connection)) == HTTPStatus.REQUEST_TIMEOUT


def test_whoever_has_asked_is_not_hurried() -> None:
    with served() as server, server.connect() as connection:
        connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"retry:" in connection.recv(65536) + connection.recv(65536)
        server.now[0] += 100 * ASK_SECONDS
        server.daemon.feed.settle(1)
        got = b""
        while b"event: utterance" not in got:
            got += connection.recv(65536)
        assert server.counters.too_slow == 0


def test_a_header_that_is_too_large_is_refused() -> None:
    with served() as server:
        got = server.sent(ASKED + b"X: " + b"x" * (MAX_HEADER_BYTES + 70_000))
        assert status_of(got) in {0, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE}  # 0: reset while we still sent
        got = server.sent(b"GET /" + b"x" * (MAX_HEADER_BYTES + 1))
        assert status_of(got) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        assert json.loads(got.partition(b"\r\n\r\n")[2])["status"] == 431
        assert server.counters.bad_requests == 2
        assert server.ask("/healthz").status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"hello\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",  # no Host
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"POST /api/mute HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"POST /api/mute HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(request_: bytes) -> None:
    with served() as server:
        assert status_of(server.sent(request_)) in {400, 501}
        assert server.counters.bad_requests == 1


def test_a_chunked_body_that_grows_too_large_is_refused() -> None:
    with served() as server, server.connect() as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in WRITES.items())
        connection.sendall(
            f"POST /api/mute HTTP/1.1\r\nHost: localhost\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        got = answered(connection, b"1000\r\n" + b" " * 4096 + b"\r\n1000\r\n" + b" " * 4096 + b"\r\n")
        assert status_of(got) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_body_that_goes_on_after_the_answer_is_ended() -> None:
    with served() as server, server.connect() as connection:
        assert status_of(answered(connection, ASKED + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")) == 200
        server.ask("/healthz")
        server.now[0] += ASK_SECONDS + 1
        everything_from(connection)
        assert server.counters.too_slow == 1


def test_several_requests_at_once_are_answered_in_their_order() -> None:
    with served() as server:
        got = server.sent(
            ASKED + b"\r\n" + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + ASKED + b"Connection: close\r\n\r\n"
        )
        assert [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200"]


def test_more_connections_than_allowed_are_told_so() -> None:
    with served(max_connections=4) as server:
        held = [server.connect() for _ in range(4)]
        for connection in held:
            assert status_of(answered(connection, ASKED + b"\r\n")) == 200
        with server.connect() as late:
            late.sendall(ASKED + b"\r\n")
            got = everything_from(late)
        assert status_of(got) == HTTPStatus.SERVICE_UNAVAILABLE
        assert b"Retry-After: 1\r\n" in got
        assert server.counters.turned_away == 1
        for connection in held:
            connection.close()
        assert _answers_again(server)


def _answers_again(server: Served, status: int = 200) -> bool:
    """Ask until it is answered; the server may need a moment to see that connections are closed."""
    return any(_answers(server, status) for _ in range(1000))


def _answers(server: Served, status: int) -> bool:
    try:
        return server.ask("/healthz").status == status
    except OSError:
        return False


def test_one_address_has_a_share_of_the_connections_where_others_can_connect() -> None:
    with served(bind="0.0.0.0:0", max_connections=64) as server:
        held = [server.connect() for _ in range(16)]
        for connection in held:
            assert status_of(answered(connection, ASKED + b"\r\n")) == HTTPStatus.UNAUTHORIZED
        late = [server.connect() for _ in range(40)]
        said = [status_of(everything_from(connection)) for connection in late]
        assert said[0] == HTTPStatus.SERVICE_UNAVAILABLE
        assert said.count(0) >= 40 - MAX_LINGERING_EACH
        assert server.counters.turned_away == 40
        for connection in [*held, *late]:
            connection.close()
        assert _answers_again(server, HTTPStatus.UNAUTHORIZED)


def test_whoever_leaves_makes_room_and_is_forgotten() -> None:
    crowd = Crowd(256, shared=True)
    assert [crowd.enter("192.0.2.1") for _ in range(3)] == [1, 2, 3]
    assert (crowd.share, crowd.enter("192.0.2.2"), crowd.addresses) == (64, 1, 2)
    for _ in range(3):
        crowd.leave("192.0.2.1")
    assert crowd.addresses == 1


@pytest.mark.parametrize(("most", "share"), [(256, 64), (64, 16), (32, 16), (16, 8), (4, 2), (1, 1)])
def test_a_share_is_a_quarter_or_what_a_browser_needs(most: int, share: int) -> None:
    assert share_of(most) == share


def test_whoever_was_turned_away_and_stays_is_cut_off() -> None:
    with served(max_connections=4) as server:
        held = [server.connect() for _ in range(4)]
        for connection in held:
            answered(connection, ASKED + b"\r\n")
        with server.connect() as late:
            assert status_of(answered(late, b"")) == 503
            server.now[0] += LINGER_SECONDS + 1
            late.settimeout(SECONDS)
            while True:
                try:
                    late.sendall(b"x")
                except OSError:
                    break
        for connection in held:
            connection.close()


def test_of_a_crowd_the_rest_is_closed_without_a_word() -> None:
    with served(max_connections=4) as server:
        crowd = [server.connect() for _ in range(100)]
        said = [status_of(everything_from(connection)) for connection in crowd[90:]]
        assert set(said) == {0}
        for connection in crowd:
            connection.close()
        assert server.counters.turned_away >= 90
        assert _answers_again(server)


def test_a_reader_that_takes_nothing_of_a_long_answer_is_cut_off() -> None:
    daemon = FakeDaemon()
    daemon.store.sound[1] = bytes(MAX_HELD_BYTES - 1_000_000)
    with served(daemon) as server:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(SECONDS)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(b"GET /api/utterances/1/audio HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(4).startswith(b"HTTP")
            # Time goes on only while nothing is taken; each look is one tick of the server.
            while not server.counters.not_reading:
                server.now[0] += TAKE_SECONDS / 2
                server.ask("/healthz")
            got = everything_from(connection)
        assert len(got) < MAX_HELD_BYTES - 1_000_000


def test_answers_that_nobody_takes_are_bounded_together() -> None:
    daemon = FakeDaemon()
    daemon.store.sound[1] = bytes(MAX_HELD_BYTES // 2)
    with served(daemon) as server:
        crowd = [server.connect() for _ in range(3)]
        for connection in crowd:
            connection.sendall(b"GET /api/utterances/1/audio HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(1) == b"H"
        server.ask_until(lambda: server.counters.not_reading > 0)  # no time goes on by the clock
        for connection in crowd:
            connection.close()


async def _written_to_crowd(readers: int, size: int) -> tuple[int, int]:
    """Write so much to each of those that do not read, while nobody looks; return what is held and how many went."""

    async def answers_nothing(_scope: object, _receive: object, _send: object) -> None:
        pass

    counters = Counters()
    config = uvicorn.Config(answers_nothing, http="h11", lifespan="off", log_config=None, ws="none")
    config.load()
    state = ServerState()
    bounds = Bounds(256, Crowd(256, shared=False), counters, lambda: 0.0)
    made: list[Connection] = []

    def connection() -> Connection:
        made.append(Connection(config, state, {}, bounds=bounds))
        return made[-1]

    loop = asyncio.get_running_loop()
    listener = listen(address_of("127.0.0.1:0"))
    bound(listener)
    async with await loop.create_server(connection, sock=listener):
        crowd = [socket.create_connection(listener.getsockname(), SECONDS) for _ in range(readers)]
        while sum(one.transport is not None for one in made) < readers:
            await asyncio.sleep(0)
        for one in made:
            one.transport.write(bytes(size))
        held = sum(one.held_bytes for one in made)
        for one in made:
            one.transport.abort()
        await asyncio.sleep(0)
        for client in crowd:
            client.close()
    return held, counters.not_reading


def test_no_more_is_held_for_them_not_even_until_the_next_look() -> None:
    held, dropped = asyncio.run(_written_to_crowd(20, MAX_HELD_BYTES // 2))
    assert held <= MAX_HELD_BYTES
    assert dropped >= 17


def test_a_reader_that_takes_its_time_gets_everything() -> None:
    daemon = FakeDaemon()
    daemon.store.sound[1] = bytes(3_000_000)
    with served(daemon) as server, server.connect() as connection:
        connection.sendall(b"GET /api/utterances/1/audio HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := connection.recv(50_000):
            got += len(piece)
            server.now[0] += TAKE_SECONDS / 10
        assert got > 3_000_000
        assert server.counters.not_reading == 0
