"""Settings that change while the daemon runs."""

import random
from pathlib import Path

import pytest

from voicebridge.daemon.live import LiveSettings
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.events import Event, SettingsReloaded
from voicebridge.settings import Settings
from voicebridge.settings.layers import load
from voicebridge.settings.template import render_toml


class Published(list[Event]):
    """Where events are published."""

    def publish(self, event: Event) -> None:
        self.append(event)


class Reloading:
    """Live settings on a real file, with what was published and applied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = Published()
        self.applied: list[Settings] = []
        self.write("")
        self.live = LiveSettings(self._read(), self._read, self.events)
        self.live.on_change(self.applied.append, "endpoint", "vad")

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def _read(self) -> Settings:
        return load(self.path, ["gate.min_speech_ratio=0.3"], {}).settings


@pytest.fixture
def reloading(tmp_path: Path) -> Reloading:
    return Reloading(tmp_path / "voicebridge.toml")


def test_what_can_change_is_applied_and_the_rest_is_named(reloading: Reloading) -> None:
    reloading.write("[endpoint]\nhangover_ms = 900\n[vad]\nmode = 'webrtc'\n[control]\nenabled = false\n")
    outcome = reloading.live.reload()
    assert outcome == SettingsReloaded(("endpoint.hangover_ms",), ("vad.mode", "control.enabled"))
    assert reloading.events == [outcome]
    assert reloading.applied == [reloading.live.current]
    assert reloading.live.current.endpoint.hangover_ms == 900
    assert reloading.live.current.vad.mode == "cascade"


def test_what_came_from_the_command_line_stays(reloading: Reloading) -> None:
    reloading.write("[gate]\nmin_speech_ratio = 0.5\n")
    assert reloading.live.reload() == SettingsReloaded((), ())
    assert reloading.live.current.gate.min_speech_ratio == 0.3


def test_what_still_needs_a_restart_is_named_again(reloading: Reloading) -> None:
    reloading.write("[vad]\nmode = 'webrtc'\n")
    assert reloading.live.reload() == reloading.live.reload() == SettingsReloaded((), ("vad.mode",))


def test_a_change_that_nobody_takes_over_needs_a_restart(reloading: Reloading) -> None:
    reloading.write("[store]\nmax_bytes = 5\n")
    assert reloading.live.reload() == SettingsReloaded((), ("store.max_bytes",))
    assert reloading.live.current.store.max_bytes == Settings().store.max_bytes


def test_a_part_that_cannot_take_it_over_leaves_it_as_it_was(reloading: Reloading) -> None:
    def refuse(settings: Settings) -> None:
        raise SpeechError(f"There is no language {settings.whisper.language}.")

    reloading.live.on_change(refuse, "whisper")
    reloading.write("[whisper]\nlanguage = 'tlh'\n[endpoint]\nhangover_ms = 900\n")
    assert reloading.live.reload() == SettingsReloaded(("endpoint.hangover_ms",), ("whisper.language",))
    assert reloading.live.current.whisper.language == "en"


def test_a_hundred_malformed_files_are_refused_and_the_old_settings_serve(reloading: Reloading) -> None:
    reloading.write("[endpoint]\nhangover_ms = 900\n")
    reloading.live.reload()
    good, chance = render_toml(), random.Random(3)
    for number in range(100):
        place = chance.randrange(len(good))
        bad = ("\n= nonsense [", "\nno_such_key = 1\n", "\n[endpoint]\nhangover_ms = 'long'\n", "\0", "\n[vad\n")
        reloading.write(good[:place] + bad[number % len(bad)])
        outcome = reloading.live.reload()
        assert str(reloading.path) in outcome.refused
        assert outcome.applied == outcome.needs_restart == ()
    assert reloading.live.refused == 100
    assert reloading.live.current.endpoint.hangover_ms == 900
    assert len(reloading.applied) == 1
    reloading.write("[endpoint]\nhangover_ms = 800\n")
    assert reloading.live.reload() == SettingsReloaded(("endpoint.hangover_ms",), ())


def test_a_file_that_is_gone_is_refused(reloading: Reloading) -> None:
    reloading.path.unlink()
    assert "does not exist" in reloading.live.reload().refused
