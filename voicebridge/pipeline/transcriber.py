"""The transcriber: the one thread that owns the engine. Finals go first, then speculative decodes, then partial ones.

Finals are settled oldest first, and none is ever left out. A decode that runs cannot be cancelled, so a final waits for
one speculative or partial decode at most; neither begins while a final waits, and no speculative one while an utterance
has ended that the engine will be needed for.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TypeVar

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError, StoreError, UtteranceGoneError
from voicebridge.domain.events import EngineFailed, EngineReady
from voicebridge.domain.ports import Doubting, Engine, EventSink, Tunable, WordFinder
from voicebridge.domain.utterance import DecodeKind, PendingUtterance, Transcript
from voicebridge.pipeline.early_decodes import EarlyDecodes
from voicebridge.pipeline.early_work import EarlyWork
from voicebridge.pipeline.gate import judge
from voicebridge.pipeline.pending_queue import QUEUE_BOUND, PendingQueue
from voicebridge.pipeline.settling import Desk, Settling, TranscriberCounters
from voicebridge.pipeline.worker import Worker
from voicebridge.settings import EndpointSettings, EngineSettings, GateSettings, WhisperSettings

__all__ = ["Desk", "Rules", "Transcriber", "TranscriberCounters"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

COMMIT_WAIT_SECONDS = 1.0
"""How long a decode waits until its attempt is on disk. Beyond that it runs uncounted: a locked store must not silence
a working engine."""
DELIVERY_WAIT_SECONDS = 0.05
"""How long the search for words waits until their text is on disk, so that it does not take the processor from that."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the transcriber keeps to."""

    engine: EngineSettings
    gate: GateSettings
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)


@dataclass(frozen=True, slots=True)
class _Change:
    """Settings that somebody wants to be in force."""

    rules: Rules
    options: WhisperSettings


class Transcriber(Worker):
    """Decodes what is pending, and what ``early`` orders before its end.

    The words of an utterance are found once its text was handed to the store, and before anything else: the engine then
    still holds what it heard, so that the next final waits for some hundredths of a second and not for another decode.
    """

    def __init__(
        self,
        engine: Engine,
        desk: Desk,
        rules: Rules,
        events: EventSink,
        on_failure: Callable[[], None] = lambda: None,
        early: EarlyWork | None = None,
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
        self.early = early or EarlyWork()
        self.early_decodes = EarlyDecodes(engine, desk, self.early, events, rules.endpoint)
        self._events = events
        self._settling = Settling(desk, events, self.counters)
        self._queue = PendingQueue()
        self.early.wake = self._queue.wake
        if isinstance(engine, Doubting):
            # Asked of the rules in force at each decode: what the gate would reject, the engine doubts first.
            engine.doubt_also(lambda transcript: judge(transcript, 1.0, self._rules.gate))
        self._finds_words = False
        self._decode_began: float | None = None
        self._load_began: float | None = None
        # Others write the one, the transcriber's thread the other: they differ while there is something to take over.
        self._wanted: _Change | None = None
        self._taken: _Change | None = None

    @property
    def rules(self) -> Rules:
        """The rules in force: those of the decode that is under way, if one is."""
        return self._rules

    def apply(self, rules: Rules, options: WhisperSettings) -> None:
        """Go by other settings; from any thread. They are taken over between two decodes; the newest order counts.

        Of the engine's options those change that it can change while it is loaded. Options it cannot use are logged
        and told in ``options_refused``; it then keeps all of its old ones, while the rules change.
        """
        self._wanted = _Change(rules, options)
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
        """The utterance that is being decoded; None once its text is out, while its words are looked for."""
        return None if self._finds_words else self._queue.current

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
        """How long the present decode, of whatever kind, has been running; 0 when none is."""
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
                while not self._stopping.is_set():
                    self._turn()
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
        # The options it began with are not known here, so that the first order always counts as other ones.
        same = self._taken is not None and self._taken.options == wanted.options and self.options_refused is None
        if isinstance(self._engine, Tunable) and not same:
            self._change_options(self._engine, wanted.options)
        self.early_decodes.pauses.apply(wanted.rules.endpoint)
        self._taken = wanted

    def _change_options(self, engine: Tunable[WhisperSettings], options: WhisperSettings) -> None:
        """Have the engine go by other options; what it said by the old ones, and how long it took, counts no more."""
        try:
            engine.apply(options)
        except SpeechError as error:
            self.options_refused = error
            logger.warning("the engine goes on with its old options: %s", error)
            return
        self.options_refused = None
        self.early_decodes.begin_anew()

    def _turn(self) -> None:
        """Do the most urgent thing there is, or wait for one until it is time for a sign of life."""
        self.sign()
        self._take_over()
        if pending := self._queue.take(self.sign_seconds, lambda: self.early.waits):
            self._work_on(pending)
            self._queue.done()
        elif question := self._queue.to_fetch():
            self._fetch(*question)
        elif self._stopping.is_set():
            return
        elif order := self.early.speculation.take():
            self.early_decodes.speculate(order, self._rules.gate, self._timed)
        elif partial := self.early.take_partial():
            self.early_decodes.decode_partial(partial, self._rules.gate, self._timed)

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

    def _work_on(self, pending: PendingUtterance) -> None:
        """Settle an utterance with the result of its pause, if there is one, else with a decode."""
        key = pending.ended.key
        if key.session_id == self._desk.session_id:
            self._desk.unsettled.taken(key.start_sample)
        result = self.early.speculation.claim(key, pending.ended.span)
        if result is None:
            self._decode(pending)
            return
        self._note_delivered(pending, result.seconds)
        self._deliver(pending, result.transcript, result.audio, DecodeKind.SPECULATIVE)

    def _decode(self, pending: PendingUtterance) -> None:
        if pending.attempts >= self._rules.engine.max_attempts:
            self._settling.give_up(pending, f"{pending.attempts} decodes of it did not come back")
            return
        if not self._count_attempt(pending):
            return
        span = pending.ended.span
        try:
            audio = self._desk.audio_of(pending)
            transcript, seconds = self._timed(lambda: self._engine.decode(audio, span.start))
        except (SpeechError, StoreError) as error:
            self._decode_failed(pending, error)
            return
        self.counters.decodes += 1
        self.early_decodes.pace.note(span.seconds, seconds)
        self._note_delivered(pending, seconds)
        self._deliver(pending, transcript, audio, DecodeKind.FINAL)

    def _note_delivered(self, pending: PendingUtterance, seconds: float) -> None:
        self.counters.errors_in_a_row = 0
        self.counters.decode_seconds += seconds
        self.counters.audio_seconds += pending.ended.span.seconds

    def _timed(self, call: Callable[[], T]) -> tuple[T, float]:
        """Return what a call into the engine returns, and how long it took; it has a deadline of its own meanwhile."""
        monotonic = self._desk.monotonic
        self._decode_began = began = monotonic()
        try:
            return call(), monotonic() - began
        finally:
            self.sign()  # before it is no longer excused, as after a load
            self._decode_began = None

    def _count_attempt(self, pending: PendingUtterance) -> bool:
        """Count an attempt before it begins; False when the utterance was forgotten while it waited."""
        store = self._desk.shelf.utterances
        try:
            self._desk.writer.call(lambda: store.begin_attempt(pending.utterance_id), COMMIT_WAIT_SECONDS)
        except UtteranceGoneError:
            self._settling.forget(pending.ended.key)
            return False
        except StoreError:
            self.counters.uncounted_attempts += 1
        return True

    def _deliver(self, pending: PendingUtterance, transcript: Transcript, audio: Samples, kind: DecodeKind) -> None:
        out = self._settling.deliver(pending, replace(transcript, kind=kind), self._rules.gate)
        if transcript.text and isinstance(self._engine, WordFinder):
            self._finds_words = True
            try:
                self._find_words(self._engine, pending, transcript, audio, out)
            finally:
                self._finds_words = False

    def _find_words(
        self, engine: WordFinder, pending: PendingUtterance, transcript: Transcript, audio: Samples, out: Event
    ) -> None:
        """Find the words of the very transcript that the engine returned: by that it knows what it still holds."""
        out.wait(DELIVERY_WAIT_SECONDS)
        try:
            words, _ = self._timed(lambda: engine.find_words(transcript, audio, pending.ended.span.start))
        except SpeechError as error:
            self.counters.words_failed += 1
            logger.warning("the words of utterance %d were not found: %s", pending.utterance_id, error)
            return
        self._settling.add_words(pending.utterance_id, words)

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
            self._settling.give_up(pending, str(error))
            return
        self._queue.put_back(PendingUtterance(pending.utterance_id, pending.ended, attempts, pending.recovered))
