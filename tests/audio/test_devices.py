"""The microphone that is meant is found, or the message lists what there is."""

import pytest

from voicebridge.audio.devices import InputDevice, choose
from voicebridge.domain.errors import DeviceError, ExitCode


def device(index: int, name: str, is_default: bool = False) -> InputDevice:
    return InputDevice(index, name, "ALSA", 2, 48_000, is_default)


DEVICES = [
    device(0, "HDA Intel: ALC257 (hw:0,0)"),
    device(2, "Kitchen"),
    device(3, "Kitchen window"),
    device(5, "default", is_default=True),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [("", 5), ("  ", 5), ("2", 2), ("kitchen", 2), ("WINDOW", 3), ("alc257", 0), ("default", 5)],
)
def test_a_device_is_chosen_by_index_name_part_or_default(wanted: str, index: int) -> None:
    assert choose(DEVICES, wanted).index == index


def test_a_card_that_got_another_number_is_found_by_the_rest_of_its_name() -> None:
    assert choose(DEVICES, "HDA Intel: ALC257 (hw:3,0)").index == 0
    with pytest.raises(DeviceError, match="There is no microphone"):
        choose(DEVICES, "USB Mic (hw:0,0)")


def test_without_a_default_the_first_is_taken() -> None:
    assert choose(DEVICES[:2], "").index == 0


@pytest.mark.parametrize("wanted", ["1", "bathroom"])
def test_an_unknown_device_is_told_with_those_that_exist(wanted: str) -> None:
    with pytest.raises(DeviceError, match=rf"no microphone '{wanted}'.*2 \(Kitchen\), 3 \(Kitchen window\)") as caught:
        choose(DEVICES, wanted)
    assert caught.value.code == ExitCode.NO_INPUT


def test_an_ambiguous_name_is_told_with_the_candidates() -> None:
    with pytest.raises(DeviceError) as caught:
        choose(DEVICES, "kitch")
    assert caught.value.message == "More than one microphone is called 'kitch'."
    assert caught.value.advice == "Choose one of: 2 (Kitchen), 3 (Kitchen window)."


def test_no_microphone_at_all_is_told() -> None:
    with pytest.raises(DeviceError, match=r"There is no microphone\. Connect one"):
        choose([], "kitchen")
