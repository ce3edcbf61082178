"""The life of a daemon: start the parts in order, hand on what they announce, stop them in reverse."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from threading import Event as Flag
from typing import NoReturn

from voicebridge.daemon import last_words
from voicebridge.daemon.alarms import Alarms
from voicebridge.daemon.messages import STUCK_LEAVING, log_event
from voicebridge.daemon.systemd import notify, status
from voicebridge.domain.errors import ExitCode, StoreError, VoicebridgeError
from voicebridge.domain.events import EngineFailed, Event
from voicebridge.domain.ports import Source
from voicebridge.health.keeper import Keeper
from voicebridge.pipeline.events import EventStream, Subscription
from voicebridge.pipeline.listener import Listener
from voicebridge.pipeline.recorder import Recorder
from voicebridge.pipeline.session_clock import SessionClock
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.pipeline.transcriber import Transcriber
from voicebridge.pipeline.worker import Worker

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
STUCK_WRITE_SECONDS = 2.0
LAST_RESORT_SECONDS = 2.0
"""After that a process that leaves because it is stuck, and is stuck in leaving too, is ended from outside Python."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an orderly stop waits for each part, in seconds; together below the unit's TimeoutStopSec of 45."""

    source_seconds: float = 2.0
    """What `Source.stop` promises; it is asked twice."""
    listener_seconds: float = 4.0
    decode_seconds: float = 10.0
    """Then the attempt is given back and the utterance stays pending."""
    keeper_seconds: float = 1.0
    writer_seconds: float = 16.0
    close_seconds: float = 5.0
    """The last commit, which waits for a locked database as long as `store.busy_timeout_ms` says; by default this."""

    @property
    def total_seconds(self) -> float:
        """The longest that an orderly stop takes."""
        return self.source_seconds + sum(float(seconds) for seconds in astuple(self))


@dataclass(frozen=True, slots=True)
class Crew:
    """The threads of the daemon, and what they publish on."""

    source: Source
    listener: Listener
    recorder: Recorder
    transcriber: Transcriber
    writer: StoreWriter
    clock: SessionClock
    events: EventStream
    announced: Subscription
    """What was published since before the source was started."""


@dataclass(frozen=True, slots=True)
class Onlooker:
    """A thread besides the crew whose signs of life are watched.

    ``last_sign`` returns CLOCK_MONOTONIC of the last one, or None while it does not run. One that is not ``vital`` only
    degrades; so does one that ``waits``: it is inside a call that hangs with something else, like a disk or a sensor,
    and a new process would hang there, too.
    """

    thread: str
    last_sign: Callable[[], float | None]
    vital: bool = True
    waits: Callable[[], bool] = lambda: False


class KeeperThread(Worker):
    """Runs the health keeper."""

    def __init__(self, keeper: Keeper, on_failure: Callable[[], None]) -> None:
        super().__init__("health-keeper", on_failure)
        self._keeper = keeper

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self._keeper.tick())


class Daemon:
    """Runs from ``start`` until it is told to stop, its source ends, or a part fails."""

    def __init__(self, crew: Crew, over: Flag, engine_required: bool, patience: Patience | None = None) -> None:
        self.error: VoicebridgeError | None = None
        """What the user has to know and do something about; decides the exit status."""
        self.crew = crew
        self._over = over
        self._engine_required = engine_required
        self.patience = patience or Patience()
        self._keeper: KeeperThread | None = None
        self._followed: float | None = None
        self.onlookers = [Onlooker("main", lambda: self._followed)]
        """Whose signs of life are watched besides those of the crew; to be added to before ``start``."""
        self.before_the_store_closes: list[Callable[[], None]] = []
        """Called at the stop, when nothing is heard and judged any more; to be added to before ``start``."""
        self.alarms = Alarms()
        self.stop_requested = False
        self.stopping = False
        self._asked_by = ""

    def request_stop(self, why: str = "it was asked to") -> None:
        """Ask it to stop; safe in a signal handler, which may only set a flag. ``why`` is for the log."""
        self._asked_by = self._asked_by or why
        self.stop_requested = True

    def start(self, keeper: Keeper) -> None:
        """Start the threads, those downstream first. The source is already running."""
        self._keeper = KeeperThread(keeper, self._over.set)
        self.crew.writer.start()
        self.crew.transcriber.start()
        self.crew.listener.start()
        self._keeper.start()

    def follow(self, on_event: Callable[[Event], None], seconds: float | None = None) -> None:
        """Hand each event to ``on_event`` until it is over, or for so many seconds."""
        deadline = time.monotonic() + seconds if seconds is not None else float("inf")
        while not self._is_over() and (now := time.monotonic()) < deadline:
            self._followed = now
            event = self.crew.announced.get(min(POLL_SECONDS, deadline - now))
            if event is not None:
                self._heed(event)
                on_event(event)
        self._followed = None
        self._blame(self.crew.source.error())

    def stop(self, on_event: Callable[[Event], None]) -> None:
        """Take down in the order of the data: what was heard is stored, a decode finished or its attempt returned."""
        self.stopping = True
        crew = self.crew
        crew.listener.expect_stop()
        crew.source.stop()
        crew.listener.stop()
        if not crew.listener.join(self.patience.listener_seconds):
            logger.error("the listener did not end within %g s", self.patience.listener_seconds)
        crew.transcriber.stop()
        if not crew.transcriber.join(self.patience.decode_seconds):
            self._return_attempt()
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper.join(self.patience.keeper_seconds)
        try:
            self._take_leave()
            self._hand_on_what_is_left(on_event)  # what they have to note can still be committed
        finally:
            self._close_store()
        self._hand_on_what_is_left(on_event)
        crew.events.close()

    def _take_leave(self) -> None:
        # A keeper that hangs may be in the middle of what they do.
        if self._keeper is None or not self._keeper.alive:
            for action in self.before_the_store_closes:
                action()

    def leave_stuck(self, what: str) -> NoReturn:
        """Leave at once because a call that cannot be cancelled is stuck; what is queued is stored first.

        The audio of an open utterance is in the spool, but for its last second. The journal is shown where each thread
        stands. It ends within four seconds, whatever hangs.
        """
        last_words.end_within(STUCK_WRITE_SECONDS + LAST_RESORT_SECONDS)
        log_event(logger, STUCK_LEAVING, reason=what.rstrip("."), status=int(ExitCode.STUCK))
        notify(status(f"Leaving, to be started again: {what}"))
        self.crew.writer.drain(STUCK_WRITE_SECONDS)
        last_words.tell_where_threads_stand()
        # Not sys.exit: interpreter shutdown would wait for the stuck thread or call into the stuck library.
        os._exit(ExitCode.STUCK)

    @property
    def why_over(self) -> str:
        """Why it is over, or is to be."""
        if self.error is not None:
            return str(self.error)
        if self.exit_code == ExitCode.INTERNAL:
            return "a part of it failed"
        if self.crew.listener.ended:
            return "its source has ended"
        return self._asked_by or "its time is up"

    @property
    def exit_code(self) -> ExitCode:
        """The status to leave with."""
        workers = (self.crew.listener, self.crew.transcriber, self.crew.writer, self._keeper)
        fault = self.crew.source.error()
        if any(worker is not None and worker.failure is not None for worker in workers) or (
            fault is not None and not isinstance(fault, VoicebridgeError)
        ):
            return ExitCode.INTERNAL
        return self.error.code if self.error is not None else ExitCode.OK

    def _is_over(self) -> bool:
        return self.stop_requested or self._over.is_set() or self.error is not None or self._all_settled()

    def _heed(self, event: Event) -> None:
        if isinstance(event, EngineFailed) and self._engine_required:
            self.error = self.crew.transcriber.engine_error

    def _all_settled(self) -> bool:
        """Say whether the source has ended and everything heard is decoded and committed.

        The order of the questions matters: an utterance moves from the writer to the transcriber and back.
        """
        crew = self.crew
        return (
            not crew.listener.alive
            and crew.writer.queued_jobs == 0
            and crew.transcriber.idle
            and crew.writer.queued_jobs == 0
        )

    def _blame(self, fault: Exception | None) -> None:
        if self.error is None and isinstance(fault, VoicebridgeError):
            self.error = fault

    def _hand_on_what_is_left(self, on_event: Callable[[Event], None]) -> None:
        while (event := self.crew.announced.get(0)) is not None:
            on_event(event)

    def _close_store(self) -> None:
        """End the writer; what the store did not take even now is an error that the user has to know of."""
        writer = self.crew.writer
        given_up = writer.given_up
        writer.stop()
        ended = writer.join(self.patience.writer_seconds)
        left = writer.queued_jobs + self.crew.recorder.held_tasks + writer.given_up - given_up
        if writer.failure is not None or (ended and not left):
            return
        error = StoreError(
            f"The store did not take everything that was heard ({left} steps). {writer.trouble or ''}".rstrip(),
            "What is in the spool is recovered at the next start.",
        )
        logger.error("%s", error)
        self._blame(error)

    def _return_attempt(self) -> None:
        pending = self.crew.transcriber.current
        if pending is not None:
            logger.warning("utterance %d is left pending: its decode did not end in time", pending.utterance_id)
            self.crew.transcriber.return_attempt(pending)
