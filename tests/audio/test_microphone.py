"""The supervisor keeps a microphone open, tells when it is gone and brings it back."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.fakes.sink import MemorySink
from voicebridge.audio.capture import Capture
from voicebridge.audio.microphone import STALLED_SECONDS, Microphone
from voicebridge.audio.sleep_watch import Clocks
from voicebridge.audio.sound_server import Known
from voicebridge.audio.supervisor import OpenStream, Outside
from voicebridge.domain.audio import GapReason
from voicebridge.domain.capture import CaptureReport, CaptureState, SoundServer
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.events import CaptureChanged, DeviceMoved, Event
from voicebridge.settings.schema import AudioSettings, CaptureSettings

SECONDS = 10.0
"""How long a test waits for another thread before it fails."""


@dataclass
class DeskStream:
    """An open stream of a ``DeskDevice``."""

    capture: Capture
    name: str = "Desk: USB (hw:1,0)"
    active: bool = True
    hold: threading.Event | None = None
    number: int = 100

    def close(self) -> None:
        self.active = False
        if self.hold is not None:
            self.hold.wait(SECONDS)

    def deliver(self, blocks: int = 1, *, frozen: bool = False) -> None:
        for _ in range(blocks):
            self.number += not frozen
            block = np.full((320, 1), 5, dtype=np.int16)
            block[0] = self.number
            self.capture.take(block, overflowed=False)

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
class DeskServer:
    """A sound server that a test speaks for. Implements SourceWatch."""

    now_known: Known = field(default_factory=Known)
    changed: Callable[[], None] = lambda: None
    prompted: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False

    def start(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def prompt(self) -> None:
        self.prompted.set()

    def known(self) -> Known:
        return self.now_known

    def sign(self) -> float | None:
        return 7.0

    def stop(self) -> None:
        self.stopped = True

    def feeds(self, source: str, stream: int = 0, sources: str = "desk decoy") -> None:
        """Feed our stream of this number from a source."""
        self.now_known = Known(SoundServer.ANSWERS, 1.0, (1, stream), source, frozenset(sources.split()))
        self.changed()


@dataclass
class Scene:
    """A microphone over a desk device, with what it published."""

    device: DeskDevice = field(default_factory=DeskDevice)
    audio: AudioSettings = field(default_factory=lambda: AudioSettings(retry_max_seconds=0.1))
    sink: MemorySink = field(default_factory=MemorySink)
    events: "queue.Queue[Event]" = field(default_factory=queue.Queue)
    server: DeskServer = field(default_factory=DeskServer)
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    now: float = 500.0

    def publish(self, event: Event) -> None:
        """Implements EventSink."""
        self.events.put(event)

    def microphone(self) -> Microphone:
        clocks = Clocks(lambda: self.now, lambda: self.now)
        return Microphone(self.audio, self.capture, self, Outside(self.device.open, self.server, clocks=clocks))

    def started(self) -> Microphone:
        microphone = self.microphone()
        microphone.start(self.sink)
        return microphone

    def event(self) -> Event:
        return self.events.get(timeout=SECONDS)

    def change(self) -> tuple[bool, str]:
        event = self.event()
        assert isinstance(event, CaptureChanged)
        return event.hearing, event.detail

    def reopened(self, seconds: float = 0.2) -> DeskStream:
        """Let time pass until the device is opened again."""
        while True:
            self.now += seconds
            try:
                return self.device.opened.get(timeout=0.15)
            except queue.Empty:
                continue

    def wait_for(self, microphone: Microphone, state: CaptureState) -> CaptureReport:
        """Return the first report of this state."""
        until(lambda: microphone.report().state is state)
        return microphone.report()


def until(condition: Callable[[], object]) -> None:
    """Wait until another thread has made it true."""
    pause = threading.Event()
    for _ in range(round(SECONDS / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come true")


def lost() -> DeviceError:
    return DeviceError("There is no microphone.", "Connect one.")


def test_what_the_device_delivers_is_heard_and_reported() -> None:
    scene = Scene()
    microphone = scene.started()
    scene.device.stream().deliver(3)
    assert scene.change() == (True, "Hearing 'Desk: USB (hw:1,0)'.")
    assert microphone.report().state is CaptureState.HEARING
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


def test_with_retry_a_device_that_is_not_there_yet_is_waited_for_and_missed() -> None:
    settings = AudioSettings(retry=True, retry_max_seconds=0.1)
    scene = Scene(DeskDevice([lost(), lost()]), settings)
    microphone = scene.started()
    assert scene.change() == (False, "There is no microphone. Connect one.")
    scene.reopened().deliver()
    assert scene.change()[0] is True
    microphone.stop()
    (missed,) = scene.sink.gaps
    assert (missed.span.start, missed.reason) == (0, GapReason.DEVICE_LOST)


def test_a_lost_device_comes_back_with_a_gap_of_the_time_it_was_away() -> None:
    scene = Scene()
    microphone = scene.started()
    first = scene.device.stream()
    first.deliver()
    assert scene.change()[0] is True
    scene.device.failures = [lost(), lost()]
    first.pull()
    hearing, detail = scene.change()
    assert not hearing
    assert "is gone: its stream ended" in detail
    second = scene.reopened()
    scene.now = 530.02
    second.deliver()
    assert scene.change()[0] is True
    report = microphone.report()
    assert (report.recoveries, report.attempts, report.last_block) == (1, 0, 530.02)
    microphone.stop()
    (gap,) = scene.sink.gaps
    assert gap.reason is GapReason.DEVICE_LOST
    assert gap.span.seconds == pytest.approx(30, abs=0.001)
    assert [fresh for _, fresh in scene.device.asked] == [False, True, True, True]


def test_a_device_that_falls_silent_is_lost() -> None:
    scene = Scene()
    microphone = scene.started()
    scene.device.stream().deliver()
    scene.change()
    scene.now += 3.5
    assert scene.change() == (False, "The microphone 'Desk: USB (hw:1,0)' is gone: nothing came from it for 3.5 s.")
    scene.reopened().deliver()
    assert scene.change()[0] is True
    microphone.stop()
    assert [gap.reason for gap in scene.sink.gaps] == [GapReason.STALLED]


def test_a_device_chosen_by_index_is_found_again_by_its_name() -> None:
    scene = Scene(audio=AudioSettings(device="3", retry_max_seconds=0.1))
    microphone = scene.started()
    scene.device.stream().pull()
    scene.reopened()
    microphone.stop()
    assert [wanted for wanted, _ in scene.device.asked] == ["3", "Desk: USB (hw:1,0)"]


def test_a_stop_does_not_wait_for_a_device_that_hangs() -> None:
    scene = Scene()
    microphone = scene.started()
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
    microphone = scene.started()
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
    microphone = scene.started()
    stream = scene.device.stream()
    stream.deliver()
    assert scene.change()[0] is True
    stream.pull()
    assert scene.change()[0] is False
    scene.reopened()
    scene.now = 502.0
    microphone.stop()
    scene.sink.wait_for_end()
    (gap,) = scene.sink.gaps
    assert gap.span.seconds == 2.0


def test_a_device_that_hangs_when_it_is_lost_leaves_the_gap_once() -> None:
    scene = Scene()
    microphone = scene.started()
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
    microphone = scene.started()
    scene.device.stream().deliver()
    assert scene.change()[0] is True
    scene.now += silent_seconds
    microphone.stop()
    scene.sink.wait_for_end()
    assert [gap.span.seconds for gap in scene.sink.gaps] == lost_seconds


def test_a_device_that_never_came_is_a_gap_from_the_beginning_to_the_end() -> None:
    settings = AudioSettings(retry=True, retry_max_seconds=0.1)
    scene = Scene(DeskDevice([lost() for _ in range(1000)]), settings)
    microphone = scene.started()
    assert scene.change()[0] is False
    scene.now += 60
    microphone.stop()
    scene.sink.wait_for_end()
    (missed,) = scene.sink.gaps
    assert (missed.span.start, missed.reason) == (0, GapReason.DEVICE_LOST)
    assert missed.span.seconds == pytest.approx(60, abs=1)


def test_a_fault_of_the_callback_ends_the_delivery_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    microphone = scene.started()
    stream = scene.device.stream()
    stream.capture.failure = ZeroDivisionError("a mistake of ours")
    stream.pull()
    scene.sink.wait_for_end()
    assert isinstance(microphone.error(), ZeroDivisionError)
    assert "the capture supervisor failed" in caplog.text
    microphone.stop()
    assert microphone.report().state is CaptureState.FAILED


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


def test_who_is_asked_says_where_capture_stands() -> None:
    scene = Scene()
    microphone = scene.microphone()
    assert microphone.report().state is CaptureState.STARTING
    microphone.start(scene.sink)
    stream = scene.device.stream()
    scene.server.feeds("desk")
    stream.deliver()
    assert scene.change()[0] is True
    report = microphone.report()
    assert report.state is CaptureState.HEARING
    assert (report.source, report.moved, report.server) == ("desk", False, SoundServer.ANSWERS)
    assert (report.call, report.call_began, report.watch_sign) == ("", None, 7.0)
    assert (report.last_block, report.level_peak, report.zero_seconds) == (500.0, 101, 0.0)
    scene.device.failures = [lost() for _ in range(1000)]
    stream.pull()
    report = scene.wait_for(microphone, CaptureState.LOST)
    assert report.next_attempt == pytest.approx(500.1)
    scene.now += 0.1
    until(lambda: microphone.report().attempts == 1)
    microphone.stop()
    assert microphone.report().state is CaptureState.ENDED


def test_a_teardown_that_hangs_is_told_by_its_call_and_is_a_failure_after_its_time() -> None:
    scene = Scene()
    microphone = scene.started()
    stream = scene.device.stream()
    stream.hold = threading.Event()
    stream.deliver()
    scene.change()
    stream.pull()
    assert scene.change()[0] is False
    until(lambda: microphone.report().call)
    report = microphone.report()
    assert (report.call, report.call_began, report.state) == ("teardown", 500.0, CaptureState.LOST)
    scene.now += 2.5
    report = microphone.report()
    assert (report.state, report.since) == (CaptureState.FAILED, 500.0)
    stream.hold.set()
    scene.reopened().deliver()
    assert scene.change()[0] is True
    microphone.stop()


def test_an_opening_that_hangs_waits_with_a_silent_server_and_fails_with_one_that_answers() -> None:
    answer = threading.Event()
    scene = Scene(DeskDevice(before_open=lambda: answer.wait(SECONDS)), AudioSettings(retry=True))
    scene.server.now_known = Known(SoundServer.SILENT, 500.0)
    microphone = scene.started()
    until(lambda: microphone.report().call == "open")
    scene.now += 60.0
    assert microphone.report().state is CaptureState.STARTING
    scene.server.now_known = Known(SoundServer.ANSWERS, scene.now)
    assert microphone.report().state is CaptureState.STARTING
    scene.now += 10.5
    assert microphone.report().state is CaptureState.FAILED
    answer.set()
    scene.device.stream()
    microphone.stop()


def test_a_change_of_what_can_be_seen_has_a_lost_device_tried_at_once() -> None:
    scene = Scene(audio=AudioSettings(retry_max_seconds=300.0))
    microphone = scene.started()
    stream = scene.device.stream()
    stream.deliver()
    scene.change()
    scene.device.failures = [lost()]
    stream.pull()
    assert scene.change()[0] is False
    scene.wait_for(microphone, CaptureState.LOST)
    scene.server.feeds("desk", 1, "desk")
    until(lambda: not scene.device.failures)
    scene.server.feeds("desk", 1, "desk decoy")
    scene.device.stream().deliver()
    assert scene.change()[0] is True
    assert scene.now == 500.0
    microphone.stop()


def test_a_frozen_device_is_opened_again_and_its_pauses_grow() -> None:
    scene = Scene(audio=AudioSettings(retry_max_seconds=10.0))
    microphone = scene.started()
    stream = scene.device.stream()
    for expected in (0.25, 0.5, 1.0):
        stream.deliver(260, frozen=True)
        assert scene.change()[0] is True
        assert "is frozen" in scene.change()[1]
        report = scene.wait_for(microphone, CaptureState.LOST)
        assert report.next_attempt == pytest.approx(scene.now + expected)
        stream = scene.reopened(expected)
    microphone.stop()
    assert [gap.reason for gap in scene.sink.gaps] == [GapReason.STALLED] * 3


def test_digital_silence_restarts_nothing() -> None:
    scene = Scene()
    microphone = scene.started()
    stream = scene.device.stream()
    for _ in range(1000):
        stream.capture.take(np.zeros((16_000, 1), dtype=np.int16), overflowed=False)
        scene.now += 1.0
    assert scene.change()[0] is True
    microphone.stop()
    report = microphone.report()
    assert report.zero_seconds == 1000
    assert scene.events.empty()
    assert len(scene.device.asked) == 1


def test_a_named_device_that_is_moved_is_lost_until_its_source_is_back() -> None:
    scene = Scene(audio=AudioSettings(device="Desk", retry_max_seconds=0.1))
    microphone = scene.started()
    stream = scene.device.stream()
    scene.server.feeds("desk", 1)
    stream.deliver(10)
    assert scene.change()[0] is True
    scene.server.feeds("decoy", 1, "decoy")
    moved, gone = scene.event(), scene.event()
    assert isinstance(moved, DeviceMoved)
    assert (moved.source, moved.wanted) == ("decoy", "desk")
    assert isinstance(gone, CaptureChanged)
    assert "feeds us from 'decoy' in its place" in gone.detail
    stream.deliver()  # from the decoy
    scene.wait_for(microphone, CaptureState.LOST)
    scene.now += 5.0
    scene.wait_for(microphone, CaptureState.LOST)
    assert len(scene.device.asked) == 1  # it would be given the decoy again
    scene.server.now_known = Known(SoundServer.ANSWERS, 1.0, None, "", frozenset({"desk", "decoy"}))
    scene.server.changed()
    second = scene.reopened()
    second.deliver(10)  # nobody has said yet where this comes from
    assert scene.sink.samples == 3200
    scene.server.feeds("desk", 2)
    until(lambda: not second.capture.held)
    second.deliver()
    assert scene.change()[0] is True
    microphone.stop()
    assert [gap.reason for gap in scene.sink.gaps] == [GapReason.DEVICE_MOVED]
    assert scene.sink.gaps[0].span.start == 3200


def test_a_substitute_that_the_server_gives_at_once_is_never_heard() -> None:
    scene = Scene(audio=AudioSettings(device="Desk", retry_max_seconds=0.1))
    microphone = scene.started()
    stream = scene.device.stream()
    scene.server.feeds("desk", 1)
    stream.deliver()
    assert scene.change()[0] is True
    stream.pull()
    assert scene.change()[0] is False
    second = scene.reopened()
    second.deliver(5)
    scene.server.feeds("decoy", 2, "decoy")
    scene.wait_for(microphone, CaptureState.LOST)
    assert not second.active
    assert scene.sink.samples == 320
    assert scene.events.empty()
    microphone.stop()


def test_a_default_device_is_followed_and_opened_again_when_its_source_returns() -> None:
    scene = Scene()
    microphone = scene.started()
    stream = scene.device.stream()
    scene.server.feeds("desk", 1)
    stream.deliver()
    assert scene.change()[0] is True
    scene.server.feeds("decoy", 1, "decoy")
    assert isinstance(scene.event(), DeviceMoved)
    stream.deliver()
    report = microphone.report()
    assert (report.state, report.source, report.moved) == (CaptureState.HEARING, "decoy", True)
    scene.server.feeds("decoy", 1, "decoy desk")
    assert "is back" in scene.change()[1]
    second = scene.reopened()
    scene.server.feeds("desk", 2)
    second.deliver()
    assert scene.change()[0] is True
    report = microphone.report()
    assert (report.source, report.moved) == ("desk", False)
    microphone.stop()
    assert scene.events.empty()
    assert scene.server.stopped


def test_a_server_that_says_nothing_of_a_new_stream_is_not_waited_for_long() -> None:
    scene = Scene(audio=AudioSettings(device="Desk", retry_max_seconds=0.1))
    microphone = scene.started()
    stream = scene.device.stream()
    scene.server.feeds("desk", 1)
    stream.deliver()
    assert scene.change()[0] is True
    stream.pull()
    assert scene.change()[0] is False
    second = scene.reopened()
    scene.now += 1.5
    until(lambda: not second.capture.held)
    second.deliver()
    assert scene.change()[0] is True
    microphone.stop()


def test_the_first_hearing_of_the_session_is_told_as_such() -> None:
    scene = Scene(DeskDevice([lost()]), AudioSettings(retry=True, retry_max_seconds=0.1, device="Desk"))
    microphone = scene.started()
    firsts = [scene.event()]
    stream = scene.reopened()
    stream.deliver()
    firsts.append(scene.event())
    stream.pull()
    firsts.append(scene.event())
    scene.reopened().deliver()
    firsts.append(scene.event())
    microphone.stop()
    told = [(event.hearing, event.first, event.source) for event in firsts if isinstance(event, CaptureChanged)]
    assert told == [(False, False, "Desk"), (True, True, "Desk"), (False, False, "Desk"), (True, False, "Desk")]
