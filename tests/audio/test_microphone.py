"""The supervisor keeps a microphone open, tells when it is gone and brings it back."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.fakes.sink import MemorySink
from voicebridge.audio.capture import Capture
from voicebridge.audio.microphone import SILENT_SECONDS, STALLED_SECONDS, Microphone, OpenStream
from voicebridge.domain.audio import GapReason
from voicebridge.domain.errors import DeviceError
from voicebridge.settings.schema import AudioSettings

SECONDS = 10.0
"""How long a test waits for another thread before it fails."""


@dataclass
class DeskStream:
    """An open stream of a ``DeskDevice``."""

    capture: Capture
    name: str = "Desk: USB (hw:1,0)"
    active: bool = True
    hold: threading.Event | None = None

    def close(self) -> None:
        self.active = False
        if self.hold is not None:
            self.hold.wait(SECONDS)

    def deliver(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.capture.take(np.full((320, 1), 5, dtype=np.int16), overflowed=False)

    def pull(self) -> None:
        """Take the device away."""
        self.active = False
        self.capture.finished()


@dataclass
class DeskDevice:
    """A device without hardware: a test delivers, pulls it and plugs it in."""

    failures: list[Exception] = field(default_factory=list)
    before_open: Callable[[], object] = lambda: None
    opened: "queue.Queue[DeskStream]" = field(default_factory=queue.Queue)
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def open(self, settings: AudioSettings, wanted: str, capture: Capture, fresh: bool) -> OpenStream:
        self.asked.append((wanted, fresh))
        self.before_open()
        if self.failures:
            raise self.failures.pop(0)
        capture.begin(16_000, 1, np.int16)
        stream = DeskStream(capture)
        self.opened.put(stream)
        return stream

    def stream(self) -> DeskStream:
        return self.opened.get(timeout=SECONDS)


@dataclass
class Scene:
    """A microphone over a desk device, with what it reported."""

    device: DeskDevice = field(default_factory=DeskDevice)
    settings: AudioSettings = field(default_factory=lambda: AudioSettings(retry_max_seconds=0.1))
    sink: MemorySink = field(default_factory=MemorySink)
    changes: "queue.Queue[tuple[bool, str]]" = field(default_factory=queue.Queue)
    now: float = 500.0

    def microphone(self) -> Microphone:
        return Microphone(
            self.settings,
            lambda hearing, detail: self.changes.put((hearing, detail)),
            self.device.open,
            lambda: self.now,
        )

    def change(self) -> tuple[bool, str]:
        return self.changes.get(timeout=SECONDS)


def lost() -> DeviceError:
    return DeviceError("There is no microphone.", "Connect one.")


def test_what_the_device_delivers_is_heard_and_reported() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    scene.device.stream().deliver(3)
    assert scene.change() == (True, "Hearing 'Desk: USB (hw:1,0)'.")
    assert microphone.hearing
    microphone.stop()
    microphone.stop()
    assert len(scene.sink.wait_for_end()) == 960
    assert microphone.error() is None
    assert microphone.info.name == "Desk: USB (hw:1,0)"
    assert microphone.info.paced


def test_a_device_that_cannot_be_opened_ends_the_start_and_leaves_the_sink_open() -> None:
    scene = Scene(DeskDevice([lost()]))
    microphone = scene.microphone()
    with pytest.raises(DeviceError, match="There is no microphone"):
        microphone.start(scene.sink)
    microphone.stop()
    assert not scene.sink.closed
    assert microphone.error() is not None


def test_with_retry_a_device_that_is_not_there_yet_is_waited_for() -> None:
    settings = AudioSettings(retry=True, retry_max_seconds=0.1)
    scene = Scene(DeskDevice([lost(), lost()]), settings)
    microphone = scene.microphone()
    microphone.start(scene.sink)
    assert scene.change() == (False, "There is no microphone. Connect one.")
    scene.device.stream().deliver()
    assert scene.change()[0] is True
    microphone.stop()
    assert scene.sink.gaps == []


def test_a_lost_device_comes_back_with_a_gap_of_the_time_it_was_away() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    first = scene.device.stream()
    first.deliver()
    assert scene.change()[0] is True
    scene.device.failures = [lost(), lost()]
    first.pull()
    hearing, detail = scene.change()
    assert not hearing
    assert "is gone: its stream ended" in detail
    scene.now += 30.02
    scene.device.stream().deliver()
    assert scene.change()[0] is True
    microphone.stop()
    (gap,) = scene.sink.gaps
    assert gap.reason is GapReason.DEVICE_LOST
    assert gap.span.seconds == pytest.approx(30, abs=0.001)
    assert microphone.reopened == 1
    assert [fresh for _, fresh in scene.device.asked] == [False, True, True, True]


def test_a_device_that_falls_silent_is_lost() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    scene.device.stream().deliver()
    scene.change()
    scene.now += SILENT_SECONDS + 0.5
    assert scene.change() == (False, "The microphone 'Desk: USB (hw:1,0)' is gone: nothing came from it for 3.5 s.")
    scene.device.stream().deliver()
    assert scene.change()[0] is True
    microphone.stop()


def test_a_device_chosen_by_index_is_found_again_by_its_name() -> None:
    scene = Scene(settings=AudioSettings(device="3", retry_max_seconds=0.1))
    microphone = scene.microphone()
    microphone.start(scene.sink)
    scene.device.stream().pull()
    scene.device.stream()
    microphone.stop()
    assert [wanted for wanted, _ in scene.device.asked] == ["3", "Desk: USB (hw:1,0)"]


def test_a_stop_does_not_wait_for_a_device_that_hangs() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    stream = scene.device.stream()
    stream.hold = threading.Event()
    microphone.stop()
    assert scene.sink.closed
    assert "does not let itself be closed" in str(microphone.error())
    stream.deliver()
    assert scene.sink.samples == 0
    stream.hold.set()


def test_an_outage_that_is_open_at_the_stop_is_a_gap_up_to_the_stop() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    stream = scene.device.stream()
    stream.deliver(50)
    assert scene.change()[0] is True
    scene.device.failures = [lost() for _ in range(1000)]
    stream.pull()
    assert scene.change()[0] is False
    scene.now += 6
    microphone.stop()
    scene.now += 5
    microphone.stop()
    scene.sink.wait_for_end()
    (gap,) = scene.sink.gaps
    assert (gap.reason, gap.span.start, gap.span.seconds) == (GapReason.DEVICE_LOST, 50 * 320, 6.0)


def test_a_device_that_is_back_but_delivers_nothing_until_the_stop_leaves_the_gap_too() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    stream = scene.device.stream()
    stream.deliver()
    assert scene.change()[0] is True
    scene.now += 1
    stream.pull()
    assert scene.change()[0] is False
    scene.device.stream()
    scene.now += 1
    microphone.stop()
    scene.sink.wait_for_end()
    (gap,) = scene.sink.gaps
    assert gap.span.seconds == 2.0


def test_a_device_that_hangs_when_it_is_lost_leaves_the_gap_once() -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    stream = scene.device.stream()
    stream.hold = threading.Event()
    stream.deliver()
    assert scene.change()[0] is True
    scene.now += 4
    assert scene.change()[0] is False
    microphone.stop()
    assert scene.sink.closed
    stream.hold.set()
    microphone.stop()
    (gap,) = scene.sink.gaps
    assert gap.span.seconds == 4.0


@pytest.mark.parametrize(("silent_seconds", "lost_seconds"), [(STALLED_SECONDS, []), (STALLED_SECONDS + 0.5, [1.5])])
def test_a_stop_while_the_device_delivers_is_no_gap_but_one_that_stalled_is(
    silent_seconds: float, lost_seconds: list[float]
) -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    scene.device.stream().deliver()
    assert scene.change()[0] is True
    scene.now += silent_seconds
    microphone.stop()
    scene.sink.wait_for_end()
    assert [gap.span.seconds for gap in scene.sink.gaps] == lost_seconds


def test_a_device_that_never_came_has_no_sample_that_a_gap_could_follow() -> None:
    settings = AudioSettings(retry=True, retry_max_seconds=0.1)
    scene = Scene(DeskDevice([lost() for _ in range(1000)]), settings)
    microphone = scene.microphone()
    microphone.start(scene.sink)
    assert scene.change()[0] is False
    scene.now += 60
    microphone.stop()
    scene.sink.wait_for_end()
    assert scene.sink.gaps == []


def test_a_fault_of_the_callback_ends_the_delivery_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    microphone = scene.microphone()
    microphone.start(scene.sink)
    stream = scene.device.stream()
    stream.capture.failure = ZeroDivisionError("a mistake of ours")
    stream.pull()
    scene.sink.wait_for_end()
    assert isinstance(microphone.error(), ZeroDivisionError)
    assert "the capture supervisor failed" in caplog.text
    microphone.stop()


def test_a_sound_system_that_does_not_answer_ends_the_start() -> None:
    answer = threading.Event()
    scene = Scene(DeskDevice(before_open=lambda: answer.wait(SECONDS)))
    microphone = scene.microphone()
    microphone.open_seconds = 0.01
    with pytest.raises(DeviceError, match="The sound system did not answer"):
        microphone.start(scene.sink)
    answer.set()
    stream = scene.device.stream()
    stream.deliver()
    microphone.stop()
    assert not stream.active
    assert scene.sink.samples == 0
    assert not scene.sink.closed


def test_a_microphone_that_never_started_can_be_stopped() -> None:
    Scene().microphone().stop()
