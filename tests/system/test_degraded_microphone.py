"""Reasons that a microphone gives, provoked in a daemon that hears through a real sound server: seen in all six places.

The microphone is a pipe of PulseAudio's: what is written into it is heard, at the pace at which it is written.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pulse import SINK, PulseServer
from tests.system.provoked import BLOCK_SAMPLES, MURMUR, Provoked, Voice, require_root
from tests.web.dashboard.browser import Page

pytestmark = [pytest.mark.pulse, pytest.mark.slow]

TEARDOWN_SECONDS = 12.0
STALL_SECONDS = 3.0
RATE_SECONDS = 2.0
ZERO_SECONDS = 2.0
SETTINGS = {
    "capture.stall_seconds": STALL_SECONDS,
    "capture.rate_window_seconds": RATE_SECONDS,
    "capture.teardown_seconds": TEARDOWN_SECONDS,
    "capture.healthy_seconds": 0.5,
    "health.zero_seconds": ZERO_SECONDS,
    "health.sign_of_life_seconds": 60,
    "audio.retry_max_seconds": 1,
}
SILENCE = bytes(2 * BLOCK_SAMPLES)
MICROPHONE = "desk"


class PipeMicrophone:
    """A source of a sound server, which may be taken away with the server and be brought back."""

    def __init__(self, pulse: PulseServer) -> None:
        self._pulse = pulse
        self.bring_back()

    def bring_back(self) -> None:
        """Start the server, and with it this microphone."""
        self._pulse.start()
        self._descriptor = os.open(self._pulse.pipe, os.O_RDWR)
        self.voice = Voice(self._descriptor)

    def take_away(self) -> None:
        """Kill the server."""
        self._pulse.kill()
        self.close()

    def close(self) -> None:
        self.voice.stop()
        os.close(self._descriptor)


@pytest.fixture(scope="module")
def server() -> Iterator[PulseServer]:
    """A server of its own: its streams are moved about."""
    pulse = PulseServer(pipe=MICROPHONE)
    try:
        yield pulse
    finally:
        pulse.close()


@pytest.fixture(scope="module")
def microphone(server: PulseServer) -> Iterator[PipeMicrophone]:
    microphone = PipeMicrophone(server)
    try:
        yield microphone
    finally:
        microphone.close()


@pytest.fixture(scope="module")
def hearing(server: PulseServer, microphone: PipeMicrophone, browser: Page) -> Iterator[Provoked]:
    require_root()
    folder = Path(tempfile.mkdtemp(prefix="vb-"))
    hearing = Provoked(folder, SETTINGS, (), server.environment)
    try:
        hearing.wait_until_ready()
        hearing.places.open_page(browser)
        yield hearing
        assert hearing.stop() == 0, hearing.told
    finally:
        hearing.close()
        shutil.rmtree(folder)


def test_nothing_but_zeros_is_seen_everywhere(hearing: Provoked, microphone: PipeMicrophone) -> None:
    voice = microphone.voice
    voice.block = SILENCE
    hearing.comes(time.monotonic(), digital_silence=ZERO_SECONDS)
    voice.block = MURMUR
    hearing.goes(time.monotonic(), digital_silence=0.0)


def test_another_source_in_its_place_is_seen_everywhere(
    hearing: Provoked, microphone: PipeMicrophone, server: PulseServer
) -> None:
    hearing.comes_and_goes(
        lambda: server.move_streams(f"{SINK}.monitor"), lambda: server.move_streams(MICROPHONE), device_moved=0.0
    )


def test_a_microphone_that_is_taken_away_is_seen_everywhere(hearing: Provoked, microphone: PipeMicrophone) -> None:
    hearing.comes_and_goes(microphone.take_away, microphone.bring_back, device_lost=0.0)


def test_a_rate_that_is_too_low_is_seen_everywhere(hearing: Provoked, microphone: PipeMicrophone) -> None:
    voice = microphone.voice
    voice.pace = 0.6
    hearing.comes(time.monotonic(), rate_off=0.0)
    voice.pace = 1.0
    hearing.goes(time.monotonic(), rate_off=0.0)


def test_a_teardown_that_hangs_with_the_sound_server_is_seen_everywhere(
    hearing: Provoked, microphone: PipeMicrophone, server: PulseServer
) -> None:
    hearing.comes_and_goes(server.freeze, server.thaw, capture_stuck=STALL_SECONDS + TEARDOWN_SECONDS / 2)
