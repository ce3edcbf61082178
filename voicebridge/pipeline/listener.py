"""The listener: the hot loop. Takes frames, asks the detector, feeds the segmenter, acts on what it says.

It touches neither SQLite nor files and never calls the engine; what it cannot hand on it keeps (see recorder).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from voicebridge.domain.audio import Frame, Gap, GapReason
from voicebridge.domain.events import SpeechDiscarded, SpeechStarted
from voicebridge.domain.ports import Detector, EventSink, FrameReader, Segmenter, Tunable
from voicebridge.domain.segments import Discarded, Ended, MayEnd, Paused, Resumed, SegmenterEvent, Started
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.units import FRAME_SAMPLES, FRAMES_PER_SECOND
from voicebridge.domain.utterance import EndedUtterance, EndReason, UtteranceKey
from voicebridge.pipeline.loudness import Loudness
from voicebridge.pipeline.recorder import Recorder
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.worker import Worker
from voicebridge.settings import EndpointSettings, VadSettings

READ_TIMEOUT_SECONDS = 0.5
THROTTLE_SECONDS = 0.02
QUIET_FRAMES = FRAMES_PER_SECOND
"""After this much without speech the listener lets frames gather: a wake-up costs ten times a silent frame's work."""
GATHERED_SAMPLES = 3 * FRAME_SAMPLES
"""What it then waits for: 60 ms, which the pre-roll covers. While anything is said it takes each frame as it comes."""


@dataclass(slots=True)
class ListenerCounters:
    """What the listener has done since the session began."""

    frames: int = 0
    speech_frames: int = 0
    utterances: int = 0
    discarded: int = 0
    gaps: int = 0
    gap_samples: int = 0
    level: float = 0.0
    """Root mean square of the newest frame, 0 to 32768."""
    gaps_by_reason: dict[GapReason, int] = field(default_factory=lambda: dict.fromkeys(GapReason, 0))
    gap_samples_by_reason: dict[GapReason, int] = field(default_factory=lambda: dict.fromkeys(GapReason, 0))


@dataclass(frozen=True, slots=True)
class Ears:
    """What the listener hears with."""

    reader: FrameReader
    detector: Detector
    segmenter: Segmenter


@dataclass(frozen=True, slots=True)
class _Order:
    """Settings that somebody wants to be in force."""

    vad: VadSettings
    endpoint: EndpointSettings


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How long somebody wants a pause to be waited for."""

    speech_end: int
    hangover_ms: int


class Listener(Worker):
    """Runs at 1:1 with the source.

    ``may_go_on`` is asked before each frame of a source that can wait, and holds it while the engine is far behind.
    ``on_end`` is called when the source has ended and everything heard has been handed on.
    """

    def __init__(
        self,
        session_id: int,
        ears: Ears,
        recorder: Recorder,
        clock: SessionClock,
        events: EventSink,
        hooks: "ListenerHooks",
    ) -> None:
        super().__init__("listener", hooks.on_failure)
        self.counters = ListenerCounters()
        self.loudness = Loudness()
        self.ended = False
        """True once the source came to its end by itself and everything was heard."""
        self._stop_expected = False
        self._open: UtteranceKey | None = None
        self._opened_at = 0.0
        self._quiet_frames = 0
        # Others write the one, the listener's thread the other: they differ while there is something to take over.
        self._wanted: _Order | None = None
        self._taken: _Order | None = None
        self._verdict: _Verdict | None = None
        self._verdict_taken: _Verdict | None = None
        self._session_id = session_id
        self._ears = ears
        self._recorder = recorder
        self._clock = clock
        self._events = events
        self._hooks = hooks

    @property
    def lag_samples(self) -> int:
        """How far it is behind the source."""
        return self._ears.reader.lag_samples

    @property
    def speech_open(self) -> bool:
        """True while an utterance is open."""
        return self._open is not None

    def expect_stop(self) -> None:
        """Say that the source is being stopped: if its audio ends from now on, that is not its own end."""
        self._stop_expected = True

    def apply(self, vad: VadSettings, endpoint: EndpointSettings) -> None:
        """Go by other settings; from any thread. ``vad.mode`` needs a restart.

        They are taken over between two frames while nothing is being said, so that an utterance keeps the rules it
        began with. Where speech does not end (noise that the old thresholds take for speech, say) the detector takes
        its part over at the next cut. Of several orders the newest counts.
        """
        self._wanted = _Order(vad, endpoint)

    def set_hangover(self, speech_end: int, hangover_ms: int) -> None:
        """Wait so long in the pause after this speech, if it still lasts at the next frame; from any thread."""
        self._verdict = _Verdict(speech_end, hangover_ms)

    @property
    def applied(self) -> bool:
        """True once the newest settings given to ``apply`` are in force."""
        return self._wanted is self._taken

    def _run(self) -> None:
        reader = self._ears.reader
        while not reader.ended:
            self.sign()
            self._take_over()
            self._take_verdict()
            stopping = self._stopping.is_set()
            if stopping and not self._clock.paced:
                break
            if not self._clock.paced and not self._hooks.may_go_on():
                self._stopping.wait(THROTTLE_SECONDS)
                continue
            item = reader.read(0 if stopping else READ_TIMEOUT_SECONDS, self._enough_samples())
            if isinstance(item, Frame):
                self._hear(item)
            elif isinstance(item, Gap):
                self._miss(item)
            elif self._clock.paced:
                self.counters.level = 0.0  # nothing comes: the newest level is an old one
            if item is None and stopping:
                break  # everything a microphone delivered before the stop has been heard
        self.ended = reader.ended and not self._stop_expected
        self._act(self._ears.segmenter.finish(EndReason.END_OF_STREAM if self.ended else EndReason.STOPPED))
        self._recorder.finish()
        self._hand_on()
        self._hooks.on_end()

    def _take_over(self, *, after_cut: bool = False) -> None:
        wanted = self._wanted
        if wanted is self._taken or wanted is None:
            return
        segmenter, detector = self._ears.segmenter, self._ears.detector
        nothing_is_said = not isinstance(segmenter, Tunable) or segmenter.apply(wanted.endpoint)
        if (nothing_is_said or after_cut) and isinstance(detector, Tunable):
            detector.apply(wanted.vad)
        if nothing_is_said:
            self._taken = wanted

    def _take_verdict(self) -> None:
        verdict = self._verdict
        if verdict is not self._verdict_taken and verdict is not None:
            self._verdict_taken = verdict
            self._ears.segmenter.set_hangover(verdict.speech_end, verdict.hangover_ms)

    def _enough_samples(self) -> int:
        quiet = self._quiet_frames >= QUIET_FRAMES and self._open is None
        return GATHERED_SAMPLES if quiet and self._clock.paced else 0

    def _hear(self, frame: Frame) -> None:
        if anchor := self._clock.renew_if_due():
            self._hooks.on_anchor(anchor)
        speech = self._ears.detector.is_speech(frame.samples)
        level = _rms(frame)
        counters = self.counters
        counters.frames += 1
        counters.speech_frames += speech
        self._quiet_frames = 0 if speech else self._quiet_frames + 1
        counters.level = level
        self.loudness.add(frame.samples, frame.valid, level)
        self._act(self._ears.segmenter.push(frame.start, frame.valid, speech, level))
        self._recorder.grow(frame.end)
        if not self._clock.paced:
            self._hand_on()
        elif speech and self._open is not None:
            self._hooks.on_speech(self._open, frame.end)

    def _hand_on(self) -> None:
        """Wait until the store writer has taken everything that was heard, or we stop."""
        while not self._recorder.flush() and not self._stopping.is_set():
            self.sign()
            self._recorder.wait_for_room()

    def _miss(self, gap: Gap) -> None:
        self.counters.gaps += 1
        self.counters.gap_samples += gap.span.samples
        self.counters.gaps_by_reason[gap.reason] += 1
        self.counters.gap_samples_by_reason[gap.reason] += gap.span.samples
        self._act(self._ears.segmenter.gap(gap.span))
        self._ears.detector.reset()
        self._recorder.note(gap)
        if self._clock.paced and (anchor := self._clock.renew_after_gap()):
            self._hooks.on_anchor(anchor)

    def _act(self, said: Sequence[SegmenterEvent]) -> None:
        for event in said:
            match event:
                case Started(start):
                    self._open = UtteranceKey(self._session_id, start)
                    self._opened_at = self._clock.wall(start)
                    self._recorder.open(self._open, self._opened_at)
                    self._events.publish(SpeechStarted(start))
                case Ended():
                    self._end(event)
                case Discarded(start):
                    self.counters.discarded += 1
                    self._events.publish(SpeechDiscarded(start))
                case MayEnd():
                    # A source that can wait has no pause in which an engine could be ahead of it.
                    if self._open is not None and self._clock.paced:
                        self._hooks.on_may_end(self._open, event)
                case Resumed():
                    if self._open is not None:
                        self._hooks.on_resumed(self._open)
                case Paused():
                    pass
                case _:
                    assert_never(event)

    def _end(self, event: Ended) -> None:
        self._open = None
        self.counters.utterances += 1
        if event.reason is EndReason.MAX_LENGTH:
            self._take_over(after_cut=True)
        ended = EndedUtterance(
            key=UtteranceKey(self._session_id, event.span.start),
            span=event.span,
            speech=event.speech,
            speech_ratio=event.speech_ratio,
            reason=event.reason,
            started_at=self._opened_at,
            ended_at=self._clock.wall_of_end(self._opened_at, event.span),
        )
        self._hooks.on_ended(ended)  # before it can be committed: what is void must be so by then
        self._recorder.end(ended)


@dataclass(frozen=True, slots=True)
class ListenerHooks:
    """Whom the listener tells or asks. None of them may wait for anything."""

    on_anchor: Callable[[Anchor], None]
    on_end: Callable[[], None] = lambda: None
    on_failure: Callable[[], None] = lambda: None
    may_go_on: Callable[[], bool] = lambda: True
    on_may_end: Callable[[UtteranceKey, MayEnd], None] = lambda _key, _pause: None
    """The open utterance of a paced source may be over."""
    on_resumed: Callable[[UtteranceKey], None] = lambda _key: None
    """It is not: its speech went on."""
    on_ended: Callable[[EndedUtterance], None] = lambda _ended: None
    """It is over; called before it is handed on to be stored."""
    on_speech: Callable[[UtteranceKey, int], None] = lambda _key, _end: None
    """Speech of the open utterance of a paced source has come up to this sample; called for each frame."""


def _rms(frame: Frame) -> float:
    samples = frame.samples.astype(np.float32)
    return float(np.sqrt(np.dot(samples, samples) / len(samples)))
