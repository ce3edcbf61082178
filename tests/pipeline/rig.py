"""The pipeline put together in memory: a real ring and real threads between a fake source, store and engine."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.fakes.detector import LoudnessDetector
from tests.fakes.store import MemorySessionLog, MemorySpool, MemoryStore
from tests.fakes.utterances import ended, noise
from voicebridge.audio.ring import Ring
from voicebridge.domain.audio import Samples
from voicebridge.domain.events import Event
from voicebridge.domain.ports import Engine, Source
from voicebridge.domain.units import seconds_to_samples
from voicebridge.domain.utterance import PendingUtterance, Status, UtteranceKey
from voicebridge.pipeline.events import EventStream
from voicebridge.pipeline.listener import Ears, Listener, ListenerHooks
from voicebridge.pipeline.recorder import Recorder, Shelf
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.transcriber import Desk, Rules, Transcriber
from voicebridge.settings import EndpointSettings, EngineSettings, GateSettings
from voicebridge.vad.segmenter import Segmenter

SESSION = 7
SECONDS = 30.0
"""How long a test waits for a thread before it fails."""


class PieceSpool(MemorySpool):
    """A spool that keeps the length of each piece it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[int] = []

    def append(self, key: UtteranceKey, started_at: float, samples: Samples) -> None:
        super().append(key, started_at, samples)
        self.pieces.append(len(samples))


class SignallingDetector(LoudnessDetector):
    """Sets ``reached`` once it has heard so many frames."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self._awaited = frames
        self.reached = threading.Event()

    def is_speech(self, frame: Samples) -> bool:
        speech = super().is_speech(frame)
        if self.frames >= self._awaited:
            self.reached.set()
        return speech


class Rig:
    """One session in memory. Nothing runs until a test starts it."""

    def __init__(self, ring_seconds: float = 60, backlog_bytes: int = 64_000_000, paced: bool = False) -> None:
        self.ring = Ring(seconds_to_samples(ring_seconds))
        self.events = EventStream()
        self._subscription = self.events.subscribe(capacity=1_000_000, partials=True)
        self.spool = PieceSpool()
        self.store = MemoryStore(self.spool)
        self.log = MemorySessionLog()
        self.shelf = Shelf(self.spool, self.store, self.log)
        self.writer = StoreWriter(self.events, backlog_bytes)
        self.clock = SessionClock(self.ring, paced, 60.0)
        self.pending: list[PendingUtterance] = []
        self.recorder = Recorder(self.ring, self.writer, self.shelf, self.events, self.pending.append)
        self.gate = threading.Event()

    def announced(self) -> list[Event]:
        """Return every event since the last call."""
        events = []
        while (event := self._subscription.get(0)) is not None:
            events.append(event)
        return events

    def hold_writer(self, audio_bytes: int = 0) -> None:
        """Keep the writer busy until ``gate`` is set, as a locked database would; takes so much of its bound."""
        assert self.writer.offer(lambda: self.gate.wait(SECONDS), audio_bytes)

    def listener(
        self, detector: LoudnessDetector | None = None, hooks: ListenerHooks | None = None, start: int = 0
    ) -> Listener:
        """Return a listener on the ring, with the real segmenter at its defaults."""
        ears = Ears(self.ring.reader(start=start), detector or LoudnessDetector(), Segmenter(EndpointSettings()))
        hooks = hooks or ListenerHooks(on_anchor=lambda _: None)
        return Listener(SESSION, ears, self.recorder, self.clock, self.events, hooks)

    def hear(self, source: Source, listener: Listener) -> None:
        """Hear a source to its end and wait until everything is stored."""
        listener.start()
        source.start(self.ring)
        assert listener.join(SECONDS)
        assert self.writer.drain(SECONDS)

    def transcriber(
        self,
        engine: Engine,
        max_attempts: int = 3,
        on_failure: Callable[[], None] = lambda: None,
        engine_settings: EngineSettings | None = None,
    ) -> Transcriber:
        """Return a transcriber of this session."""
        desk = Desk(SESSION, self.ring, self.shelf, self.writer, self.clock)
        rules = Rules(engine_settings or EngineSettings(max_attempts=max_attempts), GateSettings())
        return Transcriber(engine, desk, rules, self.events, on_failure)

    def add(self, start: float, length: float = 0.02, session_id: int = SESSION) -> PendingUtterance:
        """Spool and commit an utterance, in the writer's thread."""
        return self.writer.call(lambda: self.commit(start, length, session_id), SECONDS)

    def commit(self, start: float, length: float = 0.02, session_id: int = SESSION) -> PendingUtterance:
        """Spool and commit an utterance now."""
        utterance = ended(start, start + length, session_id)
        self.spool.append(utterance.key, utterance.started_at, noise(length))
        return self.store.add_pending(utterance)

    def with_status(self, status: Status) -> Sequence[int]:
        """Return the ids of the utterances that stand there, lowest first."""
        return sorted(number for number, record in self.store.records.items() if record.status is status)


@contextmanager
def writing(rig: Rig) -> Iterator[Rig]:
    """Run the rig's store writer."""
    rig.writer.start()
    try:
        yield rig
    finally:
        rig.gate.set()
        rig.writer.stop()
        assert rig.writer.join(SECONDS)


@contextmanager
def transcribing(transcriber: Transcriber) -> Iterator[Transcriber]:
    """Run a transcriber."""
    transcriber.start()
    try:
        yield transcriber
    finally:
        transcriber.stop()
        assert transcriber.join(SECONDS)
