"""The store writer: the one thread that commits. Its queue is bounded by bytes of audio and by jobs."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from voicebridge.domain.errors import StoreError, UtteranceGoneError
from voicebridge.domain.events import StoreChanged
from voicebridge.domain.ports import EventSink
from voicebridge.pipeline.worker import Worker

logger = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 5.0
HOPELESS_TRIES = 3
"""Tries of a job that the store refuses for good (corrupt, not merely locked or full); its audio stays in the spool."""
MAX_JOBS = 20_000
"""Bound on jobs that carry no audio (gaps, anchors, results): about 20 MB of small objects."""


@dataclass(slots=True, eq=False)
class Job:
    """One durable step. ``action`` is run again until it succeeds, so it must bear repetition."""

    action: Callable[[], Any]
    audio_bytes: int = 0
    """More than 0 for a piece of audio, which goes into the spool and nowhere else."""
    future: "Future[Any] | None" = field(default=None)
    tells: bool = True
    """False where its success says nothing of the spool."""

    @property
    def is_audio(self) -> bool:
        """True when the job needs the spool only; all others count as needing the database."""
        return self.audio_bytes > 0


class StoreWriter(Worker):
    """Runs jobs in order. What the store refuses for now (locked, full, read-only) is tried again, never dropped.

    Between the tries of a commit, the audio that is queued behind it goes into the spool, in its own order: files take
    what a database that is locked or lost does not, and a kill costs nothing of it. The order within an utterance
    holds, for its commit stands behind all of its audio.

    What it refuses for good is given up after three tries, counted and told; its audio stays in the spool.
    Policy at the bound: ``offer`` answers False and the caller keeps what it has (audio stays in the ring).
    """

    def __init__(self, events: EventSink, max_audio_bytes: int, on_failure: Callable[[], None] = lambda: None) -> None:
        super().__init__("store-writer", on_failure)
        self.refused = 0
        self.retries = 0
        self.completed = 0
        self.given_up = 0
        self._troubles: dict[bool, str] = {}
        """What the spool (True) and the database (False) refused last; each is over when that one takes something."""
        self._try_began: float | None = None
        self._events = events
        self._max_audio_bytes = max_audio_bytes
        self._jobs: deque[Job] = deque()
        self._audio_bytes = 0
        self._over = False
        self._changed = threading.Condition()
        self._hurry = threading.Event()

    @property
    def trouble(self) -> str | None:
        """Why the store does not take what it is given; None while it does."""
        return next(iter(self._troubles.values()), None)

    def try_age_seconds(self, now_monotonic: float) -> float:
        """How long the present try of the present job has been running; 0 when none is."""
        began = self._try_began
        return 0.0 if began is None else now_monotonic - began

    @property
    def queued_jobs(self) -> int:
        """Jobs that wait or run."""
        return len(self._jobs)

    @property
    def queued_audio_bytes(self) -> int:
        """Audio that waits for the disk."""
        return self._audio_bytes

    def offer(self, action: Callable[[], Any], audio_bytes: int = 0) -> bool:
        """Queue a job; False when the queue is at its bound, or the writer has ended."""
        return self._enqueue(Job(action, audio_bytes))

    def offer_file(self, action: Callable[[], Any], size_bytes: int) -> bool:
        """Queue a job that writes to another file, in order with the audio; it deals with its errors itself."""
        return self._enqueue(Job(action, size_bytes, tells=False))

    def call(self, action: Callable[[], T], timeout_seconds: float, *, drop_late: bool = False) -> T:
        """Queue a job and wait for its result. Raises StoreError when it does not come in time.

        The job stays queued then; with ``drop_late`` (for questions, whose answer nobody waits for any more) it goes.
        """
        job = Job(action, future=Future())
        assert job.future is not None
        if not self._enqueue(job):
            raise StoreError("The store's queue is full.", "Free disk space or unlock the database.")
        try:
            result: T = job.future.result(timeout_seconds)
        except TimeoutError:
            if drop_late:
                self._drop(job)
            raise StoreError(
                f"The store did not answer within {timeout_seconds:g} s.", self.trouble or "It may be locked or full."
            ) from None
        return result

    def wait_for_room(self, audio_bytes: int, timeout_seconds: float) -> bool:
        """Wait until a job with this much audio would be taken."""
        with self._changed:
            return self._changed.wait_for(lambda: self._has_room(audio_bytes), timeout_seconds)

    def drain(self, timeout_seconds: float) -> bool:
        """Wait until every job queued so far is done; False when time ran out."""
        done: Future[None] = Future()
        if not self._enqueue(Job(lambda: None, future=done)):
            return False
        try:
            done.result(timeout_seconds)
        except TimeoutError:
            return False
        return True

    def stop(self) -> None:
        """End after the jobs that are queued; what the store refuses now is given up (and counted) at the end.

        Audio goes first, for the spool may take what a locked database does not: the next start then recovers it.
        """
        super().stop()
        self._hurry.set()
        with self._changed:
            present, waiting = list(self._jobs)[:1], list(self._jobs)[1:]
            self._jobs = deque(present + sorted(waiting, key=lambda job: job.audio_bytes == 0))
            self._changed.notify_all()

    def _has_room(self, audio_bytes: int) -> bool:
        fits = self._audio_bytes + audio_bytes <= self._max_audio_bytes
        # What carries no audio (results above all) must get through a queue that is full of audio.
        return not self._over and (fits or not (audio_bytes and self._audio_bytes)) and len(self._jobs) < MAX_JOBS

    def _enqueue(self, job: Job) -> bool:
        with self._changed:
            if not self._has_room(job.audio_bytes):
                self.refused += 1
                return False
            self._jobs.append(job)
            self._audio_bytes += job.audio_bytes
            self._changed.notify_all()
            return True

    def _drop(self, job: Job) -> None:
        with self._changed:
            if job in self._jobs and job is not self._jobs[0]:
                self._jobs.remove(job)

    def _run(self) -> None:
        while job := self._next():
            self._do(job)
            self._remove(job)

    def _remove(self, job: Job) -> None:
        with self._changed:
            self._jobs.remove(job)
            self._audio_bytes -= job.audio_bytes
            self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            self._wait_for(self._changed, lambda: self._jobs or self._stopping.is_set())
            self._over = not self._jobs
            return self._jobs[0] if self._jobs else None

    def _do(self, job: Job) -> None:
        """Run one job until it succeeds, is hopeless, or has been tried once more after ``stop``."""
        pause_seconds = FIRST_RETRY_SECONDS
        tries = 0
        while True:
            last_try = self._stopping.is_set()
            tries += 1
            try:
                result = self._try(job)
            except UtteranceGoneError as error:
                self._fail(job, error)  # forgotten on purpose while it was on its way: nothing is wrong
                return
            except StoreError as error:
                self._note_trouble(job, error)
                if last_try or (not error.transient and tries >= HOPELESS_TRIES):
                    self._give_up(job, error)
                    return
                self.retries += 1
                self._wait_to_retry(job, pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_RETRY_SECONDS)
            else:
                self._note_success(job)
                if job.future:
                    job.future.set_result(result)
                return

    def _wait_to_retry(self, job: Job, seconds: float) -> None:
        """Pause before the next try of a job; if it is a commit, audio goes into the spool meanwhile."""
        deadline = time.monotonic() + seconds
        spools = not job.is_audio
        while spools and not self._hurry.is_set() and (left := deadline - time.monotonic()) > 0:
            audio = self._next_audio(min(left, self.sign_seconds))
            spools = audio is None or self._spool(audio)
            self.sign()
        self._pause(deadline - time.monotonic(), self._hurry)

    def _next_audio(self, timeout_seconds: float) -> Job | None:
        """Return the first piece of audio in the queue; wait for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._audio_bytes or self._hurry.is_set(), timeout_seconds)
            return next((job for job in self._jobs if job.is_audio), None)

    def _spool(self, audio: Job) -> bool:
        """Run a job out of its turn; False when the spool refuses it, too, and it has to wait for its turn."""
        try:
            self._try(audio)
        except StoreError as error:
            self._note_trouble(audio, error)
            return False
        self._note_success(audio)
        self._remove(audio)
        return True

    def _try(self, job: Job) -> Any:
        self._try_began = time.monotonic()
        try:
            return job.action()
        finally:
            self.sign()  # before it is no longer excused: whoever watches must not see an old sign and no try
            self._try_began = None

    def _give_up(self, job: Job, error: StoreError) -> None:
        self.given_up += 1
        # At the stop the daemon tells of all that was left, in one line.
        level = logging.DEBUG if self._stopping.is_set() else logging.ERROR
        logger.log(level, "the store did not take what was queued: %s", error)
        self._fail(job, error)

    def _fail(self, job: Job, error: StoreError) -> None:
        if job.future:
            job.future.set_exception(error)

    def _note_trouble(self, job: Job, error: StoreError) -> None:
        if job.is_audio in self._troubles:
            return
        news = not self._troubles
        self._troubles = {**self._troubles, job.is_audio: str(error)}
        if news:
            self._events.publish(StoreChanged(working=False, detail=str(error)))

    def _note_success(self, job: Job) -> None:
        self.completed += 1
        if not job.tells or job.is_audio not in self._troubles:
            return
        self._troubles = {kind: trouble for kind, trouble in self._troubles.items() if kind is not job.is_audio}
        if not self._troubles:
            self._events.publish(StoreChanged(working=True, detail="The store takes what is heard again."))
