"""Reads a checkpoint from the live parts: in the health thread, from memory and /proc, in a millisecond."""

import gc
import math
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicebridge.daemon.gauges import waiting_seconds
from voicebridge.domain.audio import GapReason
from voicebridge.domain.units import FRAMES_PER_SECOND, dbfs, samples_to_seconds
from voicebridge.health import checkpoint as record
from voicebridge.health.heap import heap_bytes
from voicebridge.pipeline.loudness import FLOOR_DB

if TYPE_CHECKING:
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.watch import Watch
    from voicebridge.health.status import Status

THREADS = frozenset(
    {
        "MainThread",
        "capture",
        "control",
        "feed",
        "health-keeper",
        "http",
        "listener",
        "machine-look",
        "replay",
        "sound-watch",
        "stdin",
        "store-writer",
        "transcriber",
    }
)
"""Threads of ours, by name; all others are summed (so that labels stay few)."""
OTHERS = "other"


@dataclass(frozen=True, slots=True)
class Marks:
    """The counts at one checkpoint, from which the next one makes its intervals."""

    monotonic: float
    frames: int = 0
    expected: int | None = None
    """Frames that time led to expect; None before the first sample, and where time means nothing."""
    speech_frames: int = 0
    samples: int = 0
    clipped: int = 0
    squares: float = 0.0
    peaks: tuple[int, ...] = ()
    gaps: int = 0
    gap_seconds: float = 0.0
    decode_seconds: float = 0.0
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0
    cpu_by_thread: Mapping[int, float] | None = None


class Reading:
    """Reads checkpoints one after the other; used by one thread."""

    def __init__(self, watch: "Watch", reporter: "StatusReporter") -> None:
        from psutil import Process

        self.restarts: int | None = None
        """Sessions before this one since the boot; to be set by who can ask the store."""
        self.failures: Mapping[str, int] = {}
        """What failed in keeping checkpoints; to be set by who keeps them."""
        self._watch = watch
        self._reporter = reporter
        self._process = Process()
        self._before = Marks(watch.began, cpu_seconds=self._cpu_seconds(), cpu_by_thread=self._cpu_by_thread())
        self._cost_ms: float | None = None

    def read(self, missed: int) -> record.Checkpoint:
        """Return how the daemon is now; ``missed`` checkpoints were due since the one before."""
        began = time.thread_time()
        now, at = self._watch.monotonic(), time.time()
        status = self._reporter.status()
        after = self._marks(now, status)
        taken = self._checkpoint(now, at, status, after, missed)
        self._before = after
        self._cost_ms = round((time.thread_time() - began) * 1000, 3)
        return taken

    def _checkpoint(self, now: float, at: float, status: "Status", after: Marks, missed: int) -> record.Checkpoint:
        crew, watch, before = self._watch.daemon.crew, self._watch, self._before
        waiting = waiting_seconds(crew, now)
        interval, session = watch.gauges.delays.snapshot([age * 1000 for age in waiting])
        machine = watch.gauges.machine
        audio = after.audio_seconds - before.audio_seconds
        return record.Checkpoint(
            at=at,
            monotonic_seconds=now,
            session_id=status.session_id,
            uptime_seconds=now - watch.began,
            interval_seconds=now - before.monotonic,
            missed=missed,
            state=status.state,
            reasons=[record.Told(reason.code, reason.sentence) for reason in status.reasons],
            muted=status.muted,
            frames=self._frames(after),
            gaps=self._gaps(after),
            level=_level(before, after),
            ring_high_water_seconds=samples_to_seconds(watch.plan.ears.ring.high_water_mark),
            listener_lag_ms=status.listener_lag_ms,
            queues=self._queues(),
            backlog_seconds=status.backlog_seconds,
            oldest_waiting_seconds=max(waiting, default=None),
            decodes=self._decodes(),
            delay_interval_ms=interval,
            delay_session_ms=session,
            real_time_factor=(after.decode_seconds - before.decode_seconds) / audio if audio > 0 else None,
            utterances=record.Utterances(
                status.utterances, status.done, status.rejected, status.failed, status.waiting
            ),
            errors=self._errors(),
            recoveries=status.capture.recoveries,
            restarts=self.restarts,
            watchdog=record.Watchdog(status.watchdog.pings, status.watchdog.withheld),
            cpu=self._cpu(after),
            memory=self._memory(status),
            open_files=self._process.num_fds() - 1,  # but that of the listing
            threads=len(after.cpu_by_thread or ()),
            gc=_collections(),
            disk=record.Disk(machine.disk_free, machine.database, machine.wal),
            heat=record.Heat(machine.celsius, machine.throttled, machine.detail),
            clock_steps=record.ClockSteps(watch.clock.count, watch.clock.seconds),
            cost_ms=self._cost_ms,
            counters=status.counters,
        )

    def _marks(self, now: float, status: "Status") -> Marks:
        crew = self._watch.daemon.crew
        heard, decoded, loudness = crew.listener.counters, crew.transcriber.counters, crew.listener.loudness
        return Marks(
            monotonic=now,
            frames=heard.frames,
            expected=self._expected(now),
            speech_frames=heard.speech_frames,
            samples=loudness.samples,
            clipped=loudness.clipped,
            squares=loudness.squares,
            peaks=tuple(loudness.peaks),
            gaps=status.gaps,
            gap_seconds=status.gap_seconds,
            decode_seconds=decoded.decode_seconds,
            audio_seconds=decoded.audio_seconds,
            cpu_seconds=self._cpu_seconds(),
            cpu_by_thread=self._cpu_by_thread(),
        )

    def _expected(self, now: float) -> int | None:
        first = self._watch.daemon.crew.clock.first_sample_monotonic
        return None if first is None else math.floor(max(0.0, now - first) * FRAMES_PER_SECOND)

    def _frames(self, after: Marks) -> record.Frames:
        expected, received = after.expected, after.frames - self._before.frames
        if expected is None:
            return record.Frames(None, after.frames, None, None, received, None)
        lately = expected - (self._before.expected or 0)
        return record.Frames(
            expected, after.frames, _ratio(after.frames, expected), lately, received, _ratio(received, lately)
        )

    def _gaps(self, after: Marks) -> record.Gaps:
        crew = self._watch.daemon.crew
        heard, recorder = crew.listener.counters, crew.recorder
        # What the recorder could not keep was heard, and is lost all the same.
        counts = {**heard.gaps_by_reason, GapReason.BACKLOG: recorder.lost_stretches}
        lengths = {**heard.gap_samples_by_reason, GapReason.BACKLOG: recorder.lost_samples}
        return record.Gaps(
            count=after.gaps,
            seconds=after.gap_seconds,
            interval_count=after.gaps - self._before.gaps,
            interval_seconds=after.gap_seconds - self._before.gap_seconds,
            count_by_reason={reason.value: count for reason, count in counts.items() if count},
            seconds_by_reason={reason.value: samples_to_seconds(lost) for reason, lost in lengths.items() if lost},
        )

    def _queues(self) -> record.Queues:
        crew = self._watch.daemon.crew
        return record.Queues(
            store_jobs=crew.writer.queued_jobs,
            store_audio_bytes=crew.writer.queued_audio_bytes,
            decodes=crew.transcriber.waiting,
            announcements=crew.announced.waiting,
            recorder=crew.recorder.held_tasks,
        )

    def _decodes(self) -> record.Decodes:
        transcriber = self._watch.daemon.crew.transcriber
        counters, early = transcriber.counters, transcriber.early
        return record.Decodes(
            final=counters.decodes,
            speculative=early.speculation.counters.decoded,
            partial=early.counts["partials_decoded"],
            errors=counters.errors,
            seconds=counters.decode_seconds,
            audio_seconds=counters.audio_seconds,
        )

    def _errors(self) -> dict[str, int]:
        crew = self._watch.daemon.crew
        return {
            "decode": crew.transcriber.counters.errors,
            "engine_load": crew.transcriber.loads_failed,
            "store_retried": crew.writer.retries,
            "store_refused": crew.writer.refused,
            "store_given_up": crew.writer.given_up,
            **self.failures,
        }

    def _cpu(self, after: Marks) -> record.Cpu:
        before, seconds = self._before, after.monotonic - self._before.monotonic
        times = self._process.cpu_times()
        if seconds <= 0:
            return record.Cpu(times.user, times.system, None, {})
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        known = before.cpu_by_thread or {}
        spent: dict[str, float] = defaultdict(float)
        for number, used in (after.cpu_by_thread or {}).items():
            name = names.get(number, OTHERS)
            spent[name if name in THREADS else OTHERS] += used - known.get(number, 0.0)
        share = (after.cpu_seconds - before.cpu_seconds) / seconds
        by_thread = {name: round(used / seconds, 5) for name, used in sorted(spent.items())}
        return record.Cpu(times.user, times.system, round(share, 5), by_thread)

    def _memory(self, status: "Status") -> record.Memory:
        heap = heap_bytes() if self._watch.plan.in_force.health.heap else None
        return record.Memory(status.rss_bytes, self._watch.gauges.uss_bytes, heap)

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _cpu_by_thread(self) -> dict[int, float]:
        return {thread.id: thread.user_time + thread.system_time for thread in self._process.threads()}


def _level(before: Marks, after: Marks) -> record.Level:
    samples, frames = after.samples - before.samples, after.frames - before.frames
    if samples <= 0 or frames <= 0:
        return record.Level(None, None, None, None)
    rms = math.sqrt(max(0.0, after.squares - before.squares) / samples)
    return record.Level(
        rms_dbfs=_dbfs(rms),
        peak_dbfs=_peak_dbfs(before.peaks or (0,) * len(after.peaks), after.peaks),
        clipped_share=(after.clipped - before.clipped) / samples,
        speech_share=(after.speech_frames - before.speech_frames) / frames,
    )


def _dbfs(amplitude: float) -> float:
    return round(max(-float(FLOOR_DB), dbfs(amplitude)), 1)


def _peak_dbfs(before: Sequence[int], after: Sequence[int]) -> float:
    return -float(next((db for db, (old, new) in enumerate(zip(before, after, strict=True)) if new > old), FLOOR_DB))


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole > 0 else None


def _collections() -> record.Collections:
    generations = gc.get_stats()
    return record.Collections(
        runs=[generation["collections"] for generation in generations],
        collected=sum(generation["collected"] for generation in generations),
        uncollectable=sum(generation["uncollectable"] for generation in generations),
    )
