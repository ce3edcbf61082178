"""HTTP in the installed, hardened unit: on this machine only, and true within ten seconds."""

import json
import time
from typing import Any

from tests.box.figures import Figures
from tests.box.service import UNIT, Service
from tests.box.sound import Sound

ADDRESS = "http://127.0.0.1:8090"
TRUE_SECONDS = 10.0


def _asked(service: Service, path: str, *options: str) -> tuple[int, str]:
    """Return status and body of an answer; 0 when there was none."""
    told = service.box.run(
        "curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}", *options, ADDRESS + path, check=False
    ).stdout
    body, _, status = told.rpartition("\n")
    return int(status or 0), body


def _ready(service: Service) -> tuple[bool, set[str]]:
    status, body = _asked(service, "/readyz")
    found: dict[str, Any] = json.loads(body) if body else {}
    return status == 200, {reason["code"] for reason in found.get("reasons", ())}


def test_the_unit_serves_this_machine_and_nobody_else(service: Service, speech: object, figures: Figures) -> None:
    listening = service.box.run("ss", "-Hltn", "sport = :8090").stdout.split()
    pages = {path: _asked(service, path) for path in ("/", "/healthz", "/readyz", "/metrics", "/api/status")}
    forged, _ = _asked(service, "/api/status", "--header", "Host: evil.example")
    written, _ = _asked(service, "/api/mute", "--request", "POST", "--json", '{"muted": true}')
    found = {path: status for path, (status, _) in pages.items()}
    passed = set(found.values()) == {200} and "127.0.0.1:8090" in listening and {forged, written} == {421, 403}
    told = f"{found}; another Host {forged}, mute without a token {written}"
    figures.note("HTTP in the hardened unit", 1, told, "200; 421; 403", passed)
    assert passed
    assert "voicebridge_frames_total" in pages["/metrics"][1]


def test_readiness_follows_the_microphone(service: Service, sound: Sound, figures: Figures) -> None:
    away, back, codes = [], [], set[str]()
    for _ in range(figures.several):
        service.wait_hearing()
        service.box.wait_until(lambda: _ready(service)[0], "ready", 30)
        began = time.monotonic()
        sound.unload()
        service.box.wait_until(lambda: not _ready(service)[0], "not ready", 30)
        away.append(time.monotonic() - began)
        codes |= _ready(service)[1]
        began = time.monotonic()
        sound.load()
        service.box.wait_until(lambda: _ready(service)[0], "ready", 30)
        back.append(time.monotonic() - began)
    gone = figures.note_seconds("/readyz says 503 after the microphone went", away, TRUE_SECONDS)
    returned = figures.note_seconds("/readyz says 200 after its return", back, TRUE_SECONDS)
    assert gone
    assert returned
    assert codes & {"device_lost", "no_frames"}, codes


def test_a_bind_that_others_can_reach_wants_a_token(service: Service, figures: Figures) -> None:
    box = service.box
    service.set(http__bind="0.0.0.0:8090")
    refused = box.run("voicebridge", "--state-dir", "/var/tmp/open", "run", "--file", "/dev/null", check=False)
    box.run("rm", "-rf", "/var/tmp/open")
    told = refused.stderr.strip().splitlines()[0] if refused.stderr.strip() else ""
    passed = refused.rc == 78 and "http.token" in refused.stderr
    figures.note("HTTP for others without a token", 1, f"status {refused.rc}: {told[:120]}", "78, names it", passed)
    assert passed
    assert box.properties(UNIT, "ActiveState")["ActiveState"] == "active"
