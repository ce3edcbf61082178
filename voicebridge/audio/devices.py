"""Microphones: which there are, and which one is meant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voicebridge.domain.errors import DeviceError, ExitCode
from voicebridge.domain.text import printable

_CARD_NUMBER = re.compile(r" \(hw:\d+,\d+\)$")
"""What PortAudio adds to the name of an ALSA device."""


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device that can record."""

    index: int
    name: str
    host_api: str
    channels: int
    """Most channels that it offers."""
    default_rate: int
    """Samples per second that it runs at when nothing else is asked for."""
    is_default: bool


def list_inputs() -> list[InputDevice]:
    """Return what can record, as the sound system lists it now. Raises DeviceError without PortAudio."""
    from voicebridge.audio import portaudio

    return portaudio.inputs(portaudio.library())


def choose(devices: Sequence[InputDevice], wanted: str) -> InputDevice:
    """Return the device that is meant by an index, a name, a part of a name (any case), or nothing: the default.

    Raises DeviceError when there is none or more than one.
    """
    if not devices:
        advice = "Connect one, see that `arecord -l` lists it and that this user is in the group `audio`."
        raise DeviceError("There is no microphone.", advice)
    wanted = wanted.strip()
    if not wanted:
        return next((device for device in devices if device.is_default), devices[0])
    found = _matching(devices, wanted)
    if not found:
        raise DeviceError(f"There is no microphone {wanted!r}.", _listing(devices), exit_code=ExitCode.NO_INPUT)
    if len(found) > 1:
        raise DeviceError(f"More than one microphone is called {wanted!r}.", _listing(found))
    return found[0]


def _matching(devices: Sequence[InputDevice], wanted: str) -> list[InputDevice]:
    if wanted.isdecimal():
        return [device for device in devices if device.index == int(wanted)]
    folded = wanted.casefold()
    exact = [device for device in devices if device.name.casefold() == folded]
    part = exact or [device for device in devices if folded in device.name.casefold()]
    # ALSA numbers its cards in the order in which they come: the number at the end may be another one after a replug.
    stable = _CARD_NUMBER.sub("", folded)
    return part or [device for device in devices if stable and stable in device.name.casefold()]


def _listing(devices: Sequence[InputDevice]) -> str:
    return "Choose one of: " + ", ".join(f"{device.index} ({printable(device.name)})" for device in devices) + "."
