"""The life of a daemon: start the parts in order, hand on what they announce, stop them in reverse."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event as Flag

from voicebridge.domain.errors import ExitCode, VoicebridgeError
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
LISTENER_STOP_SECONDS = 5.0
DECODE_STOP_SECONDS = 10.0
"""An orderly stop waits this long for the present decode; then the attempt is given back and it stays pending."""
WRITER_STOP_SECONDS = 20.0
STUCK_WRITE_SECONDS = 2.0


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

    def __init__(self, crew: Crew, over: Flag, engine_required: bool) -> None:
        self.error: VoicebridgeError | None = None
        """What the user has to know and do something about; decides the exit status."""
        self.crew = crew
        self._over = over
        self._engine_required = engine_required
        self._subscription: Subscription = crew.events.subscribe(capacity=4096)
        self._keeper: KeeperThread | None = None
        self._stop_requested = False
        self.stopping = False

    def request_stop(self) -> None:
        """Ask it to stop; safe in a signal handler, which may only set a flag."""
        self._stop_requested = True

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
            event = self._subscription.get(min(POLL_SECONDS, deadline - now))
            if event is not None:
                self._heed(event)
                on_event(event)
        fault = self.crew.source.error()
        if self.error is None and isinstance(fault, VoicebridgeError):
            self.error = fault

    def stop(self, on_event: Callable[[Event], None]) -> None:
        """Take down in the order of the data: what was heard is stored, a decode finished or its attempt returned."""
        self.stopping = True
        crew = self.crew
        crew.source.stop()
        crew.listener.stop()
        if not crew.listener.join(LISTENER_STOP_SECONDS):
            logger.error("the listener did not end within %g s", LISTENER_STOP_SECONDS)
        crew.transcriber.stop()
        decoded = crew.transcriber.join(DECODE_STOP_SECONDS)
        if not decoded:
            self._return_attempt()
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper.join(1.0)
        crew.writer.stop()
        if not crew.writer.join(WRITER_STOP_SECONDS):
            logger.error("the store did not take everything within %g s", WRITER_STOP_SECONDS)
        while (event := self._subscription.get(0)) is not None:
            on_event(event)
        crew.events.close()

    def leave_stuck(self, what: str) -> None:
        """Leave at once because a call that cannot be cancelled is stuck; what is queued is stored first."""
        logger.critical("%s; leaving with status %d, to be started again", what, ExitCode.STUCK)
        self.crew.writer.drain(STUCK_WRITE_SECONDS)
        # Not sys.exit: interpreter shutdown would wait for the stuck thread or call into the stuck library.
        os._exit(ExitCode.STUCK)

    @property
    def exit_code(self) -> ExitCode:
        """The status to leave with."""
        workers = (self.crew.listener, self.crew.transcriber, self.crew.writer, self._keeper)
        if any(worker is not None and worker.failure is not None for worker in workers):
            return ExitCode.INTERNAL
        return self.error.code if self.error is not None else ExitCode.OK

    def _is_over(self) -> bool:
        return self._stop_requested or self._over.is_set() or self.error is not None or self._all_settled()

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

    def _return_attempt(self) -> None:
        pending = self.crew.transcriber.current
        if pending is not None:
            logger.warning("utterance %d is left pending: its decode did not end in time", pending.utterance_id)
            self.crew.transcriber.return_attempt(pending)
