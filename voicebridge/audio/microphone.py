"""A microphone as a source: started, stopped, asked how it is; its supervisor does the rest in a thread of its own."""

import logging
import threading
from dataclasses import replace

from voicebridge.audio.supervision import stuck
from voicebridge.audio.supervisor import Outside, Supervisor
from voicebridge.domain.audio import GapReason
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.events import Event
from voicebridge.domain.ports import BlockSink, EventSink, SourceInfo
from voicebridge.settings.schema import AudioSettings, CaptureSettings

FIRST_BLOCK_SECONDS = CaptureSettings().first_block_seconds
"""How long the first block may take, by default."""
OPEN_SECONDS = 10.0
"""How long ``start`` waits for the sound system to answer, by default."""
STOP_SECONDS = 1.8
"""How long ``stop`` waits; PortAudio can hang for good while the sound server does."""
STALLED_SECONDS = 1.0
"""A stop loses audio if nothing came for so long before it, although the device was not given up yet."""

log = logging.getLogger(__name__)


class Unheard:
    """Implements EventSink where nobody listens."""

    def publish(self, event: Event) -> None:
        """Do nothing."""


class Microphone:
    """Implements Source over a microphone; CaptureChanged and DeviceMoved are published from its own thread."""

    def __init__(
        self,
        audio: AudioSettings,
        capture: CaptureSettings | None = None,
        events: EventSink | None = None,
        outside: Outside | None = None,
    ) -> None:
        self._audio = audio
        self._settings = capture or CaptureSettings()
        self._outside = outside or Outside()
        self._clock = self._outside.clocks.monotonic
        self._supervisor = Supervisor(audio, self._settings, events or Unheard(), self._outside)
        self._sink: BlockSink | None = None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._stopped_at: float | None = None
        self._ending = threading.Lock()
        self._ended_at: float | None = None
        self.open_seconds = OPEN_SECONDS
        """How long ``start`` waits for the sound system to answer."""

    @property
    def info(self) -> SourceInfo:
        """What it is; the name is the device's own once it is open."""
        return SourceInfo("microphone", self._supervisor.name, paced=True)

    def start(self, sink: BlockSink) -> None:
        """Begin to deliver. Raises DeviceError when the device cannot be opened, unless ``audio.retry`` is set.

        The sink stays open after a failed start, so that another source can take this one's place.
        """
        self._sink = sink
        self._outside.watch.start(self._supervisor.wake.set)
        self._thread = threading.Thread(target=self._run, args=(sink,), name="capture", daemon=True)
        self._thread.start()
        if self._audio.retry:
            return
        if not self._supervisor.answered.wait(self.open_seconds):
            self._give_up()
        if isinstance(self._error, DeviceError):
            raise self._error

    def stop(self) -> None:
        """Stop delivering; returns within two seconds even when PortAudio does not.

        A device that is lost at this moment leaves a gap from its last block to here.
        """
        if self._stopped_at is None:
            self._stopped_at = self._clock()
        self._quit()
        if self._thread is None or self._sink is None:
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            advice = "The process must end to be rid of it."
            self._error = DeviceError(f"The microphone {self.info.name!r} does not let itself be closed.", advice)
            self._cut_off()
            self._end(self._sink)

    def apply(self, capture: CaptureSettings) -> None:
        """Go by other numbers from now on; from any thread. ``rate_window_seconds`` and ``on_move`` need a restart."""
        self._settings = capture
        self._supervisor.supervision.apply(capture)

    def error(self) -> Exception | None:
        """Return what ended the delivery, if it was a fault; None while a lost device is still looked for."""
        return self._error

    def report(self) -> CaptureReport:
        """Return how it is now. Never blocks; any thread may ask.

        ``sign`` stands still while a call is under way: whether that call may go on, ``supervision.stuck`` says.
        """
        supervisor, now = self._supervisor, self._clock()
        standing, call, capture = supervisor.supervision.standing, supervisor.call, supervisor.capture
        feed, known, shared = supervisor.whereabouts.feed, self._outside.watch.known(), supervisor.continuity
        report = CaptureReport(
            standing.state,
            standing.since,
            supervisor.sign,
            watch_sign=self._outside.watch.sign(),
            call="" if call is None else call.name,
            call_began=None if call is None else call.began,
            last_block=shared.latest_at,
            attempts=standing.attempts,
            next_attempt=standing.next_attempt,
            recoveries=standing.recoveries,
            server=known.server,
            server_since=known.server_since,
            source=feed.source or supervisor.name,
            moved=feed.away,
            rate_ratio=None if capture is None else capture.rate_ratio,
            zero_seconds=shared.signal.zero_seconds,
            level_peak=shared.signal.peak,
        )
        if self._error is not None:
            return replace(report, state=CaptureState.FAILED)
        if self._ended_at is not None:
            return replace(report, state=CaptureState.ENDED, since=self._ended_at)
        if call is not None and stuck(report, self._settings, now):
            return replace(report, state=CaptureState.FAILED, since=call.began)
        return report

    def _run(self, sink: BlockSink) -> None:
        try:
            self._supervisor.run(sink)
        except DeviceError as error:
            self._error = error
        except Exception as error:
            log.exception("the capture supervisor failed")
            self._error = error
        finally:
            self._outside.watch.stop()
            if not isinstance(self._error, DeviceError):
                self._end(sink)
            self._supervisor.answered.set()

    def _give_up(self) -> None:
        advice = "Is the sound server stuck? Restart it, or the machine."
        self._error = DeviceError(f"The sound system did not answer within {self.open_seconds:.0f} s.", advice)
        self._quit()
        self._cut_off()

    def _quit(self) -> None:
        self._supervisor.stopping.set()
        self._supervisor.wake.set()
        self._outside.watch.stop()

    def _cut_off(self) -> None:
        """Ignore whatever a stream that cannot be closed still delivers."""
        if self._supervisor.capture is not None:
            self._supervisor.capture.live = False

    def _end(self, sink: BlockSink) -> None:
        """Close the sink, once: a supervisor that stuck may come free while ``stop`` does it in its place."""
        with self._ending:
            if self._ended_at is not None:
                return
            self._ended_at = self._clock()
            self._note_missing(sink)
            sink.close()

    def _note_missing(self, sink: BlockSink) -> None:
        """Tell what an outage cost that was still open when we were told to stop."""
        stopped_at, shared, hearing = self._stopped_at, self._supervisor.continuity, self._supervisor.hearing
        if stopped_at is None:
            return
        # A device that delivers is up to a block behind, and more when the machine is busy: that is no loss.
        delay_seconds = self._audio.block_ms / 1000 if hearing is False else STALLED_SECONDS
        asleep, missing = shared.missing_until(stopped_at)
        sink.write_gap(asleep, GapReason.SUSPEND)
        latest_at = shared.begun_at if shared.latest_at is None else shared.latest_at
        if stopped_at - latest_at > delay_seconds:
            sink.write_gap(missing, self._supervisor.supervision.reason if hearing is False else GapReason.STALLED)
