"""The page in front of a real daemon, which hears through a real sound server."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.audio.audio_files import write_wav
from tests.fakes.children import FIRST
from tests.fakes.recordings import librivox, with_pauses
from tests.pulse import PulseServer
from tests.system.daemon import WAIT_SECONDS, DaemonProcess
from tests.web.dashboard.browser import DESKTOP, Page
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import say

pytestmark = pytest.mark.pulse

TOKEN = "fits-this-door"
SECONDS_TO_TELL = 10.0


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_served(port: int) -> None:
    """Wait until HTTP is there, which is started last."""
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    raise AssertionError("HTTP was not served")


@contextmanager
def served(pulse: PulseServer, folder: Path, engine: Mapping[str, str]) -> Iterator[str]:
    """The page of a daemon that hears, while the block runs."""
    port = free_port()
    settings = {
        **engine,
        "store.retain_audio": "forever",
        "health.interval_seconds": "1",
        "http.enabled": "true",
        "http.bind": f"127.0.0.1:{port}",
        "http.token": TOKEN,
        "audio.retry_max_seconds": "0.5",
    }
    daemon = DaemonProcess(folder, [], settings, pulse.environment)
    try:
        daemon.wait_until_hearing()
        wait_until_served(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        status = daemon.stop()
    assert status == 0


@pytest.fixture
def address(pulse: PulseServer, tmp_path: Path) -> Iterator[str]:
    """The page of a daemon with PocketSphinx."""
    with served(pulse, tmp_path, {"engine.kind": "sphinx"}) as place:
        yield place


@pytest.fixture
def with_whisper(pulse: PulseServer, tmp_path: Path) -> Iterator[str]:
    """The page of a daemon with the small Whisper."""
    engine = {"engine.kind": "whisper", "whisper.model": str(WHISPER_COMMANDS), "partials.every_ms": "200"}
    with served(pulse, tmp_path, engine) as place:
        yield place


RECORD = """
    window.said = [];
    const text = document.querySelector('#partial-text');
    new MutationObserver(() => window.said.push([...text.children].map((part) => part.textContent)))
      .observe(text, { childList: true });
"""


def test_what_is_being_said_stands_on_the_page_before_its_text(
    browser: Page, with_whisper: str, pulse: PulseServer, tmp_path: Path
) -> None:
    browser.resize(DESKTOP)
    browser.complaints()
    browser.open(with_whisper)
    browser.script(RECORD)
    pulse.play(write_wav(tmp_path / "command.wav", say(FIRST)))
    browser.wait_for("#utterances li[data-status=done] .text", FIRST)
    said = browser.script("return window.said")
    assert said
    for (earlier, _), (later, _) in pairwise(said):
        assert later.startswith(earlier)
    assert browser.script("return document.querySelector('#partial').hidden")
    browser.wait_for("#utterances li .about", "confidence")
    assert browser.complaints() == []


def test_what_is_spoken_appears_and_a_microphone_that_is_taken_away_is_told(
    browser: Page, address: str, pulse: PulseServer, tmp_path: Path
) -> None:
    browser.resize(DESKTOP)
    browser.complaints()
    browser.open(address)
    assert browser.text("#state-word") == "Hearing"

    pulse.play(write_wav(tmp_path / "speech.wav", with_pauses(librivox()[:1])))
    browser.wait("return document.querySelector('#utterances li[data-status=done] .text')")
    assert browser.text("#utterances .text") != ""
    browser.click("#utterances .play")
    browser.wait("return document.querySelector('#utterances .play').getAttribute('aria-label') === 'Stop'")

    browser.click("#mute-button")
    browser.type("#mute-token", TOKEN + "\n")
    browser.wait_for(".reason.told", "Muted")
    browser.click("#mute-button")
    browser.click("#mute-confirm")
    browser.wait("return document.querySelector('#mute-button').textContent === 'Mute'")

    began = time.monotonic()
    pulse.kill()
    browser.wait_for("#state-word", "Deaf")
    assert time.monotonic() - began < SECONDS_TO_TELL
    browser.wait_for("#reasons", "device_lost")
    pulse.start()
    began = time.monotonic()
    browser.wait_for("#state-word", "Hearing")
    assert time.monotonic() - began < SECONDS_TO_TELL

    browser.open(address)
    browser.wait("return document.querySelectorAll('.chart polyline').length > 0")
    browser.wait_for(".happenings", "The microphone was away")
    assert browser.complaints() == []
