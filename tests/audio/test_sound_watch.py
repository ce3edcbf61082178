"""A real sound server is asked what feeds us, without ever being waited for."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pulse import SINK, PulseServer
from voicebridge.audio.sound_server import Known
from voicebridge.audio.sound_watch import SoundWatch
from voicebridge.domain.capture import SoundServer

SECONDS = 15.0


class Watching:
    """A watch, and what it knows."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.watch = SoundWatch(environment)
        self.changes = 0
        self.watch.start(self._count)
        self.watch.prompt()

    def _count(self) -> None:
        self.changes += 1

    def until(self, condition: Callable[[Known], object]) -> Known:
        pause = threading.Event()
        for _ in range(round(SECONDS / 0.02)):
            if condition(known := self.watch.known()):
                return known
            pause.wait(0.02)
        raise AssertionError(f"not yet: {self.watch.known()}")


@contextmanager
def watching(environment: Mapping[str, str]) -> Iterator[Watching]:
    made = Watching(environment)
    try:
        yield made
    finally:
        made.watch.stop()
        made.until(lambda _: made.watch.sign() is None)


@contextmanager
def recorder(pulse: PulseServer, source: str) -> Iterator[None]:
    """A stream that the server takes for one of this process."""
    ours = f"--property=application.process.id={os.getpid()}"
    with subprocess.Popen(
        ["parec", ours, f"--device={source}"], env=pulse.environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.pulse
def test_it_knows_what_feeds_us_and_where_that_is_moved(pulse: PulseServer) -> None:
    pulse.load("decoy")
    try:
        with watching(pulse.environment) as eyes:
            known = eyes.until(lambda known: known.server is SoundServer.ANSWERS)
            assert known.sources == {f"{SINK}.monitor", "decoy.monitor"}
            assert (known.stream, known.source) == (None, "")
            with recorder(pulse, f"{SINK}.monitor"):
                fed = eyes.until(lambda known: known.source)
                assert (fed.source, fed.stream is not None) == (f"{SINK}.monitor", True)
                pulse.move_streams("decoy.monitor")
                moved = eyes.until(lambda known: known.source == "decoy.monitor")
                assert moved.stream == fed.stream
                assert eyes.changes >= 3
            eyes.until(lambda known: known.stream is None)
    finally:
        pulse.unload("decoy")


@pytest.mark.pulse
def test_sources_that_come_and_go_are_known(pulse: PulseServer) -> None:
    with watching(pulse.environment) as eyes:
        eyes.until(lambda known: known.sources == {f"{SINK}.monitor"})
        pulse.load("attic")
        eyes.until(lambda known: "attic.monitor" in known.sources)
        pulse.unload("attic")
        eyes.until(lambda known: "attic.monitor" not in known.sources)


@pytest.mark.pulse
def test_a_server_that_hangs_is_silent_and_answers_when_it_goes_on(pulse: PulseServer) -> None:
    with watching(pulse.environment) as eyes:
        before = eyes.until(lambda known: known.server is SoundServer.ANSWERS)
        assert eyes.watch.sign() is not None
        pulse.freeze()
        try:
            silent = eyes.until(lambda known: known.server is SoundServer.SILENT)
            assert eyes.watch.sign() is None
        finally:
            pulse.thaw()
        after = eyes.until(lambda known: known.server is SoundServer.ANSWERS)
        assert before.server_since is not None
        assert silent.server_since is not None
        assert after.server_since is not None
        assert before.server_since < silent.server_since < after.server_since


@pytest.mark.pulse
def test_a_server_that_hangs_from_the_start_is_silent_too(pulse: PulseServer) -> None:
    pulse.freeze()
    try:
        with watching(pulse.environment) as eyes:
            eyes.until(lambda known: known.server is SoundServer.SILENT)
            pulse.thaw()
            eyes.until(lambda known: known.server is SoundServer.ANSWERS)
    finally:
        pulse.thaw()


@pytest.mark.pulse
def test_a_server_that_is_killed_is_absent_and_another_one_is_found(pulse: PulseServer) -> None:
    with watching(pulse.environment) as eyes:
        eyes.until(lambda known: known.server is SoundServer.ANSWERS)
        pulse.kill()
        gone = eyes.until(lambda known: known.server is SoundServer.ABSENT)
        assert gone.sources == frozenset()
        pulse.start()
        eyes.until(lambda known: known.sources)


def test_without_a_sound_server_nothing_is_known() -> None:
    with watching({}) as eyes:
        eyes.until(lambda _: eyes.watch.sign() is not None)
        assert eyes.watch.known() == Known()
        assert eyes.changes == 0


def test_one_that_should_be_there_and_is_not_is_absent() -> None:
    with watching({"PULSE_SERVER": "unix:/nonexistent/native"}) as eyes:
        eyes.until(lambda known: known.server is SoundServer.ABSENT)


WATCHES = """
import logging, sys, threading
from voicebridge.audio.sound_watch import SoundWatch
logging.basicConfig(level="INFO")
watch = SoundWatch({"PULSE_SERVER": "tcp:localhost:1"})
watch.start(lambda: None)
watch.prompt()
next(thread for thread in threading.enumerate() if thread.name == "sound-watch").join(10)
print(watch.known().server, watch.sign())
"""


@pytest.mark.parametrize("raises", ["OSError('libpulse.so.0: cannot open')", "AttributeError('pa_context_new')"])
def test_without_libpulse_nothing_is_known_and_the_log_says_why(tmp_path: Path, raises: str) -> None:
    (tmp_path / "pulsectl.py").write_text(f"raise {raises}\n")
    done = subprocess.run(
        [sys.executable, "-c", WATCHES],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.split() == ["unknown", "None"]
    assert "The sound server cannot be watched: libpulse" in done.stderr
