"""Pulling from a real HTTP server on this machine that speaks as much of a hub's language as is needed."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.speech import models
from voicebridge.speech.hub import pull
from voicebridge_bench.models import WHISPER_COMMANDS

COMMIT = "a" * 40


class Hub:
    """What the server offers, and what it was asked."""

    def __init__(self) -> None:
        self.files = {path.name: path.read_bytes() for path in WHISPER_COMMANDS.iterdir()}
        self.sha256 = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        self.status = 200
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.address = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def _answer(self, with_body: bool) -> None:
        self.hub.asked.append(self.path)
        self.hub.tokens.append(self.headers.get("Authorization"))
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1]
        if self.hub.status != 200:
            return self._send(self.hub.status, b"", {}, with_body)
        if path.startswith("/api/models/"):
            return self._send(200, json.dumps(self._listing()).encode(), {}, with_body)
        if name not in self.hub.files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body)
        headers = {"ETag": f'"{self.hub.sha256[name]}"', "X-Repo-Commit": COMMIT}
        return self._send(200, self.hub.files[name], headers, with_body)

    def _listing(self) -> dict[str, object]:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "blobId": self.hub.sha256[name][:40],
                "lfs": {"sha256": self.hub.sha256[name], "size": len(data), "pointerSize": 1},
            }
            for name, data in self.hub.files.items()
        ]
        return {"id": "Systran/faster-whisper-tiny.en", "sha": COMMIT, "siblings": siblings}

    def _send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def _ignore(_done_bytes: int, _total_bytes: int) -> None:
    pass


def test_a_pulled_model_is_whole_and_verified(hub: Hub, models_dir: Path) -> None:
    path = pull("tiny.en", models_dir, _ignore, hub.address)
    assert path == models_dir / "tiny.en"
    assert models.verify(path) == []
    assert models.read_checksums(path)["model.bin"] == hub.sha256["model.bin"]


def test_only_the_files_of_a_model_are_pulled(hub: Hub, models_dir: Path) -> None:
    path = pull("tiny.en", models_dir, _ignore, hub.address)
    assert "README.md" in hub.files
    assert not any("README" in asked for asked in hub.asked)
    assert {file.name for file in path.iterdir()} == {*hub.files, "checksums.json"} - {"README.md"}


def test_progress_reaches_the_total(hub: Hub, models_dir: Path) -> None:
    seen: list[tuple[int, int]] = []
    pull("tiny.en", models_dir, lambda done, total: seen.append((done, total)), hub.address)
    total = sum(len(data) for name, data in hub.files.items() if name != "README.md")
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_no_token_is_sent(hub: Hub, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull("tiny.en", models_dir, _ignore, hub.address)
    assert set(hub.tokens) == {None}


def test_a_file_damaged_on_its_way_is_refused(hub: Hub, models_dir: Path) -> None:
    hub.sha256["model.bin"] = "0" * 64
    with pytest.raises(SpeechError, match=r"model\.bin .*damaged on its way"):
        pull("tiny.en", models_dir, _ignore, hub.address)
    assert list(models_dir.iterdir()) == []


def test_a_repository_without_a_model_is_refused(hub: Hub, models_dir: Path) -> None:
    del hub.files["model.bin"]
    with pytest.raises(SpeechError, match=r"missing model\.bin"):
        pull("tiny.en", models_dir, _ignore, hub.address)
    assert list(models_dir.iterdir()) == []


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_hub_that_refuses_is_told_with_a_way_on(hub: Hub, models_dir: Path, status: int) -> None:
    hub.status = status
    with pytest.raises(SpeechError, match=r"(?s)Cannot pull tiny\.en.*voicebridge models add FOLDER") as caught:
        pull("tiny.en", models_dir, _ignore, hub.address)
    assert caught.value.code == ExitCode.UNAVAILABLE
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_no_hub_is_told_within_seconds(models_dir: Path, address: str) -> None:
    began = time.monotonic()
    with pytest.raises(SpeechError, match=r"Cannot pull tiny\.en.*voicebridge models add FOLDER"):
        pull("tiny.en", models_dir, _ignore, address)
    assert time.monotonic() - began < 15
    assert not models_dir.exists()


def test_an_unknown_name_asks_no_hub(hub: Hub, models_dir: Path) -> None:
    with pytest.raises(SpeechError, match=r"'gigantic' is not a known model.*base\.en"):
        pull("gigantic", models_dir, _ignore, hub.address)
    assert hub.asked == []


def test_a_model_that_is_there_is_not_pulled_again(hub: Hub, models_dir: Path) -> None:
    pull("tiny.en", models_dir, _ignore, hub.address)
    with pytest.raises(SpeechError, match="already in"):
        pull("tiny.en", models_dir, _ignore, hub.address)
