"""The transcriber: the one thread that owns the engine. Takes pending utterances, oldest first, and settles them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError, StoreError, UtteranceGoneError
from voicebridge.domain.events import EngineFailed, EngineReady, UtteranceSettled
from voicebridge.domain.ports import AudioByIndex, Engine, EventSink, Tunable
from voicebridge.domain.utterance import Outcome, PendingUtterance, Status, Transcript, UtteranceKey
from voicebridge.pipeline.gate import judge
from voicebridge.pipeline.pending_queue import QUEUE_BOUND, PendingQueue
from voicebridge.pipeline.recorder import Shelf
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.unsettled import Unsettled
from voicebridge.pipeline.worker import Worker
from voicebridge.settings import EngineSettings, GateSettings, WhisperSettings

logger = logging.getLogger(__name__)

COMMIT_WAIT_SECONDS = 1.0
"""How long a decode waits until its attempt is on disk. Beyond that it runs uncounted: a locked store must not silence
a working engine."""


@dataclass(slots=True)
class TranscriberCounters:
    """What the transcriber has done since the session began; ``done``, ``rejected`` and ``failed`` are committed."""

    decodes: int = 0
    done: int = 0
    rejected: int = 0
    failed: int = 0
    errors: int = 0
    errors_in_a_row: int = 0
    """Decodes that have failed since the last one that did not."""
    last_error: str = ""
    uncounted_attempts: int = 0
    decode_seconds: float = 0.0
    audio_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Desk:
    """What the transcriber reads from and writes to."""

    session_id: int
    audio: AudioByIndex
    shelf: Shelf
    writer: StoreWriter
    clock: SessionClock
    unsettled: Unsettled = field(default_factory=Unsettled)
    """What the recorder has ended and this settles."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the transcriber keeps to."""

    engine: EngineSettings
    gate: GateSettings


@dataclass(frozen=True, slots=True)
class _Order:
    """Settings that somebody wants to be in force."""

    rules: Rules
    options: WhisperSettings


class Transcriber(Worker):
    """Decodes finals. Speculative and partial decodes will queue behind them here."""

    def __init__(
        self,
        engine: Engine,
        desk: Desk,
        rules: Rules,
        events: EventSink,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("transcriber", on_failure)
        self.counters = TranscriberCounters()
        self.engine_error: SpeechError | None = None
        """Why the engine could not be loaded; None before, and once it is loaded."""
        self.options_refused: SpeechError | None = None
        """Why the engine goes on with its old options, if the newest could not be used."""
        self.loads_failed = 0
        self.ready_monotonic: float | None = None
        """When the engine was loaded, on CLOCK_MONOTONIC; None before."""
        self._engine = engine
        self._desk = desk
        self._rules = rules
        self._events = events
        self._queue = PendingQueue()
        self._decode_began: float | None = None
        self._load_began: float | None = None
        # Others write the one, the transcriber's thread the other: they differ while there is something to take over.
        self._wanted: _Order | None = None
        self._taken: _Order | None = None

    @property
    def rules(self) -> Rules:
        """The rules in force: those of the decode that is under way, if one is."""
        return self._rules

    def apply(self, rules: Rules, options: WhisperSettings) -> None:
        """Go by other settings; from any thread. They are taken over between two decodes; the newest order counts.

        Of the engine's options those change that it can change while it is loaded. Options it cannot use are logged
        and told in ``options_refused``; it then keeps all of its old ones, while the rules change.
        """
        self._wanted = _Order(rules, options)
        self._queue.wake()

    @property
    def applied(self) -> bool:
        """True once the newest settings given to ``apply`` were taken over, or refused."""
        return self._wanted is self._taken

    @property
    def waiting(self) -> int:
        """Utterances that wait or are being decoded (those held in memory)."""
        return self._queue.waiting

    @property
    def current(self) -> PendingUtterance | None:
        """The utterance that is being decoded."""
        return self._queue.current

    @property
    def idle(self) -> bool:
        """True when nothing is being decoded and nothing waits, or what waits has no engine to wait for."""
        return self.engine_error is not None or self._queue.nothing_left

    @property
    def nothing_left(self) -> bool:
        """True when nothing is being decoded and nothing waits, here or in the store."""
        return self._queue.nothing_left

    @property
    def backlog_seconds(self) -> float:
        """Audio that waits in memory for its decode."""
        return self._queue.backlog_seconds

    def load_age_seconds(self, now_monotonic: float) -> float:
        """How long the engine has been loading; 0 when it is not."""
        began = self._load_began
        return 0.0 if began is None else now_monotonic - began

    def decode_age_seconds(self, now_monotonic: float) -> float:
        """How long the present decode has been running; 0 when none is."""
        began = self._decode_began
        return 0.0 if began is None else now_monotonic - began

    def offer(self, pending: PendingUtterance) -> None:
        """Queue an utterance. At the bound it stays in the store only, and is fetched from there in its turn."""
        self._queue.offer(pending)

    def look_again(self) -> None:
        """Look in the store for pending utterances that nobody offered (after `voicebridge retry`)."""
        self._queue.look_again()

    def return_attempt(self, pending: PendingUtterance) -> None:
        """Give back the attempt of a decode that an orderly stop does not wait for."""
        store = self._desk.shelf.utterances
        self._desk.writer.offer(lambda: store.return_attempt(pending.utterance_id))

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left to decode; False when time ran out or it ended before."""
        return self._queue.wait_until_empty(timeout_seconds)

    def stop(self) -> None:
        """End after the present decode; what waits stays pending."""
        super().stop()
        self._queue.close()

    def _run(self) -> None:
        try:
            if self._load_until_ready():
                while pending := self._next():
                    self._decode(pending)
                    self._queue.done()
                self._engine.close()
        finally:
            self._queue.end()

    def _load_until_ready(self) -> bool:
        while not self._load():
            if self._rules.engine.required or not self._wait_for_another_load():
                return False
        return True

    def _load(self) -> bool:
        self._load_began = began = time.monotonic()
        try:
            self._engine.load()
        except SpeechError as error:
            self._load_failed(error)
            return False
        finally:
            self.sign()  # before it is no longer excused: whoever watches must not see an old sign and no load
            self._load_began = None
        self.engine_error = None
        self.ready_monotonic = time.monotonic()
        info = self._engine.info
        self._events.publish(EngineReady(info.engine, info.model, (self.ready_monotonic - began) * 1000))
        return True

    def _load_failed(self, error: SpeechError) -> None:
        told, self.engine_error = self.engine_error, error
        self.loads_failed += 1
        if told is None or str(told) != str(error):
            self._events.publish(EngineFailed(self._engine.info.engine, str(error)))

    def _wait_for_another_load(self) -> bool:
        """Wait until the engine is to be tried again; False when we stop."""
        failed = time.monotonic()
        while not self._stopping.is_set():
            self._take_over()  # the pause itself may be changed
            left = failed + self._rules.engine.load_retry_seconds - time.monotonic()
            if left <= 0:
                return True
            self._pause(min(left, self.sign_seconds), self._stopping)
        return False

    def _take_over(self) -> None:
        wanted = self._wanted
        if wanted is self._taken or wanted is None:
            return
        self._rules = wanted.rules
        self.options_refused = None
        if isinstance(self._engine, Tunable):
            try:
                self._engine.apply(wanted.options)
            except SpeechError as error:
                self.options_refused = error
                logger.warning("the engine goes on with its old options: %s", error)
        self._taken = wanted

    def _next(self) -> PendingUtterance | None:
        while not self._stopping.is_set():
            self.sign()
            self._take_over()
            if pending := self._queue.take(self.sign_seconds):
                return pending
            if question := self._queue.to_fetch():
                self._fetch(*question)
        return None

    def _fetch(self, after_id: int, mark: int) -> None:
        store = self._desk.shelf.utterances
        try:
            found = self._desk.writer.call(
                lambda: store.pending(after_id, QUEUE_BOUND), COMMIT_WAIT_SECONDS, drop_late=True
            )
        except StoreError:
            self._pause(COMMIT_WAIT_SECONDS, self._stopping)
            return
        self._queue.fetched(found, mark)

    def _decode(self, pending: PendingUtterance) -> None:
        if pending.attempts >= self._rules.engine.max_attempts:
            self._give_up(pending, f"{pending.attempts} decodes of it did not come back")
            return
        if not self._count_attempt(pending):
            return
        span = pending.ended.span
        self._decode_began = began = time.monotonic()
        try:
            transcript = self._engine.decode(self._audio_of(pending), span.start)
        except (SpeechError, StoreError) as error:
            self._decode_failed(pending, error)
            return
        finally:
            self.sign()  # before it is no longer excused, as after a load
            self._decode_began = None
        self.counters.decodes += 1
        self.counters.errors_in_a_row = 0
        self.counters.decode_seconds += time.monotonic() - began
        self.counters.audio_seconds += span.seconds
        self._deliver(pending, transcript)

    def _count_attempt(self, pending: PendingUtterance) -> bool:
        """Count an attempt before it begins; False when the utterance was forgotten while it waited."""
        store = self._desk.shelf.utterances
        try:
            self._desk.writer.call(lambda: store.begin_attempt(pending.utterance_id), COMMIT_WAIT_SECONDS)
        except UtteranceGoneError:
            self._forget(pending.ended.key)
            return False
        except StoreError:
            self.counters.uncounted_attempts += 1
        return True

    def _audio_of(self, pending: PendingUtterance) -> Samples:
        """Take the audio from the ring while it is there, else from the spool."""
        key = pending.ended.key
        if key.session_id == self._desk.session_id:
            samples = self._desk.audio.copy(pending.ended.span)
            if samples is not None:
                return samples
        return self._desk.shelf.spool.read(key)

    def _deliver(self, pending: PendingUtterance, transcript: Transcript) -> None:
        reasons = judge(transcript, pending.ended.speech_ratio, self._rules.gate)
        status = Status.REJECTED if reasons else Status.DONE
        self._settle(
            pending.ended.key,
            Outcome(pending.utterance_id, status, transcript, reasons, self._speech_end(pending)),
        )

    def _decode_failed(self, pending: PendingUtterance, error: SpeechError | StoreError) -> None:
        self.counters.errors += 1
        self.counters.errors_in_a_row += 1
        self.counters.last_error = str(error)
        attempts = pending.attempts + 1
        logger.warning("decode %d of utterance %d failed: %s", attempts, pending.utterance_id, error)
        if error.transient:
            # Not its fault: it stays pending, and ``look_again`` finds it when all may be well again.
            self.return_attempt(pending)
            return
        if attempts >= self._rules.engine.max_attempts:
            self._give_up(pending, str(error))
            return
        self._queue.put_back(PendingUtterance(pending.utterance_id, pending.ended, attempts, pending.recovered))

    def _give_up(self, pending: PendingUtterance, reason: str) -> None:
        self._settle(pending.ended.key, Outcome(pending.utterance_id, Status.FAILED, None, (reason,)))

    def _speech_end(self, pending: PendingUtterance) -> float | None:
        same_session = pending.ended.key.session_id == self._desk.session_id
        return self._desk.clock.monotonic_of(pending.ended.speech.end) if same_session else None

    def _settle(self, key: UtteranceKey, outcome: Outcome) -> None:
        if not self._desk.writer.offer(lambda: self._commit(key, outcome)):
            logger.error("utterance %d stays pending: the store takes nothing more", outcome.utterance_id)

    def _commit(self, key: UtteranceKey, outcome: Outcome) -> None:
        try:
            record = self._desk.shelf.utterances.settle(outcome)
        except UtteranceGoneError:
            self._forget(key)
            raise
        self._forget(key)
        self.counters.done += record.status is Status.DONE
        self.counters.rejected += record.status is Status.REJECTED
        self.counters.failed += record.status is Status.FAILED
        self._events.publish(UtteranceSettled(record))

    def _forget(self, key: UtteranceKey) -> None:
        """Note that an utterance waits no more; those of earlier sessions were never noted."""
        if key.session_id == self._desk.session_id:
            self._desk.unsettled.settled(key.start_sample)
