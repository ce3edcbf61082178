"""What the health keeper does while the daemon runs."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from voicebridge.daemon.assembly import Plan, capture_stuck
from voicebridge.daemon.gauges import rss_bytes, waiting_seconds
from voicebridge.daemon.lifecycle import Daemon
from voicebridge.daemon.messages import GAP, STUCK_LEAVING, log_event
from voicebridge.daemon.observing import COMMIT_DEADLINE_SECONDS, LOAD_DEADLINE_SECONDS, signs_of
from voicebridge.daemon.store_watch import StoreWatch
from voicebridge.daemon.watch import WORDS_SECONDS, StatusLine, Watch
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.capture import CaptureReport, CaptureState
from voicebridge.domain.ports import Engine, WindowedEngine
from voicebridge.domain.units import FRAME_MS, samples_to_ms, samples_to_seconds, seconds_to_samples
from voicebridge.health.keeper import Duty
from voicebridge.health.probes import State
from voicebridge.health.status import CaptureStatus, Status, StatusFile, WatchdogStatus, status_line
from voicebridge.settings import paths

logger = logging.getLogger(__name__)

PURGE_SECONDS = 3600.0
TIDY_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 30.0
DEADLINE_CHECK_SECONDS = 0.5
"""A call that is stuck is left within so much of its deadline. The other duties are due at multiples of it, so that the
keeper wakes twice a second and no more."""
DEAF_SECONDS = 1.0
"""A source that has brought nothing for this long, when the process leaves, is an outage and not merely late."""


def duties(watch: Watch, reporter: "StatusReporter") -> Sequence[Duty]:
    """Return the keeper's duties; what must not be late stands first."""
    daemon, plan = watch.daemon, watch.plan
    return (
        Duty(DEADLINE_CHECK_SECONDS, lambda: check_deadlines(daemon, plan)),
        Duty(watch.every_seconds, watch.look, at_once=True),
        Duty(watch.every_seconds, StoreWatch(daemon, plan.notebook, watch.monotonic).look),
        Duty(WORDS_SECONDS, reporter.tell),
        Duty(plan.settings.health.status_seconds, reporter.write, at_once=True),
        Duty(LOOK_AGAIN_SECONDS, daemon.crew.transcriber.look_again),
        # At once, too: a session may never last for an hour.
        Duty(PURGE_SECONDS, lambda: _purge(daemon, plan), at_once=True),
        Duty(TIDY_SECONDS, reporter.tidy, at_once=True),
    )


def check_deadlines(daemon: Daemon, plan: Plan) -> None:
    """Leave when a call that cannot be cancelled inside the process has outlived its deadline.

    Not while stopping: the orderly stop waits for each part with a limit of its own, and keeps its own status.
    """
    now = time.monotonic()
    if not daemon.stopping and (what := _stuck(daemon, plan, now)):
        log = plan.notebook.shelf.log
        daemon.crew.writer.offer(lambda: log.add_event(STUCK_LEAVING.event, what))
        _note_open_outage(daemon, plan, now)
        daemon.leave_stuck(what)


def _note_open_outage(daemon: Daemon, plan: Plan, now: float) -> None:
    """Commit the gap of an outage that the process does not see the end of; the next one notes the rest."""
    written, last_write = plan.ears.ring.mark()
    silent_seconds = now - last_write
    if not plan.ears.source.info.paced or silent_seconds < DEAF_SECONDS:
        return
    gap = Gap(Span(written, written + seconds_to_samples(silent_seconds)), GapReason.STALLED)
    bounds = {"start_sample": gap.span.start, "end_sample": gap.span.end}
    log_event(logger, GAP, None, seconds=gap.span.seconds, reason=gap.reason.value, **bounds)
    daemon.crew.writer.offer(lambda: plan.notebook.shelf.log.add_gap(gap))


def _stuck(daemon: Daemon, plan: Plan, now: float) -> str:
    """Return what is stuck, as a sentence, or nothing."""
    settings, transcriber = plan.in_force, daemon.crew.transcriber
    if what := capture_stuck(plan.ears.source.report(), settings, now):
        return what
    decode_seconds = transcriber.decode_age_seconds(now)
    if decode_seconds > settings.engine.decode_deadline_seconds:
        return f"A decode has run for {decode_seconds:.0f} s (engine.decode_deadline_seconds)."
    load_seconds = transcriber.load_age_seconds(now)
    if load_seconds > LOAD_DEADLINE_SECONDS:
        return f"The engine has been loading for {load_seconds:.0f} s."
    commit_seconds = daemon.crew.writer.try_age_seconds(now)
    if commit_seconds > COMMIT_DEADLINE_SECONDS:
        return f"The disk has not answered the store for {commit_seconds:.0f} s."
    return ""


def _purge(daemon: Daemon, plan: Plan) -> None:
    daemon.crew.writer.offer(plan.notebook.purge)


class StatusReporter:
    """Says how everything is: in the status file, and in one line to systemd."""

    def __init__(self, watch: Watch, state: Path, line: StatusLine | None = None) -> None:
        self._watch = watch
        self._daemon = watch.daemon
        self._plan = watch.plan
        self._started_at = time.time()
        self._process_began = process_began()
        self._file = StatusFile(paths.status_paths(state))
        self._line = line or StatusLine()
        self.more_counters: list[Callable[[], Mapping[str, int]]] = []
        """Of what is not among the crew; to be added to before it writes."""
        self._store_counters: dict[str, int] = {}

    def write(self) -> None:
        """Write how everything is now."""
        self._file.write(self.status())

    def tell(self) -> None:
        """Tell systemd how everything is now, if that has changed."""
        self._line.say(self.line())

    def line(self) -> str:
        """Return the one line for systemd."""
        return status_line(self.status())

    def tidy(self) -> None:
        """Let the store look after itself, and say what it did: in its own thread, for the disk may hang."""
        self._daemon.crew.writer.offer(self._tidy)

    def _tidy(self) -> None:
        try:
            self._plan.notebook.tidy()
        finally:
            self._store_counters = self._plan.notebook.counters

    def close(self) -> None:
        """Remove the status: the session is over."""
        self._file.remove()

    def status(self) -> Status:
        """Return how everything is now."""
        crew, notebook = self._daemon.crew, self._plan.notebook
        heard, decoded = crew.listener.counters, crew.transcriber.counters
        engine, recorder = self._plan.engine.info, crew.recorder
        verdict, now = self._watch.verdict(), self._watch.monotonic()
        report, gauges = self._plan.ears.source.report(), self._watch.gauges
        return Status(
            pid=os.getpid(),
            session_id=notebook.session_id,
            started_at=self._started_at,
            written_at=time.time(),
            state=verdict.state.value,
            source=self._plan.ears.source.info.name,
            engine=engine.engine,
            model=engine.model,
            engine_state=self._engine_state(),
            first_sample_after_seconds=self._after_start(crew.clock.first_sample_monotonic),
            engine_ready_after_seconds=self._after_start(crew.transcriber.ready_monotonic),
            trouble=verdict.trouble,
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
            deaf_seconds=self._silent_seconds(now) if verdict.state is State.DEAF else 0.0,
            reasons=verdict.reasons,
            muted=self._plan.ears.muted(),
            capture=_capture_status(report, now),
            watchdog=self._watchdog(),
            signs_of_life={sign.thread: round(sign.age_seconds, 3) for sign in signs_of(self._daemon, now)},
            uptime_seconds=round(now - self._watch.began, 3),
            rss_bytes=rss_bytes(),
            uss_bytes=gauges.uss_bytes,
            disk_free_bytes=gauges.machine.disk_free,
            delay_ms=gauges.delay(crew, now),
            delay_hour_ms=gauges.delay_lately(crew, now),
            oldest_waiting_seconds=max(waiting_seconds(crew, now), default=None),
        )

    def _counters(self) -> dict[str, int]:
        crew = self._daemon.crew
        more = {name: value for counters in self.more_counters for name, value in counters().items()}
        return more | {
            "announcements_dropped": crew.announced.dropped,
            "anchors_put_off": crew.clock.put_off,
            "attempts_uncounted": crew.transcriber.counters.uncounted_attempts,
            "decode_errors": crew.transcriber.counters.errors,
            "gaps_merged": crew.recorder.gaps_merged,
            "loads_failed": crew.transcriber.loads_failed,
            "recorder_dropped": crew.recorder.dropped_tasks,
            "ring_overrun_samples": self._plan.ears.ring.overrun_samples,
            "speech_discarded": crew.listener.counters.discarded,
            "words_failed": crew.transcriber.counters.words_failed,
            "writer_given_up": crew.writer.given_up,
            "writer_refused": crew.writer.refused,
            "writer_retries": crew.writer.retries,
            **self._store_counters,
            **_window_counters(self._plan.engine),
            **crew.transcriber.early.counts,
        }

    def _silent_seconds(self, now: float) -> float:
        """Return how long nothing has been written into the ring, or since the watch began: the ring is older."""
        _, last_write = self._plan.ears.ring.mark()
        return now - max(last_write, self._watch.began)

    def _watchdog(self) -> WatchdogStatus:
        watchdog = self._watch.watchdog
        return WatchdogStatus(watchdog.period_seconds, watchdog.pings.sent, watchdog.pings.withheld)

    def _after_start(self, monotonic_seconds: float | None) -> float | None:
        """Return a moment as seconds since the start of this process."""
        return None if monotonic_seconds is None else round(monotonic_seconds - self._process_began, 3)

    def _engine_state(self) -> str:
        transcriber = self._daemon.crew.transcriber
        if transcriber.engine_error is not None:
            return "failed"
        return "loading" if transcriber.ready_monotonic is None else "ready"


def _capture_status(report: CaptureReport, now: float) -> CaptureStatus:
    next_attempt = report.next_attempt
    return CaptureStatus(
        state=report.state.value,
        for_seconds=round(max(0.0, now - report.since), 3),
        source=report.source,
        moved=report.moved,
        server=report.server.value,
        call=report.call,
        attempts=report.attempts,
        next_attempt_seconds=None if next_attempt is None else round(max(0.0, next_attempt - now), 3),
        recoveries=report.recoveries,
        rate_ratio=report.rate_ratio,
        zero_seconds=report.zero_seconds,
        level_peak=report.level_peak if report.state is CaptureState.HEARING else 0,  # else an old one
    )


def _window_counters(engine: Engine) -> dict[str, int]:
    """Return how often an engine took which window, and why its short ones were not believed."""
    counters = engine.counters if isinstance(engine, WindowedEngine) else None
    if counters is None:
        return {}
    return {
        "window_full": counters.full,
        "window_short": counters.short,
        "window_partial": counters.partial,
        **{f"fallback_{reason}": count for reason, count in counters.fallbacks.items()},
    }


def process_began() -> float:
    """Return when this process began, on CLOCK_MONOTONIC, as the kernel knows it (to 10 ms).

    In ticks since the boot, which no step of the wall clock moves (proc(5), field 22); to be asked early, since
    CLOCK_MONOTONIC stands still in a suspended machine.
    """
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    ticks = int(fields[22 - 3])  # the first after the name is field 3
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age
