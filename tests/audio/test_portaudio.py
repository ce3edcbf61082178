"""What PortAudio answers when the sound system fails in the middle of things."""

from types import SimpleNamespace
from typing import Any

import pytest

from voicebridge.audio.capture import Capture, Continuity
from voicebridge.audio.level import LevelMeter
from voicebridge.audio.portaudio import PortAudioStream, inputs
from voicebridge.audio.portaudio import _open as open_stream
from voicebridge.domain.errors import DeviceError
from voicebridge.settings.schema import AudioSettings


class PortAudioError(Exception):
    """Stands for sounddevice's: importing that would look for devices before other tests have some."""


def refuse(*_: Any, **__: Any) -> Any:
    raise PortAudioError("Unanticipated host error", -9999)


class FailingStream:
    """A stream of a sound system that has gone."""

    closed = False

    def __init__(self, **_: Any) -> None:
        pass

    @property
    def active(self) -> bool:
        return bool(refuse())

    def start(self) -> None:
        refuse()

    def close(self) -> None:
        self.closed = True


def test_devices_that_cannot_be_listed_are_a_device_error() -> None:
    library = SimpleNamespace(PortAudioError=PortAudioError, query_hostapis=refuse)
    with pytest.raises(DeviceError, match="does not list its devices: Unanticipated host error"):
        inputs(library)


def test_a_stream_that_cannot_be_asked_is_not_active() -> None:
    assert not PortAudioStream(SimpleNamespace(PortAudioError=PortAudioError), "desk", FailingStream()).active


def test_a_stream_that_does_not_start_is_closed() -> None:
    made: list[FailingStream] = []

    def make(**options: Any) -> FailingStream:
        made.append(FailingStream(**options))
        return made[-1]

    library = SimpleNamespace(PortAudioError=PortAudioError, RawInputStream=make)
    device = inputs(_library_with_one_device())[0]
    with pytest.raises(PortAudioError):
        open_stream(library, AudioSettings(), device, Capture(LevelMeter(), Continuity()))
    assert [stream.closed for stream in made] == [True]


def _library_with_one_device() -> Any:
    device = {"index": 0, "name": "desk", "hostapi": 0, "max_input_channels": 2, "default_samplerate": 48_000.0}
    return SimpleNamespace(
        PortAudioError=PortAudioError,
        query_hostapis=lambda: [{"name": "ALSA"}],
        query_devices=lambda: [device],
        default=SimpleNamespace(device=(0, 0)),
    )
