"""A microphone as a source: a supervisor opens it, watches it, and opens it again when it was lost."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from voicebridge.audio.capture import Capture, Pace
from voicebridge.domain.audio import GapReason
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.ports import BlockSink, SourceInfo
from voicebridge.domain.text import printable
from voicebridge.settings.schema import AudioSettings

FIRST_RETRY_SECONDS = 0.25
"""First pause before a lost device is tried again; it doubles up to ``audio.retry_max_seconds``."""
SILENT_SECONDS = 3.0
"""A stream that delivers nothing for this long is lost, whatever PortAudio says."""
FIRST_BLOCK_SECONDS = 6.0
"""The same before the first block: an idle PulseAudio source was seen to take 2.2 s to begin."""
OPEN_SECONDS = 10.0
"""How long ``start`` waits for the sound system to answer, by default."""
STOP_SECONDS = 1.8
"""How long ``stop`` waits; PortAudio can hang for good while the sound server does."""
STALLED_SECONDS = 1.0
"""A stop loses audio if nothing came for so long before it, although the device was not given up yet."""
_LOOK_SECONDS = 0.25
"""How often the supervisor looks at the stream; the end of a stream wakes it at once."""

log = logging.getLogger(__name__)


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


def _ignore_change(hearing: bool, detail: str) -> None:
    """Take no notice."""


class Microphone:
    """Implements Source over a microphone.

    ``on_change(hearing, sentence)`` is called from the supervisor's thread when the first audio comes, when the device
    is lost and when it is back.
    """

    def __init__(
        self,
        settings: AudioSettings,
        on_change: Callable[[bool, str], None] = _ignore_change,
        open_device: OpenDevice = open_with_portaudio,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._on_change = on_change
        self._open_device = open_device
        self._clock = clock
        self._pace = Pace()
        self._wanted = settings.device
        self._name = settings.device or "default microphone"
        self._capture: Capture | None = None
        self._sink: BlockSink | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._answered = threading.Event()
        self._error: Exception | None = None
        self._hearing: bool | None = None
        self._stopped_at: float | None = None
        self._ending = threading.Lock()
        self._ended = False
        self.open_seconds = OPEN_SECONDS
        """How long ``start`` waits for the sound system to answer."""
        self.reopened = 0
        """How often it came back after it was lost."""

    @property
    def info(self) -> SourceInfo:
        """What it is; the name is the device's own once it is open."""
        return SourceInfo("microphone", self._name, paced=True)

    @property
    def hearing(self) -> bool:
        """True while the device delivers."""
        return self._hearing is True

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver. Raises DeviceError when the device cannot be opened, unless ``audio.retry`` is set.

        The sink stays open after a failed start, so that another source can take this one's place.
        """
        self._sink = sink
        self._thread = threading.Thread(target=self._run, args=(sink,), name="capture", daemon=True)
        self._thread.start()
        if self._settings.retry:
            return
        if not self._answered.wait(self.open_seconds):
            self._give_up()
        if isinstance(self._error, DeviceError):
            raise self._error

    def _give_up(self) -> None:
        advice = "Is the sound server stuck? Restart it, or the machine."
        self._error = DeviceError(f"The sound system did not answer within {self.open_seconds:.0f} s.", advice)
        self._stopping.set()
        if self._capture is not None:
            self._capture.live = False

    def stop(self) -> None:
        """Stop delivering; returns within two seconds even when PortAudio does not.

        A device that is lost at this moment leaves a gap from its last block to here.
        """
        if self._stopped_at is None:
            self._stopped_at = self._clock()
        self._stopping.set()
        self._wake.set()
        if self._thread is None or self._sink is None:
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            if self._capture is not None:
                self._capture.live = False
            advice = "The process must end to be rid of it."
            self._error = DeviceError(f"The microphone {self._name!r} does not let itself be closed.", advice)
            self._end(self._sink)

    def error(self) -> Exception | None:
        """Return what ended the delivery, if it was a fault; None while a lost device is still looked for."""
        return self._error

    def report(self) -> CaptureReport:
        """Return how it is now."""
        state = {None: CaptureState.STARTING, True: CaptureState.HEARING, False: CaptureState.LOST}[self._hearing]
        now = self._clock()
        return CaptureReport(state, now, now, source=self._name)

    def _run(self, sink: BlockSink) -> None:
        try:
            self._supervise(sink)
        except Exception as error:
            log.exception("the capture supervisor failed")
            self._error = error
        finally:
            self._answered.set()
            if not isinstance(self._error, DeviceError):
                self._end(sink)

    def _end(self, sink: BlockSink) -> None:
        """Close the sink, once: a supervisor that stuck may come free while ``stop`` does it in its place."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            sink.write_gap(self._missing_at_stop(), GapReason.DEVICE_LOST)
            sink.close()

    def _missing_at_stop(self) -> int:
        """Return how many samples an outage cost that was still open when we were told to stop."""
        if self._stopped_at is None:
            return 0
        # A device that delivers is up to a block behind, and more when the machine is busy: that is no loss.
        delay_seconds = self._settings.block_ms / 1000 if self._hearing is False else STALLED_SECONDS
        if self._pace.silent_seconds(self._stopped_at) <= delay_seconds:
            return 0
        return self._pace.missing_samples(self._stopped_at, 0)

    def _supervise(self, sink: BlockSink) -> None:
        pause_seconds, fresh = FIRST_RETRY_SECONDS, False
        while not self._stopping.is_set():
            capture = Capture(sink, self._pace, self._wake.set, self._clock)
            self._capture = capture
            try:
                stream = self._open_device(self._settings, self._wanted, capture, fresh)
            except DeviceError as error:
                if not self._answered.is_set() and not self._settings.retry:
                    self._error = error
                    return
                self._change(False, str(error))
            else:
                self._listen(stream, capture)
                if capture.heard:
                    pause_seconds = FIRST_RETRY_SECONDS
            self._stopping.wait(pause_seconds)
            pause_seconds, fresh = min(pause_seconds * 2, self._settings.retry_max_seconds), True

    def _listen(self, stream: OpenStream, capture: Capture) -> None:
        """Watch a stream until it is lost or we stop, and close it."""
        self._name = printable(stream.name)
        if self._settings.device.strip().isdecimal():
            # An index names another device after a change; the name stays.
            self._wanted = stream.name
        self._answered.set()
        try:
            lost = ""
            while not lost and not self._stopping.is_set():
                self._wake.wait(_LOOK_SECONDS)
                self._wake.clear()
                if capture.heard:
                    self._change(True, f"Hearing {self._name!r}.")
                lost = self._fault_of(stream, capture)
            if lost:
                # Told before the stream is closed: that can hang as long as the sound server does.
                self._change(False, lost)
        finally:
            stream.close()
        capture.end()

    def _fault_of(self, stream: OpenStream, capture: Capture) -> str:
        if capture.failure is not None:
            raise capture.failure
        if not stream.active:
            return f"The microphone {self._name!r} is gone: its stream ended."
        silent = capture.silent_seconds()
        if silent > (SILENT_SECONDS if capture.heard else FIRST_BLOCK_SECONDS):
            return f"The microphone {self._name!r} is gone: nothing came from it for {silent:.1f} s."
        return ""

    def _change(self, hearing: bool, detail: str) -> None:
        if hearing is self._hearing:
            return
        if hearing and self._hearing is False:
            self.reopened += 1
        self._hearing = hearing
        self._on_change(hearing, detail)
