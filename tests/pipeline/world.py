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
from voicebridge.domain.utterance import EndReason, PendingUtterance, Status, Transcript, UtteranceRecord
from voicebridge.pipeline.early_work import EarlyWork
from voicebridge.pipeline.listener import Ears, Listener, ListenerHooks
from voicebridge.pipeline.partials import Partials
from voicebridge.pipeline.recorder import Recorder
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.transcriber import Desk, Rules, Transcriber
from voicebridge.settings import EndpointSettings, EngineSettings, GateSettings, PartialsSettings, WhisperSettings
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
        self.ended: list[float] = []
        self.language = "en"
        self._durations = durations

    def apply(self, settings: WhisperSettings) -> bool:
        self.language = settings.language
        return True

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        self.begins()
        self.began.append(self.now())
        self.decoded.append((start_sample, len(audio)))
        fails = self.fails()
        language = self.language
        self.advance(self._durations[len(self.decoded) % len(self._durations)])
        self.ended.append(self.now())
        if fails:
            raise SpeechError("The engine failed.")
        return Transcript(f"{start_sample} {len(audio)}", "fake", "slow", 1.0, language=language)


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
        said_so_far = Partials(partials or PartialsSettings(mode="off"), lambda: True)
        self.early = EarlyWork(said_so_far, lambda: self.now, detector)
        desk = Desk(SESSION, self.ring, rig.shelf, rig.writer, clock, monotonic=lambda: self.now)
        self.rules = Rules(EngineSettings(), GateSettings(), endpoint)
        self.transcriber = Transcriber(engine, desk, self.rules, rig.events, early=self.early)
        self.transcriber.sign_seconds = 0.0
        self.unsettled = desk.unsettled
        self._committed: list[tuple[float, PendingUtterance]] = []
        self._recorder = Recorder(self.ring, rig.writer, rig.shelf, rig.events, self._commit)
        self._recorder.unsettled = self.unsettled
        self._reader = self.ring.reader(start=0)
        self._segmenter = Segmenter(endpoint)
        ears = Ears(self._reader, LoudnessDetector(), self._segmenter)
        self.listener = Listener(SESSION, ears, self._recorder, clock, rig.events, self._hooks())
        self.early.on_verdict = self.listener.set_hangover
        engine.advance, engine.now = self.advance, lambda: self.now
        self._frames: list[Samples | int] = []
        self._plans: list[tuple[float, Callable[[], None]]] = []
        self.offered: dict[int, float] = {}
        """When the transcriber was told of each, by id."""
        self.forgotten: list[int] = []
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

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something done so long after the beginning, in the middle of whatever is under way then."""
        self._plans.append((1000.0 + seconds, act))
        self._plans.sort(key=lambda plan: plan[0])

    def reload(self, language: str) -> None:
        """Have the engine go by other options."""
        self.transcriber.apply(self.rules, WhisperSettings(language=language))

    def forget(self) -> None:
        """Forget the oldest utterance that waits, as `voicebridge forget` does beside it."""
        if waiting := self.rig.with_status(Status.PENDING):
            self.rig.store.forget(waiting[0])
            self.forgotten.append(waiting[0])

    def stop_hearing(self) -> None:
        """Stop as an orderly stop does: what is open ends here, what waits is still decoded."""
        self._frames.clear()
        self.listener._act(self._segmenter.finish(EndReason.STOPPED))
        self._recorder.finish()
        assert self.rig.writer.drain(SECONDS)

    def run(self) -> None:
        """Let it be over: everything is said, decoded and settled."""
        self.engine.load()
        while self._frames or self._plans or self._committed or self.transcriber.waiting or self.early.waits:
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
            while self._plans and self._plans[0][0] <= self.now:
                self._plans.pop(0)[1]()
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
        if self.rig.store.refusal is None:
            assert self.rig.writer.drain(SECONDS)

    def _commit(self, pending: PendingUtterance) -> None:
        self._committed.append((self.now + self.store_seconds, pending))

    def _offer(self) -> None:
        while self._committed and self._committed[0][0] <= self.now:
            pending = self._committed.pop(0)[1]
            self.offered[pending.utterance_id] = self.now
            self.transcriber.offer(pending)

    def _settle(self) -> None:
        if self.rig.store.refusal is None:
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
