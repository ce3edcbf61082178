"""Fixtures for all tests."""

import signal
from collections.abc import Iterator

import pytest

from tests.pulse import PulseServer

# A suite that a shell started in the background has SIGINT ignored, and every child would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pulse_session() -> Iterator[PulseServer]:
    """The one server of all tests; it takes two seconds to wake."""
    server = PulseServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def pulse(pulse_session: PulseServer) -> PulseServer:
    """A running private PulseAudio server with a null sink as microphone; a test may kill it."""
    if not pulse_session.running:
        pulse_session.kill()
        pulse_session.start()
    return pulse_session
