"""The description, and whether the interface keeps to it (schemathesis)."""

import json
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema_rs import Draft202012Validator
from pydantic import SecretStr

from tests.fakes.window import WAV, FakeDaemon, utterance
from tests.web.serving import TOKEN, served
from voicebridge.settings.schema import HttpSettings
from voicebridge.web.access import access_of
from voicebridge.web.app import Application, build
from voicebridge.web.counters import Counters
from voicebridge.web.openapi import description

ENDLESS = "/api/events"
EXAMPLES = 30


def application() -> Application:
    daemon = FakeDaemon()
    daemon.store.held = [utterance(number) for number in range(1, 4)]
    daemon.store.sound = {1: WAV}
    daemon.store.records = [{"at": 1.0}]
    wanted = HttpSettings(
        bind="127.0.0.1:80", token=SecretStr(TOKEN), allowed_hosts="testserver", requests_per_second=100_000
    )
    return build(daemon.window, access_of(wanted), wanted, Counters())


APPLICATION = application()
CONFIG = schemathesis.Config.from_dict({"generation": {"mode": "all"}})
schema = schemathesis.openapi.from_asgi("/openapi.json", APPLICATION.asgi, config=CONFIG)


@schema.exclude(path=ENDLESS).parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_the_interface_keeps_to_its_description(case: "schemathesis.Case[Any]") -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})


def test_every_route_is_described() -> None:
    described = set(description()["paths"])
    served_paths = {route.path for route in APPLICATION.routes}
    assert served_paths - described == {"/", "/static/{path:path}", "/openapi.json"}
    assert described <= served_paths


def test_every_schema_is_one() -> None:
    for name, wanted in description()["components"]["schemas"].items():
        Draft202012Validator({**wanted, "components": description()["components"]})
        assert wanted["type"] == "object", name


def test_the_description_is_served() -> None:
    with served() as server:
        answer = server.ask("/openapi.json")
        assert (answer.status, answer.json) == (200, json.loads(json.dumps(description())))


def test_events_keep_to_their_description() -> None:
    with served() as server:
        server.daemon.feed.settle(1, 2)
        api = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
        # Only what comes within this time is read: the stream has no end.
        case = api[ENDLESS]["GET"].Case(query={"last_event_id": 0})
        response = case.call_and_validate(timeout=0.5)
        assert b"id: 2\nevent: utterance" in response.content
        assert api[ENDLESS]["GET"].Case(query={"types": "x"}).call_and_validate().status_code == 400
