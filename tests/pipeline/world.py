"""Listener and transcriber in virtual time: the real parts, driven frame by frame by a test, without their threads.

Only the store writer runs in its thread, and is waited for where it has something to do. An engine's decode takes so
much virtual time: speech goes on, ends and is stored meanwhile, as it would.
"""

from collections.abc import Callable, Sequence

from tests.fakes.detector import LoudnessDetector, loud, quiet
from tests.fakes.engine import FakeEngine
from tests.pipeline.rig import SECONDS, SESSION, Rig
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Frame, Gap, GapReason, Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.events import PartialHeard, UtteranceSettled
from voicebridge.domain.ports import TurnDetector
from voicebridge.domain.units import FRAME_SAMPLES, FRAMES_PER_SECOND, seconds_to_samples
from voicebridge.domain.utterance import PendingUtterance, Transcript, UtteranceRecord
from voicebridge.pipeline.early_work import EarlyWork
from voicebridge.pipeline.listener import Ears, Listener, ListenerHooks
from voicebridge.pipeline.partials import Partials
from voicebridge.pipeline.pauses import Pauses
from voicebridge.pipeline.recorder import Recorder
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.transcriber import Desk, Rules, Transcriber
from voicebridge.settings import EndpointSettings, EngineSettings, GateSettings, PartialsSettings
from voicebridge.vad.segmenter import Segmenter

FRAME_SECONDS = 1 / FRAMES_PER_SECOND


class SlowEngine(FakeEngine):
    """Says which audio it was given; each decode takes the next of ``durations`` (seconds), which come round again.

    ``fails`` is asked before each decode whether it is to fail.
    """

    def __init__(self, durations: Sequence[float]) -> None:
        super().__init__()
        self.advance: Callable[[float], None] = lambda _: None
        self.fails: Callable[[], bool] = lambda: False
        self.begins: Callable[[], None] = lambda: None
        self.now: Callable[[], float] = lambda: 0.0
        self.began: list[float] = []
        self._durations = durations

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        self.begins()
        self.began.append(self.now())
        self.decoded.append((start_sample, len(audio)))
        fails = self.fails()
        self.advance(self._durations[len(self.decoded) % len(self._durations)])
        if fails:
            raise SpeechError("The engine failed.")
        return Transcript(f"{start_sample} {len(audio)}", "fake", "slow", 1.0, language="en")


class World:
    """A session in virtual time. Speech is loud, pauses are quiet; a commit is told ``store_seconds`` after its end."""

    def __init__(
        self,
        rig: Rig,
        engine: SlowEngine,
        endpoint: EndpointSettings | None = None,
        partials: PartialsSettings | None = None,
        detector: TurnDetector | None = None,
    ) -> None:
        self.rig, self.engine = rig, engine
        self.now = 1000.0
        self.store_seconds = 0.0
        endpoint = endpoint or EndpointSettings()
        self.ring = Ring(seconds_to_samples(60), lambda: self.now)
        clock = SessionClock(self.ring, True, 60.0, lambda: self.now, lambda: self.now)
        self.early = EarlyWork(Partials(partials or PartialsSettings(mode="off"), lambda: True), lambda: self.now)
        desk = Desk(SESSION, self.ring, rig.shelf, rig.writer, clock, monotonic=lambda: self.now)
        self.transcriber = Transcriber(
            engine, desk, Rules(EngineSettings(), GateSettings(), endpoint), rig.events, early=self.early
        )
        self.transcriber.sign_seconds = 0.0
        self.transcriber.pauses = Pauses(clock, endpoint, detector)
        self._committed: list[tuple[float, PendingUtterance]] = []
        recorder = Recorder(self.ring, rig.writer, rig.shelf, rig.events, self._commit)
        self._reader = self.ring.reader(start=0)
        ears = Ears(self._reader, LoudnessDetector(), Segmenter(endpoint))
        self.listener = Listener(SESSION, ears, recorder, clock, rig.events, self._hooks())
        self.early.on_verdict = self.listener.set_hangover
        engine.advance, engine.now = self.advance, lambda: self.now
        self._frames: list[Samples | int] = []
        self.settled: list[tuple[float, UtteranceRecord]] = []
        """When each was settled, and as what."""
        self.partials: list[PartialHeard] = []

    def say(self, *parts: float | tuple[float]) -> None:
        """Add speech and pauses by turns, in seconds, speech first; a tuple is a gap."""
        for number, part in enumerate(parts):
            if isinstance(part, tuple):
                self._frames.append(seconds_to_samples(part[0]))
                continue
            audio = loud(part) if number % 2 == 0 else quiet(part)
            self._frames += list(audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES))

    def run(self) -> None:
        """Let it be over: everything is said, decoded and settled."""
        self.engine.load()
        while self._frames or self._committed or self.transcriber.waiting or self.early.waits:
            while self.transcriber.waiting or self.early.waits:
                self.transcriber._turn()
                self._settle()
            self.advance(FRAME_SECONDS)
        self._settle()

    def advance(self, seconds: float) -> None:
        """Let time pass: hear what is said meanwhile, and tell the transcriber of what is committed."""
        end = self.now + seconds
        while self.now + FRAME_SECONDS <= end:
            self.now += FRAME_SECONDS
            self._hear()
            self._offer()
        self.now = end

    def _hear(self) -> None:
        if not self._frames:
            return
        frame = self._frames.pop(0)
        if isinstance(frame, int):
            self.ring.write_gap(frame, GapReason.OVERFLOW)
            return
        self.ring.write(frame)
        self.listener._take_verdict()
        while item := self._reader.read(0):
            if isinstance(item, Gap):
                self.listener._miss(item)
            else:
                assert isinstance(item, Frame)
                self.listener._hear(item)
        assert self.rig.writer.drain(SECONDS)

    def _commit(self, pending: PendingUtterance) -> None:
        self._committed.append((self.now + self.store_seconds, pending))

    def _offer(self) -> None:
        while self._committed and self._committed[0][0] <= self.now:
            self.transcriber.offer(self._committed.pop(0)[1])

    def _settle(self) -> None:
        assert self.rig.writer.drain(SECONDS)
        for event in self.rig.announced():
            if isinstance(event, UtteranceSettled):
                self.settled.append((self.now, event.record))
            elif isinstance(event, PartialHeard):
                self.partials.append(event)

    def _hooks(self) -> ListenerHooks:
        early = self.early
        return ListenerHooks(
            on_anchor=lambda _: None,
            on_may_end=early.may_end,
            on_resumed=early.resumed,
            on_ended=early.ended,
            on_speech=early.goes_on,
        )


def as_text(record: UtteranceRecord) -> str:
    """Return what SlowEngine says of the audio of an utterance."""
    return f"{record.start_sample} {record.end_sample - record.start_sample}"
