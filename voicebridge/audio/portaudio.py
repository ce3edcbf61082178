"""PortAudio through sounddevice: the only module that touches it. Any call may hang while the sound server does."""

from typing import Any

import numpy as np

from voicebridge.audio.capture import Capture
from voicebridge.audio.devices import InputDevice, choose
from voicebridge.audio.quiet import hush_sound_libraries
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.text import printable
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge.settings.schema import AudioSettings

_COMMON_RATES = (16_000, 44_100, 48_000)
"""Rates that are tried to advise somebody whose rate was refused."""
_INVALID_RATE = -9997
"""paInvalidSampleRate of portaudio.h."""
_INVALID_CHANNELS = -9998
"""paInvalidChannelCount of portaudio.h."""


def library() -> Any:
    """Return sounddevice with PortAudio initialised. Raises DeviceError when it is not installed."""
    hush_sound_libraries()
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(f"PortAudio cannot be used: {error}.", "Install it: apt install libportaudio2") from error
    except Exception as error:
        # sounddevice initialises PortAudio while it is imported, so its own error class cannot be named here.
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(f"PortAudio cannot be used: {error}.", "Is the sound system running?") from error
    return sounddevice


def refresh(sd: Any) -> None:
    """Build PortAudio anew: its list of devices is as old as its initialisation."""
    try:
        if sd._initialized:  # noqa: SLF001 - sounddevice has no public name for this
            sd._terminate()  # noqa: SLF001
        sd._initialize()  # noqa: SLF001
    except sd.PortAudioError as error:
        raise DeviceError(f"The sound system cannot be reached: {_text_of(error)}.", "Is it running?") from error


def inputs(sd: Any) -> list[InputDevice]:
    """Return the devices that can record. Raises DeviceError when the sound system does not say."""
    try:
        apis, devices = sd.query_hostapis(), sd.query_devices()
    except sd.PortAudioError as error:
        raise DeviceError(
            f"The sound system does not list its devices: {_text_of(error)}.", "Is it running?"
        ) from error
    default = sd.default.device[0]
    return [
        InputDevice(
            index=device["index"],
            name=device["name"],
            host_api=apis[device["hostapi"]]["name"],
            channels=device["max_input_channels"],
            default_rate=round(device["default_samplerate"]),
            is_default=device["index"] == default,
        )
        for device in devices
        if device["max_input_channels"] > 0
    ]


class PortAudioStream:
    """An open, running stream of a device."""

    def __init__(self, sd: Any, name: str, stream: Any) -> None:
        self.name = name
        self._sd = sd
        self._stream = stream

    @property
    def active(self) -> bool:
        """True while the sound library's thread runs; a stream that cannot be asked any more is lost."""
        try:
            return bool(self._stream.active)
        except self._sd.PortAudioError:
            return False

    def close(self) -> None:
        """Stop and close; the sound library's thread is gone after that."""
        self._stream.abort()
        self._stream.close()


def open_microphone(settings: AudioSettings, wanted: str, capture: Capture, fresh: bool) -> PortAudioStream:
    """Open the wanted device and start to deliver; ``fresh`` asks for a new list of devices first.

    Raises DeviceError.
    """
    sd = library()
    if fresh or not sd._initialized:  # noqa: SLF001 - sounddevice has no public name for this
        refresh(sd)
    device = choose(inputs(sd), wanted)
    try:
        stream = _open(sd, settings, device, capture)
    except sd.PortAudioError as error:
        raise _explained(sd, settings, device, error) from error
    return PortAudioStream(sd, device.name, stream)


def _open(sd: Any, settings: AudioSettings, device: InputDevice, capture: Capture) -> Any:
    rate = settings.rate or device.default_rate
    for channels in (settings.channels,) if settings.channels else (1, device.channels):
        try:
            stream = _started(_stream(sd, settings, device, (rate, channels), capture))
        except sd.PortAudioError as error:
            if settings.channels or channels == device.channels or _code_of(error) != _INVALID_CHANNELS:
                raise
        else:
            return stream
    raise AssertionError("a stream was opened or an error raised")  # pragma: no cover


def _started(stream: Any) -> Any:
    try:
        stream.start()
    except BaseException:
        stream.close()  # it would hold the device
        raise
    return stream


def _stream(sd: Any, settings: AudioSettings, device: InputDevice, shape: tuple[int, int], capture: Capture) -> Any:
    rate, channels = shape
    # int16 at the pipeline's own rate needs no arithmetic at all; the rest is done in float32, so we ask for that.
    dtype = "int16" if shape == (SAMPLE_RATE, 1) else "float32"
    capture.begin(rate, channels, dtype)

    def callback(data: Any, _frames: int, _time: Any, status: Any) -> None:
        try:
            capture.take(np.frombuffer(data, dtype=dtype).reshape(-1, channels), bool(status.input_overflow))
        except Exception as error:  # the top of PortAudio's thread; the supervisor reports it
            capture.failure = error
            raise sd.CallbackAbort from error

    return sd.RawInputStream(
        samplerate=rate,
        blocksize=rate * settings.block_ms // 1000,
        device=device.index,
        channels=channels,
        dtype=dtype,
        latency=settings.latency_ms / 1000 or "high",
        callback=callback,
        finished_callback=capture.finished,
    )


def _explained(sd: Any, settings: AudioSettings, device: InputDevice, error: Exception) -> DeviceError:
    name, code = printable(device.name), _code_of(error)
    if code == _INVALID_RATE:
        works = [str(rate) for rate in sorted({*_COMMON_RATES, device.default_rate}) if _works(sd, device, rate)]
        advice = f"Set audio.rate to one that works ({', '.join(works)}), or to 0." if works else ""
        return DeviceError(f"The microphone {name!r} refuses a rate of {settings.rate} Hz.", advice)
    if code == _INVALID_CHANNELS:
        advice = f"Set audio.channels to 0 or at most {device.channels}."
        return DeviceError(f"The microphone {name!r} does not offer {settings.channels} channels.", advice)
    advice = "It may have been unplugged, or another program holds it (`fuser -v /dev/snd/*` tells)."
    return DeviceError(f"The microphone {name!r} cannot be opened: {_text_of(error)}.", advice)


def _works(sd: Any, device: InputDevice, rate: int) -> bool:
    try:
        sd.check_input_settings(device=device.index, channels=1, dtype="int16", samplerate=rate)
    except sd.PortAudioError:
        return False
    return True


def _code_of(error: Exception) -> int:
    """Return PortAudio's number of an error; sounddevice gives (text, number[, host error])."""
    return int(error.args[1]) if len(error.args) > 1 else 0


def _text_of(error: Exception) -> str:
    return printable(str(error.args[0] if error.args else error))
