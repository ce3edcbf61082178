import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fakes.window import WAV, FakeDaemon, reason, utterance
from tests.web.serving import WRITES, Served, served
from voicebridge.domain.errors import ControlError, StoreBusyError
from voicebridge.domain.window import UtteranceQuery
from voicebridge.web.api import MAX_TIMELINE_SECONDS, MAX_WHOLE_CHECKPOINTS
from voicebridge.web.problems import encoded, encoded_lists
from voicebridge.web.recent import Recent


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def test_the_process_is_up(server: Served) -> None:
    server.daemon.status.now["state"] = "deaf"
    assert server.ask("/healthz").json["up"] is True


def test_it_is_ready_when_it_hears_and_has_an_engine(server: Served) -> None:
    answer = server.ask("/readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "state": "hearing", "reasons": []})


@pytest.mark.parametrize("state", ["starting", "degraded", "deaf", "stopping"])
def test_in_any_other_state_it_is_not_ready_and_says_why(server: Served, state: str) -> None:
    server.daemon.status.now |= {"state": state, "reasons": [reason("muted", degrades=False)]}
    answer = server.ask("/readyz")
    assert (answer.status, answer.json["ready"]) == (503, False)
    assert [told["code"] for told in answer.json["reasons"]] == ["muted", state]


def test_a_reason_that_degrades_is_the_reason_given(server: Served) -> None:
    server.daemon.status.now |= {"state": "deaf", "reasons": [reason("device_lost")]}
    assert server.ask("/readyz").json["reasons"] == [reason("device_lost")]


def test_what_is_only_told_does_not_make_it_unready(server: Served) -> None:
    server.daemon.status.now |= {"reasons": [reason("muted", degrades=False)], "muted": True}
    assert server.ask("/readyz").status == 200


@pytest.mark.parametrize(("engine", "code"), [("loading", "engine_loading"), ("failed", "hearing")])
def test_without_an_engine_it_is_not_ready(server: Served, engine: str, code: str) -> None:
    server.daemon.status.now["engine_state"] = engine
    answer = server.ask("/readyz")
    assert (answer.status, answer.json["reasons"][0]["code"]) == (503, code)


def test_metrics_come_in_prometheus_own_format(server: Served) -> None:
    answer = server.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"voicebridge_up 1.0" in answer.body


def test_a_status_is_made_once_for_many_who_ask() -> None:
    made: list[float] = []
    now = [0.0]
    recent = Recent(lambda: made.append(now[0]), 0.25, lambda: now[0])
    for at in (0.0, 0.1, 0.25, 0.3, 0.31):
        now[0] = at
        recent.get()
    assert made == [0.0, 0.3]


def test_utterances_come_in_pages(server: Served) -> None:
    server.daemon.store.held = [utterance(number) for number in range(1, 6)]
    first = server.ask("/api/utterances?limit=2").json
    assert ([one["utterance_id"] for one in first["utterances"]], first["next_before_id"]) == ([5, 4], 4)
    rest = server.ask("/api/utterances?limit=3&before_id=4").json
    assert [one["utterance_id"] for one in rest["utterances"]] == [3, 2, 1]
    assert server.ask("/api/utterances?limit=10").json["next_before_id"] is None


def test_what_is_asked_of_the_store_is_what_was_asked_for(server: Served) -> None:
    server.ask("/api/utterances?since=1.5&until=2e3&status=done,failed&words=%20lights%20on&limit=7&before_id=9")
    assert server.daemon.store.queries == [UtteranceQuery(1.5, 2000.0, ("done", "failed"), "lights on", 7, 9)]
    server.ask("/api/utterances")
    assert server.daemon.store.queries[1:] == [UtteranceQuery()]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=1_0",
        "limit=1.0",
        "limit=",
        "limit=1&limit=2",
        "since=nan",
        "since=inf",
        "since=-1",
        "since=1e99",
        "since=0x10",
        "until=yesterday",
        "status=gone",
        "status=",
        "status=done,,failed",
        "before_id=9223372036854775808",
        "words=" + "x" * 201,
        "words=a%00b",
        "limits=5",
    ],
)
def test_a_wrong_parameter_is_refused_saying_which(server: Served, query: str) -> None:
    answer = server.ask(f"/api/utterances?{query}")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert query.partition("=")[0] in answer.json["detail"]
    assert server.daemon.store.queries == []


def test_routes_without_parameters_take_none(server: Served) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/api/status", "/openapi.json", "/api/utterances/1"):
        assert server.ask(f"{path}?x=1").status == 400, path


def test_one_utterance_and_its_audio(server: Served) -> None:
    server.daemon.store.held = [utterance(3, audio_kept=True)]
    server.daemon.store.sound[3] = WAV
    assert server.ask("/api/utterances/3").json["text"] == "turn on the light"
    answer = server.ask("/api/utterances/3/audio")
    assert (answer.headers["content-type"], answer.body) == ("audio/wav", WAV)


@pytest.mark.parametrize("number", ["4", "0", "-1", "x", "9" * 19, "9" * 5000, "%D9%A1", "..%2F1"])
def test_what_is_not_there_is_not_found(server: Served, number: str) -> None:
    for path in (f"/api/utterances/{number}", f"/api/utterances/{number}/audio"):
        answer = server.ask(path)
        assert (answer.status, answer.json["status"]) == (404, 404)


def test_checkpoints_are_of_the_last_day_unless_told_otherwise(server: Served) -> None:
    server.daemon.store.records = [{"at": 5.0, "ratio": float("nan")}]
    before = time.time()
    told = server.ask("/api/checkpoints").json
    assert told["checkpoints"] == [{"at": 5.0, "ratio": None}]
    assert told["total"] == 1
    assert before - 86_400 <= told["since"] <= told["until"] - 86_400 + 1
    server.ask("/api/checkpoints?until=100")
    server.ask("/api/checkpoints?since=5&until=6&limit=1")
    assert server.daemon.store.periods[1:] == [(0.0, 100.0), (5.0, 6.0)]


def test_the_status_says_whether_anything_may_be_changed_here(server: Served) -> None:
    assert server.ask("/api/status").json["may_change"] is True
    with served(token="") as without:
        assert without.ask("/api/status").json["may_change"] is False


def test_some_fields_of_checkpoints_may_be_asked_for_and_only_newer_ones(server: Served) -> None:
    server.ask("/api/checkpoints?since=5&until=60&after=7.5&limit=2000&fields=state,memory.rss_bytes,state")
    assert server.daemon.store.fields == [(2000, ("state", "memory.rss_bytes"))]
    ((since, until),) = server.daemon.store.periods
    assert (since > 7.5, since == pytest.approx(7.5), until) == (True, True, 60.0)
    server.ask("/api/checkpoints?since=9&until=60&after=7.5")
    assert server.daemon.store.periods[1] == (9.0, 60.0)


def test_of_whole_checkpoints_fewer_come(server: Served) -> None:
    server.ask("/api/checkpoints?limit=2000")
    assert server.daemon.store.fields == [(MAX_WHOLE_CHECKPOINTS, ())]


@pytest.mark.parametrize(
    "query",
    [
        "fields=",
        "fields=a,,b",
        "fields=a..b",
        "fields=$",
        'fields=a"b',
        "fields=a.b.c.d.e",
        "fields=" + "x" * 41,
        "fields=" + ",".join(f"x{number}" for number in range(33)),
        "after=-1",
        "after=now",
    ],
)
def test_fields_and_times_that_cannot_be_are_refused(server: Served, query: str) -> None:
    answer = server.ask(f"/api/checkpoints?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json["detail"]
    assert server.daemon.store.fields == []


def test_a_timeline_is_of_a_month_at_most(server: Served) -> None:
    told = server.ask("/api/timeline?since=0&until=1e9").json
    assert (told["since"], told["gaps"]) == (1e9 - MAX_TIMELINE_SECONDS, [])
    assert server.daemon.store.periods == [(1e9 - MAX_TIMELINE_SECONDS, 1e9)]


@pytest.mark.parametrize("muted", [True, False])
def test_mute_pulls_the_lever_and_says_who_did(server: Served, muted: bool) -> None:
    answer = server.ask("/api/mute", "POST", WRITES, json.dumps({"muted": muted}).encode())
    assert (answer.status, answer.json) == (200, {"muted": muted})
    assert server.daemon.levers.pulled == [(muted, "HTTP from 127.0.0.1")]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"true", b'{"muted": 1}', b'{"muted": null}', b'{"muted": true, "keep": true}', b"[" * 4000, b"\xff"],
)
def test_a_body_that_says_neither_is_refused(server: Served, body: bytes) -> None:
    assert server.ask("/api/mute", "POST", WRITES, body).status == 400
    assert server.daemon.levers.pulled == []


def test_a_form_of_another_page_is_no_json(server: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert server.ask("/api/mute", "POST", {**WRITES, "Content-Type": kind}, b'{"muted": true}').status == 415
    assert server.daemon.levers.pulled == []


def test_what_cannot_be_muted_is_a_conflict(server: Served) -> None:
    server.daemon.levers.error = ControlError("This session cannot be muted.", "Stop it instead.")
    answer = server.ask("/api/mute", "POST", WRITES, b'{"muted": true}')
    assert (answer.status, answer.json["detail"]) == (409, "This session cannot be muted. Stop it instead.")


def test_a_store_that_fails_is_told_with_its_advice(server: Served) -> None:
    server.daemon.store.error = StoreBusyError("The database is locked.", "End what locks it.")
    for path in (
        "/api/utterances",
        "/api/utterances/1",
        "/api/utterances/1/audio",
        "/api/checkpoints",
        "/api/timeline",
    ):
        answer = server.ask(path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.json["detail"] == "The database is locked. End what locks it."
    assert server.ask("/api/status").status == 200


def test_while_the_store_is_stuck_the_rest_answers_and_those_who_wait_are_bounded() -> None:
    daemon = FakeDaemon()
    daemon.store.gate = threading.Event()
    with served(daemon) as server:
        answers: list[int] = []
        crowd = [
            threading.Thread(target=lambda: answers.append(server.ask("/api/utterances").status)) for _ in range(40)
        ]
        for one in crowd:
            one.start()
        while server.counters.busy < 8:
            assert server.ask("/readyz").status == 200
        daemon.store.gate.set()
        for one in crowd:
            one.join()
        assert sorted(answers) == [200] * 32 + [503] * 8


def test_no_thread_is_begun_to_say_what_is_wrong() -> None:
    daemon = FakeDaemon()
    with served(daemon) as server:
        before = {thread.ident for thread in threading.enumerate()}
        daemon.store.error = RuntimeError("of ours")
        for path in ("/nothing", "/api/utterances?limit=0", "/api/utterances"):
            assert server.ask(path).status >= 400
        new = [thread.name for thread in threading.enumerate() if thread.ident not in before]
        assert set(new) <= {"http-read"}


def test_mute_does_not_wait_for_a_store_that_is_stuck() -> None:
    daemon = FakeDaemon()
    daemon.store.gate = threading.Event()
    with served(daemon) as server:
        crowd = [server.connect() for _ in range(40)]
        for one in crowd:
            one.sendall(b"GET /api/utterances HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.ask_until(lambda: server.counters.busy >= 8)
        answer = server.ask("/api/mute", "POST", WRITES, b'{"muted": true}')
        assert (answer.status, daemon.levers.pulled) == (200, [(True, "HTTP from 127.0.0.1")])
        daemon.store.gate.set()
        for one in crowd:
            one.close()


def test_a_stop_does_not_wait_for_a_store_that_is_stuck(caplog: pytest.LogCaptureFixture) -> None:
    daemon = FakeDaemon()
    daemon.store.gate = threading.Event()
    with served(daemon) as server, server.connect() as connection:
        connection.sendall(b"GET /api/utterances HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.ask("/healthz")
    assert caplog.records == []
    daemon.store.gate.set()


def test_a_fault_of_ours_is_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    with served() as server:
        server.daemon.store.error = RuntimeError("secret")
        answer = server.ask("/api/utterances")
        assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
        assert b"secret" not in answer.body
        assert server.counters.failures == 1
    assert "secret" in caplog.text  # the log is for its owner


def test_json_is_ascii_in_one_line_and_has_no_infinity() -> None:
    strange = {"text": "\u2028\ud800é\n", "ratio": float("inf"), "list": [float("nan"), (1.5,)], "deep": {"x": 1}}
    assert encoded(strange) == rb'{"text":"\u2028\ud800\u00e9\n","ratio":null,"list":[null,[1.5]],"deep":{"x":1}}'
    assert json.loads(encoded_lists(strange)) == json.loads(encoded(strange))
