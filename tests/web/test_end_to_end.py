"""A whole daemon, as a person runs it, seen over HTTP on a UNIX socket."""

import http.client
import json
import socket
import threading
import time
import wave
from collections.abc import Generator, Iterator
from contextlib import closing
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.children import FIRST, silence, write_wav
from tests.fakes.recordings import librivox, with_pauses
from tests.system.daemon import DaemonProcess
from tests.web.serving import SECONDS, TOKEN, WRITES
from voicebridge.domain.errors import ExitCode
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import say

PATIENCE_SECONDS = 120.0


class UnixConnection(http.client.HTTPConnection):
    """A connection to a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.connect(str(self._path))


def ask(path: Path, what: str, method: str = "GET", body: str | None = None, **headers: str) -> tuple[int, bytes]:
    with closing(UnixConnection(path)) as connection:
        connection.request(method, what, body, headers)
        response = connection.getresponse()
        return response.status, response.read()


def events(path: Path, **headers: str) -> Generator[dict[str, Any], None, None]:
    with closing(UnixConnection(path)) as connection:
        connection.request("GET", "/api/events", headers=headers)
        with connection.getresponse() as lines:
            for line in lines:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


def first(found: Iterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(event for event in found if event["type"] == kind)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    speech = with_pauses(librivox()[:2], 1.5)
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(speech.tobytes())
        file.writeframes(bytes(2 * SAMPLE_RATE * 60))
    settings = {
        "http.enabled": "true",
        "http.bind": f"unix:{tmp_path / 'http'}",
        "http.token": TOKEN,
        "engine.kind": "sphinx",
        "store.retain_audio": "forever",
    }
    process = DaemonProcess(tmp_path / "state", ["--file", str(tmp_path / "speech.wav"), "--realtime"], settings)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


@pytest.mark.slow
def test_a_daemon_is_seen_heard_and_muted_over_http(daemon: DaemonProcess, tmp_path: Path) -> None:
    place = tmp_path / "http"
    daemon.wait_until(lambda _: place.exists())
    with closing(events(place)) as stream:
        look_around(daemon, place, stream)
    assert daemon.stop() == ExitCode.OK
    assert not place.exists()


def look_around(daemon: DaemonProcess, place: Path, stream: Iterator[dict[str, Any]]) -> None:
    assert first(stream, "state")["type"] == "state"

    said = first(stream, "utterance")
    assert (said["status"], bool(said["text"])) == ("done", True)
    number = said["utterance_id"]

    assert ask(place, "/healthz")[0] == 200
    assert _until_ready(place)["state"] == "hearing"
    status = json.loads(ask(place, "/api/status")[1])
    assert (status["state"], status["engine"], status["muted"]) == ("hearing", "sphinx", False)
    assert status["counters"]["http_streams"] == 1

    metrics = ask(place, "/metrics")[1].decode()
    assert "\nvoicebridge_frames_total " in metrics

    page = json.loads(ask(place, "/api/utterances?status=done")[1])["utterances"]
    assert said["text"] in [one["text"] for one in page]
    word = said["text"].split()[0]
    found = json.loads(ask(place, f"/api/utterances?words={word}")[1])["utterances"]
    assert number in [one["utterance_id"] for one in found]
    assert json.loads(ask(place, f"/api/utterances/{number}")[1])["words"]

    code, audio = ask(place, f"/api/utterances/{number}/audio")
    with wave.open(BytesIO(audio)) as kept:
        assert (code, kept.getframerate()) == (200, SAMPLE_RATE)
        assert kept.getnframes() == said["end_sample"] - said["start_sample"]

    sessions = json.loads(ask(place, "/api/timeline")[1])["sessions"]
    assert [session["id"] for session in sessions] == [status["session_id"]]
    assert json.loads(ask(place, "/api/checkpoints")[1])["checkpoints"] is not None

    mute = json.dumps({"muted": True})
    assert ask(place, "/api/mute", "POST", mute, **{"Content-Type": "application/json"})[0] == 401
    assert ask(place, "/api/mute", "POST", mute, **WRITES)[0] == 200
    assert first(stream, "mute") == {"type": "mute", "muted": True, "by": "HTTP"} | {
        "at": pytest.approx(time.time(), abs=60)
    }
    assert daemon.wait_until(lambda status: status["muted"])["muted"]

    with closing(events(place, **{"Last-Event-ID": str(said["settled_sequence"] - 1)})) as again:
        assert first(again, "utterance")["utterance_id"] == number


@pytest.fixture
def command(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon with the small Whisper that hears a command four seconds after its start."""
    audio = np.concatenate([silence(4.0), say(FIRST), silence(60.0)])
    settings = {
        "http.enabled": "true",
        "http.bind": f"unix:{tmp_path / 'http'}",
        "engine.kind": "whisper",
        "whisper.model": str(WHISPER_COMMANDS),
        "partials.every_ms": "200",
        "partials.load_share": "1",
    }
    path = write_wav(tmp_path / "command.wav", audio)
    process = DaemonProcess(tmp_path / "state", ["--file", str(path), "--realtime"], settings)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


@pytest.mark.slow
def test_what_is_being_said_its_text_and_its_words_come_one_after_the_other(
    command: DaemonProcess, tmp_path: Path
) -> None:
    place = tmp_path / "http"
    command.wait_until(lambda _: place.exists())
    told: list[dict[str, Any]] = []
    with closing(events(place)) as stream:
        for event in stream:
            told.append(event)
            if event["type"] == "words":
                break
    partials = [event for event in told if event["type"] == "partial"]
    (said,) = (event for event in told if event["type"] == "utterance")
    assert partials
    assert {(one["session_id"], one["start_sample"]) for one in partials} == {
        (said["session_id"], said["start_sample"])
    }
    assert told.index(partials[-1]) < told.index(said)
    for earlier, later in pairwise(partials):
        assert later["stable"].startswith(earlier["stable"])
    assert said["text"] == FIRST
    assert (told[-1]["utterance_id"], len(told[-1]["words"])) == (said["utterance_id"], len(FIRST.split()))
    assert command.stop() == ExitCode.OK


def _until_ready(place: Path) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        code, body = ask(place, "/readyz")
        if code == 200:
            told: dict[str, Any] = json.loads(body)
            return told
        threading.Event().wait(0.1)
    raise AssertionError(body)
