from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from tests.fakes.window import FakeDaemon
from tests.web.serving import BEARER, TOKEN, WRITES, Served, served
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import access_of
from voicebridge.web.app import build
from voicebridge.web.counters import Counters
from voicebridge.web.guard import HEADERS, name_of
from voicebridge.web.rate import MAX_ADDRESSES, Bucket, Rates

MUTE = b'{"muted": true}'


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def every_route(server: Served) -> list[tuple[str, str]]:
    """Return method and an example of the path of every route there is."""
    found = []
    for route in server.application.routes:
        path = route.path.replace("{utterance_id}", "1").replace("{path:path}", "app.js")
        found += [(method, path) for method in sorted(route.methods or ())]
    return found


def body_for(method: str) -> bytes | None:
    return MUTE if method == "POST" else None


def test_every_route_there_is_is_looked_at(server: Served) -> None:
    assert {path for _, path in every_route(server)} >= {"/", "/static/app.js", "/metrics", "/api/mute", "/api/events"}
    assert len(every_route(server)) >= 27


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.", "", "127.0.0.1:x", "[::2]"]
)
def test_a_forged_host_is_refused_on_every_route(server: Served, host: str) -> None:
    for method, path in every_route(server):
        answer = server.ask(path, method, {**WRITES, "Host": host}, body_for(method))
        assert answer.status == 421, (method, path)
    assert server.daemon.levers.pulled == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_another_origin_is_refused_on_every_route(server: Served, headers: dict[str, str]) -> None:
    for method, path in every_route(server):
        answer = server.ask(path, method, {**WRITES, **headers}, body_for(method))
        assert answer.status == 403, (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
    assert server.daemon.levers.pulled == []


def test_a_link_from_elsewhere_may_open_the_page_and_nothing_else(server: Served) -> None:
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.ask("/", headers=clicked).status == 200
    assert server.ask("/api/status", headers=clicked).status == 403
    assert server.ask("/", headers={**clicked, "Origin": "http://evil.example"}).status == 403


def test_the_page_itself_may_ask_for_everything(server: Served) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert server.ask("/api/status", headers=own).status == 200
    assert server.ask("/api/mute", "POST", {**WRITES, **own}, MUTE).status == 200
    server.daemon.levers.pulled.clear()


def test_no_answer_opens_anything_to_other_origins(server: Served) -> None:
    for method, path in every_route(server):
        if path != "/api/events" or method == "HEAD":
            answer = server.ask(path, method, WRITES, body_for(method))
            assert not [name for name in answer.headers if name.startswith("access-control")], (method, path)
            assert all(answer.headers[name.lower()] == value for name, value in HEADERS.items()), (method, path)
    server.daemon.levers.pulled.clear()


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_everywhere(server: Served, method: str) -> None:
    for _, path in every_route(server):
        answer = server.ask(path, method, BEARER)
        assert answer.status == 405, (method, path)
        assert "GET" in answer.headers["allow"] or answer.headers["allow"] == "POST"


def test_api_answers_are_kept_nowhere(server: Served) -> None:
    assert server.ask("/api/status").headers["cache-control"] == "no-store"
    assert server.ask("/api/nothing").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"Authorization": "Basic OmEtdG9rZW4tZm9yLXRoZS10ZXN0cw=="},  # right, but a browser would send it by itself
    ],
)
def test_a_write_needs_the_token(server: Served, headers: dict[str, str]) -> None:
    answer = server.ask("/api/mute", "POST", {"Content-Type": "application/json", **headers}, MUTE)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="voicebridge"')
    assert server.daemon.levers.pulled == []


def test_nothing_can_be_changed_where_there_is_no_token() -> None:
    with served(token="") as server:
        assert server.ask("/api/mute", "POST", WRITES, MUTE).status == 403
        assert server.ask("/api/status").status == 200
        assert server.daemon.levers.pulled == []


def exposed(bind: str = "192.0.2.7:80", **settings: str) -> TestClient:
    """Return a client of an address that others can reach, as it is seen from outside."""
    wanted = HttpSettings(bind=bind, token=TOKEN, **settings)  # type: ignore[arg-type]  # as pydantic takes them
    application = build(FakeDaemon().window, access_of(wanted), wanted, Counters())
    return TestClient(application.asgi, base_url=f"http://{bind.replace('0.0.0.0', '192.0.2.7')}")


def test_everything_needs_the_token_where_others_can_reach_it(server: Served) -> None:
    client = exposed()
    for method, path in every_route(server):
        assert client.request(method, path).status_code == 401, (method, path)
        assert client.request(method, path, headers={"Authorization": "Basic OndyYW5n"}).status_code == 401
    assert client.get("/api/status", headers=BEARER).status_code == 200


def test_a_browser_may_read_with_the_token_as_its_password() -> None:
    assert exposed().get("/", auth=("anybody", TOKEN)).status_code == 200
    refused = exposed().get("/")
    assert "Basic" in refused.headers["www-authenticate"]
    assert exposed().get("/", headers={b"Authorization": b"Basic \xff"}).status_code == 401


def test_on_all_addresses_the_one_that_was_reached_is_a_name() -> None:
    client = exposed("0.0.0.0:80")
    assert client.get("/healthz", headers=BEARER).status_code == 200
    assert client.get("/healthz", headers={**BEARER, "Host": "192.0.2.8"}).status_code == 421


def test_names_in_the_settings_are_answered() -> None:
    client = exposed(allowed_hosts="box.local")
    assert client.get("/healthz", headers={**BEARER, "Host": "Box.local:8090"}).status_code == 200


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization", "Content-Length"])
def test_a_header_that_decides_is_refused_when_it_is_repeated(server: Served, name: str) -> None:
    value = {"Host": "localhost", "Origin": "http://localhost", "Content-Length": "0"}.get(name, "Bearer x")
    host = "" if name == "Host" else "Host: localhost\r\n"
    got = server.sent(
        f"POST /api/mute HTTP/1.1\r\n{host}{name}: {value}\r\n{name}: {value}\r\nConnection: close\r\n\r\n".encode()
    )
    assert got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 "))
    assert server.daemon.levers.pulled == []


@pytest.mark.parametrize("length", ["4097", "9" * 19, "9" * 30])
def test_a_body_that_is_said_to_be_large_is_not_waited_for(server: Served, length: str) -> None:
    got = server.sent(
        f"POST /api/mute HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode()
        + MUTE
    )
    assert got.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))


def test_more_requests_than_allowed_are_told_when_to_come_back() -> None:
    with served(requests_per_second=3) as server:
        answers = [server.ask("/healthz") for _ in range(30)]
        assert {answer.status for answer in answers} == {200, 429}
        refused = next(answer for answer in answers if answer.status == 429)
        assert (refused.headers["retry-after"], refused.json["status"]) == ("1", 429)
        assert server.counters.limited == sum(answer.status == 429 for answer in answers)


def test_a_bucket_lets_its_rate_through_and_as_many_at_once() -> None:
    now = [0.0]
    bucket = Bucket(10, lambda: now[0])
    assert sum(bucket.take() for _ in range(50)) == 10
    now[0] = 0.25
    assert sum(bucket.take() for _ in range(50)) == 2
    now[0] = 1000.0
    assert sum(bucket.take() for _ in range(50)) == 10


def test_an_address_has_its_share_where_others_can_ask() -> None:
    rates = Rates(40, shared=True, clock=lambda: 0.0)
    assert [sum(rates.take_share(address) for _ in range(50)) for address in ("192.0.2.1", "192.0.2.2")] == [16, 16]
    alone = Rates(40, shared=False, clock=lambda: 0.0)
    assert sum(alone.take_share("127.0.0.1") for _ in range(50)) == 50


def test_of_addresses_only_so_many_are_remembered() -> None:
    rates = Rates(4, shared=True, clock=lambda: 0.0)
    assert [rates.take_share("192.0.2.1") for _ in range(3)] == [True, True, False]
    for number in range(MAX_ADDRESSES - 1):
        rates.take_share(f"192.0.2.2-{number}")
    assert not rates.take_share("192.0.2.1")
    for number in range(MAX_ADDRESSES):
        rates.take_share(f"192.0.2.3-{number}")
    assert rates.take_share("192.0.2.1")  # forgotten


def test_whoever_has_no_token_keeps_nobody_out_who_has_one() -> None:
    wanted = HttpSettings(bind="192.0.2.7:80", token=SecretStr(TOKEN), requests_per_second=4)
    application = build(FakeDaemon().window, access_of(wanted), wanted, Counters())

    def seen_from(address: str) -> TestClient:
        return TestClient(application.asgi, base_url="http://192.0.2.7", client=(address, 1))

    flood = [seen_from(f"192.0.2.{number % 20 + 20}").get("/healthz").status_code for number in range(100)]
    assert set(flood) == {401, 429}
    assert seen_from("192.0.2.99").get("/healthz", headers=BEARER).status_code == 200


@given(st.text(max_size=40))
def test_any_host_header_has_a_name_or_none(host: str) -> None:
    assert name_of(host) in {"", host.lower(), host.rpartition(":")[0].lower()}


def test_a_unix_socket_is_asked_as_localhost(tmp_path: Path) -> None:
    wanted = HttpSettings(bind=f"unix:{tmp_path / 'http'}")
    application = build(FakeDaemon().window, access_of(wanted), wanted, Counters())
    client = TestClient(application.asgi, base_url="http://localhost")
    assert client.get("/readyz").status_code == 200
