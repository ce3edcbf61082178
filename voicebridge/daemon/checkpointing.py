"""Checkpoints: taken by the health keeper when they are due, kept by the store writer.

One that the store does not take waits here, up to a bound, and is tried again: a record of trouble must outlive the
trouble, and never stand in the way of what was heard.
"""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.daemon.checkpoint_reading import Reading
from voicebridge.daemon.messages import CHECKPOINT_MISSED, log_event
from voicebridge.domain.errors import StoreError, UnstorableError
from voicebridge.domain.units import MEGABYTE
from voicebridge.health.checkpoint import Checkpoint
from voicebridge.health.keeper import Duty

if TYPE_CHECKING:
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.watch import Watch
    from voicebridge.store.checkpoints import Row

logger = logging.getLogger(__name__)

MAX_WAITING = 256
"""Checkpoints that wait for the store; of more the oldest go and are counted. About 1.5 MB."""
FIRST_SECONDS = 5.0
RETRY_SECONDS = 2.0
LINE_BYTES = 8_000
"""About what a line takes; it counts in the store writer's queue as so much audio."""


class Checkpointing:
    """``take`` and ``retry`` are called by the keeper's thread; what is kept, by the store writer's."""

    def __init__(self, watch: "Watch", reading: Reading, state: Path) -> None:
        from voicebridge.store.checkpoints import CheckpointLog

        health, notebook = watch.plan.settings.health, watch.plan.notebook
        self.kept = 0
        self.missed = 0
        """Checkpoints that were due and could not be made."""
        self.failed = 0
        """Times that the store did not take one."""
        self.unstorable = 0
        """Checkpoints that no store would ever take: a fault of ours, which costs this record and nothing else."""
        self.dropped = 0
        """Checkpoints that found no place while the store took none."""
        self._watch = watch
        self._reading = reading
        self._log = CheckpointLog(notebook.db, state, health.checkpoint_file_mb * MEGABYTE)
        self._every_seconds = health.interval_seconds
        self._waiting: deque[tuple[float, Row]] = deque()
        self._offered = False
        self._newest: Checkpoint | None = None
        self._taken_at = self._kept_at = watch.monotonic()
        watch.kept_at = lambda: self._kept_at

    @property
    def newest(self) -> Mapping[str, Any]:
        """The newest checkpoint as JSON can hold it; empty before the first."""
        return {} if self._newest is None else self._newest.to_json()

    def duties(self) -> Sequence[Duty]:
        """Return what the keeper is to do for it."""
        return (
            Duty(self._every_seconds, self.take),
            Duty(FIRST_SECONDS, self.take_first),
            Duty(RETRY_SECONDS, self.retry),
        )

    def take_first(self) -> None:
        """Take one soon after the start, so that a process that does not live for long leaves one."""
        if self._newest is None:
            self.take()

    def counters(self) -> dict[str, int]:
        """Return how often its bounds were reached."""
        return {
            "checkpoints_kept": self.kept,
            "checkpoints_missed": self.missed,
            "checkpoints_failed": self.failed,
            "checkpoints_dropped": self.dropped,
            "checkpoints_unstorable": self.unstorable,
            "checkpoint_lines_failed": self._log.lines_failed,
        }

    def count_restarts(self) -> None:
        """Have the store say how many sessions there were since the boot."""
        notebook = self._watch.plan.notebook

        def count() -> None:
            from voicebridge.store.sessions import earlier_in_this_boot

            self._reading.restarts = notebook.rescue.on_database(
                lambda: earlier_in_this_boot(notebook.db, notebook.session_id)
            )

        self._watch.daemon.crew.writer.offer(count)

    def take(self) -> None:
        """Take a checkpoint and have it kept; note those that were due before and were missed."""
        now = self._watch.monotonic()
        missed = max(0, round((now - self._taken_at) / self._every_seconds) - 1)
        if missed:
            self._note_missed(missed, now - self._taken_at)
        self._taken_at = now
        self._reading.failures = {"checkpoint": self.failed, "checkpoint_line": self._log.lines_failed}
        self._newest = taken = self._reading.read(missed)
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append((now, row := row_of(taken)))
        # Apart from the commit: what a locked, lost or damaged database does to us is to be read while it lasts.
        self._watch.daemon.crew.writer.offer_file(lambda: self._log.line(row), LINE_BYTES)
        self.retry()

    def retry(self) -> None:
        """Have the store writer keep what waits, if it is not about to do so."""
        if self._waiting and not self._offered:
            # Before it is offered: the writer may have done it before ``offer`` returns.
            self._offered = True
            if not self._watch.daemon.crew.writer.offer(self._keep):
                self._offered = False

    def _keep(self) -> None:
        self._offered = False
        while self._waiting:
            first = self._waiting[0]
            taken_at, row = first
            try:
                self._add(row)
            except UnstorableError:
                self.unstorable += 1
                logger.exception("a checkpoint is left out")
                self._drop(first)
                continue
            except StoreError as error:
                self.failed += 1
                logger.debug("a checkpoint is not kept yet: %s", error)
                return
            self.kept += 1
            self._kept_at = taken_at
            self._drop(first)

    def _drop(self, first: "tuple[float, Row]") -> None:
        # The keeper may have dropped it meanwhile.
        if self._waiting and self._waiting[0] is first:
            self._waiting.popleft()

    def _add(self, row: "Row") -> None:
        self._watch.plan.notebook.rescue.on_database(lambda: self._log.add(row))

    def _note_missed(self, missed: int, seconds: float) -> None:
        self.missed += missed
        log_event(logger, CHECKPOINT_MISSED, count=missed, seconds=seconds)
        log = self._watch.plan.notebook.shelf.log
        detail = f"{missed} were due in {seconds:.1f} s and could not be made"
        self._watch.daemon.crew.writer.offer(lambda: log.add_event(CHECKPOINT_MISSED.event, detail))


def row_of(taken: Checkpoint) -> "Row":
    """Return what the store keeps of a checkpoint."""
    from voicebridge.store.checkpoints import Row

    return Row(
        session_id=taken.session_id,
        at=taken.at,
        state=taken.state,
        uptime_seconds=taken.uptime_seconds,
        backlog_seconds=taken.backlog_seconds,
        delay_p95_ms=taken.delay_interval_ms.p95,
        cpu_share=taken.cpu.share,
        rss_bytes=taken.memory.rss_bytes,
        record=taken.to_json(),
    )


def checkpointing(watch: "Watch", reporter: "StatusReporter", state: Path) -> Checkpointing:
    """Join checkpoints with the parts; to be called before the daemon is started."""
    made = Checkpointing(watch, Reading(watch, reporter), state)
    reporter.more_counters.append(made.counters)
    made.count_restarts()
    return made
