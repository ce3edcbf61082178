"""What the health keeper does while the daemon runs."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.daemon.assembly import Plan
from voicebridge.daemon.lifecycle import Daemon
from voicebridge.domain.units import FRAME_MS, samples_to_ms, samples_to_seconds
from voicebridge.health.keeper import Duty
from voicebridge.health.status import Status, StatusFile
from voicebridge.settings import paths

if TYPE_CHECKING:
    from voicebridge.pipeline.listener import Listener

PURGE_SECONDS = 3600.0
LOOK_AGAIN_SECONDS = 30.0
DEADLINE_CHECK_SECONDS = 1.0
LOAD_DEADLINE_SECONDS = 600.0
"""The largest model takes well over a minute from a slow card; ten are a hang."""
COMMIT_DEADLINE_SECONDS = 180.0
"""One try of one commit or spool write. A lock ends a try after `store.busy_timeout_ms`, at most 60 s; a failing disk
was seen to hold a write for 30 s at a time."""
DEAF_SECONDS = 3.0
"""A paced source that has delivered nothing for so long is not heard."""


def duties(daemon: Daemon, plan: Plan, reporter: "StatusReporter") -> Sequence[Duty]:
    """Return the keeper's duties."""
    return (
        Duty(plan.settings.health.status_seconds, reporter.write, at_once=True),
        Duty(DEADLINE_CHECK_SECONDS, lambda: check_deadlines(daemon, plan)),
        Duty(LOOK_AGAIN_SECONDS, daemon.crew.transcriber.look_again),
        # At once, too: a session may never last for an hour.
        Duty(PURGE_SECONDS, lambda: _purge(daemon, plan), at_once=True),
    )


def check_deadlines(daemon: Daemon, plan: Plan) -> None:
    """Leave when a call that cannot be cancelled inside the process has outlived its deadline."""
    now, transcriber = time.monotonic(), daemon.crew.transcriber
    decode_seconds = transcriber.decode_age_seconds(now)
    if decode_seconds > plan.settings.engine.decode_deadline_seconds:
        daemon.leave_stuck(f"a decode has run for {decode_seconds:.0f} s (engine.decode_deadline_seconds)")
    load_seconds = transcriber.load_age_seconds(now)
    if load_seconds > LOAD_DEADLINE_SECONDS:
        daemon.leave_stuck(f"the engine has been loading for {load_seconds:.0f} s")
    commit_seconds = daemon.crew.writer.try_age_seconds(now)
    if commit_seconds > COMMIT_DEADLINE_SECONDS:
        daemon.leave_stuck(f"the disk has not answered the store for {commit_seconds:.0f} s")


def _purge(daemon: Daemon, plan: Plan) -> None:
    daemon.crew.writer.offer(plan.notebook.purge)


class StatusReporter:
    """Writes the status file."""

    def __init__(
        self, daemon: Daemon, plan: Plan, state: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._daemon = daemon
        self._plan = plan
        self._started_at = time.time()
        self._monotonic = monotonic
        self._started_monotonic = monotonic()
        self._process_began = process_began()
        self._file = StatusFile(paths.status_paths(state))

    def write(self) -> None:
        """Write how everything is now."""
        self._file.write(self.status())

    def close(self) -> None:
        """Remove the status: the session is over."""
        self._file.remove()

    def status(self) -> Status:
        """Return how everything is now."""
        crew, notebook = self._daemon.crew, self._plan.notebook
        heard, decoded = crew.listener.counters, crew.transcriber.counters
        engine = self._plan.engine.info
        state = self._state()
        deaf_seconds = self._silent_seconds() if state == "deaf" else 0.0
        recorder = crew.recorder
        return Status(
            pid=os.getpid(),
            session_id=notebook.session_id,
            started_at=self._started_at,
            written_at=time.time(),
            state=state,
            source=self._plan.ears.source.info.name,
            engine=engine.engine,
            model=engine.model,
            engine_state=self._engine_state(),
            first_sample_after_seconds=self._after_start(crew.clock.first_sample_monotonic),
            engine_ready_after_seconds=self._after_start(crew.transcriber.ready_monotonic),
            trouble=self._trouble(deaf_seconds),
            heard_seconds=heard.frames * FRAME_MS / 1000,
            speech_seconds=heard.speech_frames * FRAME_MS / 1000,
            level=heard.level,
            listener_lag_ms=samples_to_ms(crew.listener.lag_samples),
            utterances=heard.utterances,
            done=decoded.done,
            rejected=decoded.rejected,
            failed=decoded.failed,
            waiting=crew.transcriber.waiting,
            backlog_seconds=crew.transcriber.backlog_seconds,
            gaps=heard.gaps + recorder.lost_stretches,
            gap_seconds=samples_to_seconds(heard.gap_samples + recorder.lost_samples),
            counters=self._counters(),
            deaf_seconds=deaf_seconds,
        )

    def _counters(self) -> dict[str, int]:
        crew = self._daemon.crew
        return {
            "announcements_dropped": crew.announced.dropped,
            "attempts_uncounted": crew.transcriber.counters.uncounted_attempts,
            "decode_errors": crew.transcriber.counters.errors,
            "recorder_dropped": crew.recorder.dropped_tasks,
            "ring_overrun_samples": self._plan.ears.ring.overrun_samples,
            "speech_discarded": crew.listener.counters.discarded,
            "writer_given_up": crew.writer.given_up,
            "writer_refused": crew.writer.refused,
            "writer_retries": crew.writer.retries,
        }

    def _state(self) -> str:
        if self._daemon.stopping:
            return "stopping"
        listener = self._daemon.crew.listener
        if self._hears(listener):
            return "hearing"
        young = self._monotonic() - self._started_monotonic < DEAF_SECONDS
        return "starting" if young and not listener.counters.frames else "deaf"

    def _hears(self, listener: "Listener") -> bool:
        source = self._plan.ears.source
        if not source.info.paced:
            return listener.alive
        return listener.counters.frames > 0 and self._silent_seconds() < DEAF_SECONDS

    def _silent_seconds(self) -> float:
        """Return how long nothing has been written into the ring (or since it was made)."""
        _, last_write = self._plan.ears.ring.mark()
        return self._monotonic() - last_write

    def _after_start(self, monotonic_seconds: float | None) -> float | None:
        """Return a moment as seconds since the start of this process."""
        return None if monotonic_seconds is None else round(monotonic_seconds - self._process_began, 3)

    def _engine_state(self) -> str:
        transcriber = self._daemon.crew.transcriber
        if transcriber.engine_error is not None:
            return "failed"
        return "loading" if transcriber.ready_monotonic is None else "ready"

    def _trouble(self, deaf_seconds: float) -> str:
        crew = self._daemon.crew
        if crew.writer.trouble:
            return crew.writer.trouble
        if crew.transcriber.engine_error is not None:
            return str(crew.transcriber.engine_error)
        return f"No audio has arrived for {deaf_seconds:.0f} s." if deaf_seconds else ""


def process_began() -> float:
    """Return when this process began, on CLOCK_MONOTONIC, as the kernel knows it (to 10 ms).

    In ticks since the boot, which no step of the wall clock moves (proc(5), field 22); to be asked early, since
    CLOCK_MONOTONIC stands still in a suspended machine.
    """
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    ticks = int(fields[22 - 3])  # the first after the name is field 3
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age
