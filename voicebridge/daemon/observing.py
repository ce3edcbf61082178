"""How the daemon is observed: from the live parts to the plain data that the probes judge."""

import math
from dataclasses import dataclass

from voicebridge.daemon import assembly
from voicebridge.daemon.assembly import Plan
from voicebridge.daemon.gauges import waiting_seconds
from voicebridge.daemon.lifecycle import Daemon
from voicebridge.domain.units import MEGABYTE, samples_to_seconds
from voicebridge.health.looks import told_from
from voicebridge.health.machine import Machine
from voicebridge.health.observation import NO_MACHINE, NO_TREND
from voicebridge.health.probes import Limits, Observation, Pipeline, Sign
from voicebridge.health.trends import Sample, Trend
from voicebridge.settings import Settings

LOAD_DEADLINE_SECONDS = 600.0
"""The largest model takes well over a minute from a slow card; ten are a hang."""
COMMIT_DEADLINE_SECONDS = 180.0
"""One try of one commit or spool write. A lock ends a try after `store.busy_timeout_ms`, at most 60 s; a failing disk
was seen to hold a write for 30 s at a time."""
CHECKPOINT_LATE_SECONDS = 5.0
"""After it was due, a checkpoint that has not been kept is late."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured beside the moment itself."""

    trend: Trend = NO_TREND
    machine: Machine = NO_MACHINE
    checkpoint_seconds: float = 0.0
    """Since the newest checkpoint was kept."""


NOTHING_MEASURED = Measured()


def limits_of(settings: Settings) -> Limits:
    """Return where observations begin to be reasons."""
    capture, health = settings.capture, settings.health
    return Limits(
        stall=capture.stall_seconds,
        first_block=capture.first_block_seconds,
        rate_tolerance=capture.rate_tolerance,
        rate_window=capture.rate_window_seconds,
        zero=health.zero_seconds,
        sign_of_life=health.sign_of_life_seconds,
        listener_lag=health.listener_lag_seconds,
        decode=settings.engine.decode_deadline_seconds,
        load=LOAD_DEADLINE_SECONDS,
        commit=COMMIT_DEADLINE_SECONDS,
        low_level_dbfs=health.low_level_dbfs,
        low_level=health.low_level_seconds,
        clipping_share=health.clipping_share,
        backlog=health.backlog_seconds,
        disk_free_bytes=health.disk_free_mb * MEGABYTE,
        celsius=health.temperature_celsius,
        checkpoint=health.interval_seconds + CHECKPOINT_LATE_SECONDS,
    )


def observe(daemon: Daemon, plan: Plan, began: float, now: float, measured: Measured = NOTHING_MEASURED) -> Observation:
    """Return how everything is at ``now`` (CLOCK_MONOTONIC); ``began`` is when the daemon was built. Never waits."""
    settings, source = plan.in_force, plan.ears.source
    report = source.report()
    _, last_write = plan.ears.ring.mark()
    return Observation(
        now=now,
        uptime_seconds=now - began,
        capture=report,
        limits=limits_of(settings),
        paced=source.info.paced,
        heard=daemon.crew.listener.counters.frames > 0,
        silent_seconds=now - max(last_write, began),  # the ring is older than the watch, and begins with its making
        capture_stuck=assembly.capture_stuck(report, settings, now),
        capture_slow=assembly.capture_stuck(report, _with_near_deadlines(settings), now),
        pipeline=_pipeline(daemon, now),
        signs=signs_of(daemon, now),
        trend=measured.trend,
        machine=measured.machine,
        checkpoint_seconds=measured.checkpoint_seconds,
        alarms=daemon.alarms.standing,
        muted=plan.ears.muted(),
        stopping=daemon.stopping,
    )


def _with_near_deadlines(settings: Settings) -> Settings:
    """Return settings by which capture hangs from the moment on at which that is to be told."""
    capture = settings.capture
    near = {name: told_from(getattr(capture, name)) for name in ("teardown_seconds", "open_seconds")}
    return settings.model_copy(update={"capture": capture.model_copy(update=near)})


def sample_of(daemon: Daemon, plan: Plan, machine: Machine) -> Sample:
    """Return the counts that trends are made of."""
    listener = daemon.crew.listener
    loudness = listener.loudness
    # A frame whose peak is so many whole decibels below full scale is not louder than the limit.
    low_from = math.ceil(-plan.in_force.health.low_level_dbfs)
    return Sample(
        frames=listener.counters.frames,
        loud_frames=sum(loudness.peaks[:low_from]),
        samples=loudness.samples,
        clipped=loudness.clipped,
        backlog_seconds=daemon.crew.transcriber.backlog_seconds,
        throttlings=machine.throttlings or 0,
        decode_errors=daemon.crew.transcriber.counters.errors,
        muted=plan.ears.muted(),
    )


def signs_of(daemon: Daemon, now: float) -> tuple[Sign, ...]:
    """Return the signs of life of the threads that run, those inside a call with its own deadline excused."""
    crew = daemon.crew
    decoding = crew.transcriber.decode_age_seconds(now) > 0 or crew.transcriber.load_age_seconds(now) > 0
    workers = (
        ("listener", crew.listener, False),
        ("transcriber", crew.transcriber, decoding),
        ("store-writer", crew.writer, crew.writer.try_age_seconds(now) > 0),
    )
    signs = [
        Sign(name, now - worker.last_sign_monotonic, excused=excused)
        for name, worker, excused in workers
        if worker.alive and worker.last_sign_monotonic is not None
    ]
    for onlooker in daemon.onlookers:
        last = onlooker.last_sign()
        if last is not None:
            signs.append(Sign(onlooker.thread, now - last, onlooker.vital and not onlooker.waits()))
    return tuple(signs)


def _pipeline(daemon: Daemon, now: float) -> Pipeline:
    crew = daemon.crew
    return Pipeline(
        listening=crew.listener.alive,
        lag_seconds=samples_to_seconds(crew.listener.lag_samples),
        decode_seconds=crew.transcriber.decode_age_seconds(now),
        load_seconds=crew.transcriber.load_age_seconds(now),
        commit_seconds=crew.writer.try_age_seconds(now),
        store_trouble=crew.writer.trouble or "",
        engine_error=str(crew.transcriber.engine_error or ""),
        backlog_seconds=crew.transcriber.backlog_seconds,
        oldest_seconds=max(waiting_seconds(crew, now), default=0.0),
        decodes_failed=crew.transcriber.counters.errors_in_a_row,
        decode_error=crew.transcriber.counters.last_error,
        options_refused=str(crew.transcriber.options_refused or ""),
    )
