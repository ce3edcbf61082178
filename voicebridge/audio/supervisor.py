"""The capture thread's work: open a microphone, watch it, tear it down, open it again."""

import threading
from dataclasses import dataclass, field
from typing import Protocol

from voicebridge.audio.capture import Capture, Continuity
from voicebridge.audio.sleep_watch import Clocks
from voicebridge.audio.sound_server import NoWatch, SourceWatch
from voicebridge.audio.supervision import Fault, Look, Supervision, sentence
from voicebridge.audio.surroundings import Glance, Surroundings
from voicebridge.audio.whereabouts import Feed, Whereabouts
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.events import CaptureChanged, DeviceMoved
from voicebridge.domain.ports import BlockSink, EventSink
from voicebridge.domain.text import printable
from voicebridge.settings.schema import AudioSettings, CaptureSettings

LOOK_SECONDS = 0.25
"""How often the open stream is looked at; its end, and news of the sound server, wake the supervisor at once."""
GLANCE_SECONDS = 0.5
"""How often the surroundings of a lost device are looked at."""
BELIEVE_SECONDS = 1.0
"""A stream that the sound server says nothing about for so long is believed to be the right one."""


class OpenStream(Protocol):
    """A device that delivers."""

    @property
    def name(self) -> str:
        """The device's name, stable while its index is not."""
        ...

    @property
    def active(self) -> bool:
        """True while it may still deliver."""
        ...

    def close(self) -> None:
        """Stop; nothing is delivered after that."""
        ...


class OpenDevice(Protocol):
    """How a device is opened; the supervisor's thread calls it."""

    def __call__(self, settings: AudioSettings, wanted: str, capture: Capture, fresh: bool) -> OpenStream:
        """Open a device by name and deliver to the capture; ``fresh`` looks for devices anew. Raises DeviceError."""
        ...


def open_with_portaudio(settings: AudioSettings, wanted: str, capture: Capture, fresh: bool) -> OpenStream:
    """Open a real microphone. Raises DeviceError."""
    from voicebridge.audio import portaudio

    return portaudio.open_microphone(settings, wanted, capture, fresh)


@dataclass(frozen=True, slots=True)
class Outside:
    """What a microphone stands on: the sound library, the sound server, what can be seen, time."""

    open_device: OpenDevice = open_with_portaudio
    watch: SourceWatch = field(default_factory=NoWatch)
    surroundings: Surroundings = field(default_factory=Surroundings)
    clocks: Clocks = field(default_factory=Clocks)


@dataclass(frozen=True, slots=True)
class Call:
    """A call into the sound library that is under way."""

    name: str
    """``open`` or ``teardown``."""
    began: float


class Supervisor:
    """Runs the state machine over a real device; used by one thread, and looked at by others."""

    def __init__(self, audio: AudioSettings, settings: CaptureSettings, events: EventSink, outside: Outside) -> None:
        self._audio = audio
        self._events = events
        self._outside = outside
        self._clock = outside.clocks.monotonic
        self._wanted = audio.device
        self._fresh = False
        self._seen: Glance | None = None
        self._opened_at = 0.0
        self.name = audio.device or "default microphone"
        """The device's own once it is open."""
        self.continuity = Continuity(settings.rate_window_seconds, outside.clocks)
        self.supervision = Supervision(audio, settings, self._clock())
        self.whereabouts = Whereabouts(settings.on_move)
        self.capture: Capture | None = None
        """Of the stream that is open, being opened, or was last."""
        self.call: Call | None = None
        self.sign = self._clock()
        """When the thread last gave a sign of life; it cannot while a call is under way."""
        self.hearing: bool | None = None
        """What was last announced."""
        self.stopping = threading.Event()
        self.wake = threading.Event()
        """Set to have the thread look at once."""
        self.answered = threading.Event()
        """Set once the first attempt to open has succeeded or failed."""

    def run(self, sink: BlockSink) -> None:
        """Supervise until told to stop.

        Raises DeviceError when the very first opening fails and ``audio.retry`` is not set.
        """
        while self._attempt_is_due():
            capture = self._new_capture(sink)
            try:
                stream = self._open(capture)
            except DeviceError as error:
                if not self.answered.is_set() and not self._audio.retry:
                    raise
                self.supervision.refused(self._clock())
                self.continuity.refused = True
                self._first_attempt_is_over()
                self._announce(False, str(error))
            else:
                self._listen(stream, capture)

    def _first_attempt_is_over(self) -> None:
        self.answered.set()
        self._outside.watch.prompt()

    def _attempt_is_due(self) -> bool:
        """Wait until it is; False when we stop instead. A change in the surroundings makes it due at once."""
        while not self.stopping.is_set():
            now = self.sign = self._clock()
            if self.supervision.due(now):
                return True
            self.wake.wait(min(GLANCE_SECONDS, (self.supervision.standing.next_attempt or now) - now))
            self.wake.clear()
            seen = self._glance()
            if seen != self._seen:
                self._seen = seen
                self.supervision.changed(self._clock())
        return False

    def _glance(self) -> Glance:
        return self._outside.surroundings.glance(self._outside.watch.known())

    def _new_capture(self, sink: BlockSink) -> Capture:
        capture = Capture(sink, self.continuity, self.wake.set, self.supervision.reason)
        capture.held = self.whereabouts.opening(self._audio.device, self._outside.watch.known())
        # What changes from here on counts, also while the device is being opened.
        self._seen = self._glance()
        self.capture = capture
        return capture

    def _open(self, capture: Capture) -> OpenStream:
        now = self._clock()
        self.supervision.opening(now)
        missing = self.whereabouts.missing(self._audio.device, self._outside.watch.known())
        if missing:
            message = f"The microphone {self.name!r} is not there: the sound server has no source {missing!r}."
            raise DeviceError(message, "Connect it, or see `pactl list sources short`.")
        fresh, self._fresh = self._fresh, True
        self.call = Call("open", now)
        try:
            return self._outside.open_device(self._audio, self._wanted, capture, fresh)
        finally:
            self.call = None

    def _listen(self, stream: OpenStream, capture: Capture) -> None:
        """Watch a stream until it is lost or we stop, and close it."""
        self.name = printable(stream.name)
        if self._audio.device.strip().isdecimal():
            # An index names another device after a change; the name stays.
            self._wanted = stream.name
        self._first_attempt_is_over()
        self._opened_at = self._clock()
        self.supervision.opened(self._opened_at)
        try:
            while not self.stopping.is_set() and not self._lost(stream, capture):
                self.wake.wait(LOOK_SECONDS)
                self.wake.clear()
        finally:
            self._tear_down(stream)
        capture.end()

    def _tear_down(self, stream: OpenStream) -> None:
        self.call = Call("teardown", self._clock())
        stream.close()
        self.call = None
        self.whereabouts.closed()
        self.supervision.torn_down(self._clock())

    def _lost(self, stream: OpenStream, capture: Capture) -> bool:
        """Look at the open stream once; say whether it must be torn down, after that was announced."""
        if capture.failure is not None:
            raise capture.failure
        now = self.sign = self._clock()
        feed = self._follow_feed(capture, now)
        seen = Look(
            now,
            capture.blocks,
            capture.silent_seconds(),
            stream.active,
            capture.rate_ratio,
            capture.frozen_seconds,
            self.whereabouts.strayed,
            feed.returned,
        )
        fault = self.supervision.look(seen)
        if fault in {Fault.MOVED, Fault.FROZEN}:
            # What still comes is not what should be heard. Said before all else: the gap begins here.
            capture.live = False
        if capture.heard:
            self._announce(True, f"Hearing {self.name!r}.")
        if fault is not None:
            # Announced before the stream is closed: that can hang as long as the sound server does.
            self._announce(False, sentence(fault, self.name, seen, printable(feed.source)))
        return fault is not None

    def _follow_feed(self, capture: Capture, now: float) -> Feed:
        feed = self.whereabouts.look(self._outside.watch.known())
        if capture.held and not self.whereabouts.strayed:
            capture.held = not feed.source and now - self._opened_at < BELIEVE_SECONDS
        if feed.changed and not capture.held:
            if self.whereabouts.strayed:
                capture.live = False
            source, home = printable(feed.source), printable(feed.home)
            detail = f"The sound server feeds the microphone {self.name!r} from {source!r} now."
            self._events.publish(DeviceMoved(source, home, detail))
        return feed

    def _announce(self, hearing: bool, detail: str) -> None:
        if hearing is self.hearing:
            return
        first = hearing and not self.supervision.heard_before_now
        self.hearing = hearing
        name = self._audio.device or "the default microphone"
        self._events.publish(CaptureChanged(hearing, name, detail, first=first))
