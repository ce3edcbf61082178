"""What people steer while a session hears: real threads, a real store and a real control socket."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.hearing import SECONDS, SETTINGS, Blocks, Session, rows, sentences, spoken
from tests.fakes.engine import FakeEngine
from tests.fakes.source import MemorySource
from voicebridge.daemon.control import Door
from voicebridge.daemon.control_client import Client
from voicebridge.daemon.live import LiveSettings
from voicebridge.daemon.mute import KEPT
from voicebridge.daemon.session import Around
from voicebridge.daemon.steering import Steering, door, reload
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.events import Event, MuteChanged, SettingsReloaded, UtteranceSettled
from voicebridge.domain.ports import Engine, Source
from voicebridge.settings import EndpointSettings, GateSettings, Settings, WhisperSettings
from voicebridge.settings.schema import CaptureSettings, ControlSettings, PartialsSettings


class TunableSource(MemorySource):
    """A source whose supervision can go by other settings."""

    capture: CaptureSettings | None = None

    def apply(self, capture: CaptureSettings) -> None:
        self.capture = capture


class Steered:
    """A session that hears in a thread of its own, and what steers it."""

    def __init__(self, state: Path, source: Source, engine: Engine) -> None:
        self.session = Session(state, source, engine)
        self.wanted = SETTINGS
        self.steering: Steering | None = None
        self.path = state / "control"
        self._news = threading.Condition()
        self.session.on_event = self._note
        self.session.orders = replace(
            self.session.orders,
            reread=lambda: self.wanted,
            around=Around(on_steering=self._keep),
        )
        self.thread = threading.Thread(target=self.session.hear)

    def until(self, good: Callable[[list[Event]], bool]) -> None:
        """Wait until what was announced is so."""
        with self._news:
            assert self._news.wait_for(lambda: good(self.session.events), SECONDS)

    def until_settled(self, count: int) -> None:
        """Wait until so many utterances are settled."""
        self.until(lambda events: sum(isinstance(event, UtteranceSettled) for event in events) == count)

    def parts(self) -> Any:
        """Return the daemon and its notebook."""
        assert self.session.started is not None
        return self.session.started

    def _keep(self, steering: Steering) -> None:
        self.steering = steering

    def _note(self, _: Event) -> None:
        with self._news:
            self._news.notify_all()


@contextmanager
def hearing(state: Path, source: Source, engine: Engine | None = None) -> Iterator[Steered]:
    """Hear until the end of the block."""
    steered = Steered(state, source, engine or FakeEngine(["one", "two", "three"]))
    steered.thread.start()
    try:
        steered.until(lambda events: any(type(event).__name__ == "EngineReady" for event in events))
        yield steered
    finally:
        steered.session.stop()
        steered.thread.join(SECONDS)
        assert not steered.thread.is_alive()


@pytest.fixture(autouse=True)
def no_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets stand in the state directory, then."""
    for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


# ---- mute


def test_what_is_said_while_it_is_muted_is_not_heard(tmp_path: Path) -> None:
    muted, spoken_to_the_wall, unmuted = threading.Event(), threading.Event(), threading.Event()

    def pause() -> None:
        if not muted.is_set():
            muted.wait(SECONDS)
            return
        spoken_to_the_wall.set()
        unmuted.wait(SECONDS)

    source = MemorySource(Blocks(pause, sentences(1), sentences(1), sentences(1)), endless=True)
    with hearing(tmp_path, source) as steered, Client(steered.path, SECONDS) as client:
        steered.until_settled(1)
        client.ask("mute")
        muted.set()
        assert spoken_to_the_wall.wait(SECONDS)
        client.ask("unmute")
        unmuted.set()
        steered.until_settled(2)
    assert [text for (text,) in rows(tmp_path, "SELECT text FROM utterances ORDER BY id")] == ["one", "two"]
    assert rows(tmp_path, "SELECT kind FROM events WHERE kind LIKE '%muted' ORDER BY id") == [("muted",), ("unmuted",)]


def test_a_mute_that_was_kept_holds_from_the_first_sample(tmp_path: Path) -> None:
    (tmp_path / "muted").touch()
    session = Session(tmp_path, spoken(1, paced=True), FakeEngine())
    session.hear()
    assert MuteChanged(True, KEPT) in session.events
    assert rows(tmp_path, "SELECT * FROM utterances") == []


def test_a_file_is_heard_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "muted").touch()
    Session(tmp_path, spoken(1), FakeEngine()).hear()
    assert len(rows(tmp_path, "SELECT * FROM utterances")) == 1


# ---- settings


def test_settings_reach_the_parts(tmp_path: Path) -> None:
    source = TunableSource([], endless=True)
    with hearing(tmp_path, source) as steered, Client(steered.path, SECONDS) as client:
        steered.wanted = SETTINGS.model_copy(
            update={
                "endpoint": EndpointSettings(hangover_ms=900, mode="adaptive"),
                "partials": PartialsSettings(mode="on"),
                "gate": GateSettings(min_speech_ratio=0.5),
                "store": SETTINGS.store.model_copy(update={"retain_audio": "forever", "max_bytes": 10_000_000}),
                "capture": CaptureSettings(stall_seconds=7),
            }
        )
        answer = client.ask("reload")
        named = {"capture.stall_seconds", "endpoint.hangover_ms", "gate.min_speech_ratio", "store.retain_audio"}
        assert set(answer["applied"]) == named | {"store.max_bytes", "endpoint.mode", "partials.mode"}
        assert answer["needs_restart"] == []
        started = steered.parts()
        assert started.notebook.kept.retention.keeps
        assert source.capture == CaptureSettings(stall_seconds=7)
        pause = threading.Event()
        assert any(started.daemon.crew.transcriber.applied or pause.wait(0.01) for _ in range(1000))
        assert started.daemon.crew.transcriber.rules.gate.min_speech_ratio == 0.5
        assert started.daemon.crew.transcriber.rules.endpoint.mode == "adaptive"
        partials = started.daemon.crew.transcriber.early.partials
        assert partials is not None
        assert partials.wanted


def test_a_source_without_supervision_leaves_those_settings_to_a_restart(tmp_path: Path) -> None:
    with hearing(tmp_path, spoken(0, endless=True)) as steered, Client(steered.path, SECONDS) as client:
        steered.wanted = SETTINGS.model_copy(update={"capture": CaptureSettings(stall_seconds=7)})
        assert client.ask("reload")["needs_restart"] == ["capture.stall_seconds"]


def test_systemd_is_told_when_a_reload_begins_and_that_it_is_over() -> None:
    said: list[str] = []

    class Nobody:
        def publish(self, event: Event) -> None:
            said.append(type(event).__name__)

    def send(*states: str) -> bool:
        said.extend(state.partition("=")[0] for state in states)
        return True

    assert reload(LiveSettings(Settings(), Settings, Nobody()), send) == SettingsReloaded((), ())
    assert said == ["RELOADING", "MONOTONIC_USEC", "SettingsReloaded", "READY"]


class Picky(FakeEngine):
    """An engine that can use no other options."""

    def apply(self, options: WhisperSettings) -> bool:
        raise SpeechError(f"{options.language!r} is an unknown language.")


def test_options_that_the_engine_refuses_are_in_the_status(tmp_path: Path) -> None:
    source = MemorySource([], endless=True)
    with hearing(tmp_path, source, Picky()) as steered, Client(steered.path, SECONDS) as client:
        steered.wanted = SETTINGS.model_copy(update={"whisper": WhisperSettings(language="xx")})
        client.ask("reload")
        pause = threading.Event()
        assert any(steered.parts().daemon.crew.transcriber.applied or pause.wait(0.01) for _ in range(1000))
        reasons = client.ask("status")["status"]["reasons"]
        assert ("options_refused", "'xx' is an unknown language.") in [(r["code"], r["sentence"]) for r in reasons]


# ---- the control thread


def test_a_session_says_how_it_is_and_what_its_control_thread_did(tmp_path: Path) -> None:
    with hearing(tmp_path, spoken(0, endless=True)) as steered, Client(steered.path, SECONDS) as client:
        status = client.ask("status")["status"]
    assert status["session_id"] == 1
    assert status["counters"]["control_connections"] == 1
    assert "control" in status["signs_of_life"]
    assert not steered.path.exists()


def test_signals_are_done_by_the_control_thread(tmp_path: Path) -> None:
    with hearing(tmp_path, spoken(0, endless=True)) as steered:
        assert steered.steering is not None
        signals = steered.steering.signals(terminal=False)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            signals[number]()
        steered.until(lambda events: isinstance(events[-1], SettingsReloaded))
        steered_events = [event for event in steered.session.events if isinstance(event, MuteChanged)]
        assert steered_events == [MuteChanged(True, "SIGUSR1"), MuteChanged(False, "SIGUSR2")]


def test_where_there_is_a_terminal_its_loss_is_an_orderly_stop(tmp_path: Path) -> None:
    with hearing(tmp_path, spoken(0, endless=True)) as steered:
        assert steered.steering is not None
        steered.steering.signals(terminal=True)[signal.SIGHUP]()
        steered.thread.join(SECONDS)
        assert not steered.thread.is_alive()
    assert rows(tmp_path, "SELECT ended_at IS NOT NULL FROM sessions") == [(1,)]


def test_a_session_whose_settings_cannot_be_read_again_has_no_control_thread(tmp_path: Path) -> None:
    session = Session(tmp_path, spoken(1, endless=True), FakeEngine())
    threads: list[str] = []

    def look(_: Event) -> None:
        threads.extend(thread.name for thread in threading.enumerate())
        session.stop()

    session.on_event = look
    session.hear()
    assert "transcriber" in threads
    assert "control" not in threads


# ---- where it listens


def test_a_service_listens_in_its_runtime_directory_for_its_group(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": f"{tmp_path}:/more", "XDG_RUNTIME_DIR": "/nowhere"}
    assert door(Settings(), tmp_path / "state", environ) == Door(tmp_path / "control", "voicebridge")


def test_a_run_by_hand_listens_in_the_users_runtime_directory_for_that_user(tmp_path: Path) -> None:
    found = door(Settings(), Path("/state"), {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert found.group == ""
    assert found.path is not None
    assert found.path.parent == tmp_path
    assert found != door(Settings(), Path("/other"), {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_without_a_runtime_directory_it_listens_in_the_state_directory(tmp_path: Path) -> None:
    assert door(Settings(), tmp_path, {"XDG_RUNTIME_DIR": "/nowhere"}) == Door(tmp_path / "control", "")


def test_a_control_socket_can_be_done_without(tmp_path: Path) -> None:
    assert door(Settings(control=ControlSettings(enabled=False)), tmp_path, {}) == Door(None, "")
