"""One session from the first captured sample to the closed database."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.daemon.assembly import Ears, Plan, SourceMaker, build_crew, choose_engine
from voicebridge.daemon.live import LiveSettings
from voicebridge.daemon.systemd import extend_timeout, notify, status
from voicebridge.domain.errors import ExitCode, VoicebridgeError
from voicebridge.domain.events import (
    CaptureChanged,
    DeviceMoved,
    EngineFailed,
    EngineReady,
    Event,
    MuteChanged,
    SettingsReloaded,
    StoreChanged,
    StoreNotice,
)
from voicebridge.domain.ports import Engine, Source, TurnDetector
from voicebridge.domain.units import FRAME_MS, seconds_to_samples
from voicebridge.settings import Settings, paths

if TYPE_CHECKING:
    from voicebridge.daemon.descriptors import DescriptorReserve
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.lifecycle import Daemon
    from voicebridge.daemon.notebook import Notebook
    from voicebridge.daemon.steering import Steering
    from voicebridge.daemon.stock import Stock
    from voicebridge.daemon.watch import Watch
    from voicebridge.health.keeper import Keeper
    from voicebridge.pipeline.store_writer import StoreWriter

logger = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 30.0
SPARES_SECONDS = 2.0
START_SECONDS = 300.0
"""Asked of systemd for a start that is slow: a migration of a large database, or thousands of files in the spool."""
EVENTS_HELD = 4096
"""Announcements that may wait for a slow reader (a stopped terminal) before the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the process around a session does for it, and is told."""

    housekeeping: Callable[[], None] = lambda: None
    """Called by the health keeper every half minute."""
    counters: Callable[[], Mapping[str, int]] = dict
    """How often the bounds of its log were reached; for the status."""
    on_steering: Callable[["Steering"], None] = lambda _: None
    """Called with what can be steered, before the threads start."""
    on_stopping: Callable[[str], None] = lambda _: None
    """Called with the reason when an orderly stop begins."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What to hear, with which settings, and where to keep it."""

    settings: Settings
    state: Path
    make_source: SourceMaker
    seconds: float | None = None
    """Stop after so long; None goes on until the source ends or somebody stops it."""
    engine: Engine | None = None
    """Decode with this engine instead of the one that the settings name (for benches)."""
    reread: Callable[[], Settings] | None = None
    """Reads the settings again as they were read at the start. Raises SettingsError. Where there is none, nothing can
    be steered: there is no control thread."""
    around: Around = Around()
    partials: bool = False
    """Announce what open utterances say so far, too: whoever follows reads it."""
    turn_detector: TurnDetector | None = None
    """Says in a pause whether somebody has finished, where `endpoint.mode` is adaptive; the rules where None."""


@dataclass(frozen=True, slots=True)
class Started:
    """What can be said of a session when it begins."""

    daemon: "Daemon"
    notebook: "Notebook"
    source: Source
    engine_reason: str
    fallback: bool = False
    """True when whisper would have been taken and could not be used."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a session ended."""

    exit_code: ExitCode
    error: VoicebridgeError | None
    session_id: int
    heard_seconds: float
    database: Path
    stopped: bool
    """True when somebody asked it to stop, in whatever moment that was."""
    ended: bool
    """True when the source came to its end; False when it was stopped before."""


def hear(orders: Orders, on_event: Callable[[Event], None], on_start: Callable[[Started], None]) -> Report:
    """Hear until it is over, announcing to ``on_event``; store everything. Raises VoicebridgeError.

    The order is made for the first captured sample: what capture needs comes first; the store, the detector and the
    engine are imported and built while the ring already fills. ``on_start`` is called once, before the threads start.
    """
    from voicebridge.store.lock import StateLock

    if orders.reread is not None and orders.settings.http.enabled:
        from voicebridge.web.access import access_of

        access_of(orders.settings.http)  # so that a mistake in it is told before anything is heard
    with StateLock(orders.state), _capturing(orders) as ears:
        return _hear(orders, ears, on_event, on_start)


@contextmanager
def _capturing(orders: Orders) -> Iterator[Ears]:
    from voicebridge.audio.mute import MuteSwitch
    from voicebridge.audio.ring import Ring
    from voicebridge.daemon.mute import Mute
    from voicebridge.pipeline.events import EventStream

    events = EventStream()
    announced = events.subscribe(EVENTS_HELD, partials=orders.partials)
    ring = Ring(seconds_to_samples(orders.settings.audio.ring_seconds))
    switch = MuteSwitch(ring)
    mute = Mute(switch, paths.mute_path(orders.state), events)
    source = orders.make_source(events)
    if source.info.paced:  # a file that is heard on purpose is not what was muted
        mute.restore()
    source.start(switch)
    try:
        yield Ears(source, ring, events, announced, lambda: mute.muted, mute)
    finally:
        source.stop()


def _hear(orders: Orders, ears: Ears, on_event: Callable[[Event], None], on_start: Callable[[Started], None]) -> Report:
    from voicebridge.daemon.notebook import open_notebook

    engine, reason = (orders.engine, "an engine was given") if orders.engine else choose_engine(orders.settings)
    notify(extend_timeout(START_SECONDS), status("Starting: putting the store in order"))
    notebook = open_notebook(orders.settings, orders.state, ears.source.info.name, ears.events.publish)
    daemon = None
    try:
        notebook.note_engine(engine.info.engine, engine.info.model)
        live = LiveSettings(orders.settings, orders.reread or (lambda: orders.settings), ears.events)
        over = threading.Event()
        plan = Plan(orders.settings, ears, notebook, engine, over, lambda: live.current, orders.turn_detector)
        daemon = _daemon(plan)
        fell_back = orders.engine is None and orders.settings.engine.kind == "auto" and engine.info.engine != "whisper"
        on_start(Started(daemon, notebook, ears.source, reason, fell_back))
        _run(orders, plan, daemon, live, on_event)
        ending = "clean" if daemon.exit_code == ExitCode.OK else f"error: {daemon.error or 'a part failed'}"
        listener = daemon.crew.listener
        return Report(
            exit_code=daemon.exit_code,
            error=daemon.error,
            session_id=notebook.session_id,
            heard_seconds=listener.counters.frames * FRAME_MS / 1000,
            database=paths.database_path(orders.state),
            stopped=daemon.stop_requested,
            ended=listener.ended,
        )
    except BaseException as error:
        ending = f"error: {str(error) or type(error).__name__}"
        raise
    finally:
        # A writer that is stuck in a commit still uses the database; the next start then puts it in order.
        if daemon is None or not daemon.crew.writer.alive:
            notebook.close(ending)


def _daemon(plan: Plan) -> "Daemon":
    from voicebridge.daemon.lifecycle import Daemon

    return Daemon(build_crew(plan), plan.over, plan.settings.engine.required)


def _run(orders: Orders, plan: Plan, daemon: "Daemon", live: LiveSettings, on_event: Callable[[Event], None]) -> None:
    from voicebridge.daemon.descriptors import DescriptorReserve
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.metering import Metering
    from voicebridge.daemon.stock import taking_stock
    from voicebridge.daemon.watch import StatusLine

    watch, line = _watch(daemon, plan), StatusLine()
    reporter = StatusReporter(watch, orders.state, line)
    metering = Metering(reporter.status)
    stock = taking_stock(watch, reporter, orders.state)
    metering.newest_checkpoint = stock.newest
    outage = Outage()

    def announce(event: Event) -> None:
        event = outage.measured(event, plan.ears.source.report().last_block)
        daemon.alarms.heed(event)
        metering.heed(event)
        stock.heed(event)
        _note(plan, daemon.crew.writer, event)
        on_event(event)

    steered = _steered(orders, plan, daemon, live, reporter)
    served = _served(orders, plan, daemon, reporter, metering.metrics)
    _tell_recovery(plan, daemon)
    spare = DescriptorReserve(daemon.alarms)
    keeper = _keeper(orders, watch, reporter, stock, spare)
    stock.start()
    daemon.start(keeper)
    why = "a fault of its own"
    try:
        with steered:
            # Settings, store and capture supervisor run; whether a model is loaded and something is heard comes later.
            line.note(first := reporter.line())
            notify("READY=1", status(first))
            with served:
                daemon.follow(announce, orders.seconds)
            why = daemon.why_over
    finally:
        orders.around.on_stopping(why)
        notify("STOPPING=1", extend_timeout(daemon.patience.total_seconds), status("Stopping"))
        try:
            daemon.stop(announce)
        finally:
            spare.close()
            stock.stop()
            reporter.close()


def _keeper(
    orders: Orders, watch: "Watch", reporter: "StatusReporter", stock: "Stock", spare: "DescriptorReserve"
) -> "Keeper":
    """Return the keeper with all its duties; what it needs to open a file comes first."""
    from voicebridge.daemon.duties import duties
    from voicebridge.health.keeper import Duty, Keeper

    first = Duty(SPARES_SECONDS, spare.look)
    last = Duty(HOUSEKEEPING_SECONDS, orders.around.housekeeping)
    keeper = Keeper((first, *duties(watch, reporter), *stock.duties(), last), time.monotonic)
    reporter.more_counters += [orders.around.counters, spare.counters, keeper.counters]
    return keeper


def _steered(
    orders: Orders, plan: Plan, daemon: "Daemon", live: LiveSettings, reporter: "StatusReporter"
) -> AbstractContextManager[None]:
    """Return what serves those who steer while it is entered; nothing does where settings cannot be read again."""
    if orders.reread is None or plan.ears.mute is None:
        return nullcontext()
    from voicebridge.daemon.steering import steering

    steered = steering(daemon, plan, plan.ears.mute, live, reporter, orders.state)
    orders.around.on_steering(steered)
    return steered.serving()


def _served(
    orders: Orders, plan: Plan, daemon: "Daemon", reporter: "StatusReporter", metrics: Callable[[], bytes]
) -> AbstractContextManager[None]:
    """Return what serves HTTP while it is entered; nothing does where nothing can be steered either."""
    if orders.reread is None:
        return nullcontext()
    from voicebridge.daemon.http import http, serving

    joined = http(daemon, plan, reporter, orders.state, metrics)
    return nullcontext() if joined is None else serving(*joined)


def _watch(daemon: "Daemon", plan: Plan) -> "Watch":
    from voicebridge.daemon.systemd import watchdog_seconds
    from voicebridge.daemon.watch import Watch
    from voicebridge.daemon.watchdog import Watchdog

    return Watch(daemon, plan, Watchdog(watchdog_seconds()))


class Outage:
    """Measures how long capture was lost."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since: float | None = None

    def measured(self, event: Event, last_block: float | None) -> Event:
        """Return the event, with the time lost if it is a return from a loss; ``last_block`` is when one came last."""
        if not isinstance(event, CaptureChanged) or event.lost_seconds is not None:
            return event
        now = self._monotonic()
        if not event.hearing:
            if self._since is None:
                self._since = now if last_block is None else min(last_block, now)
            return event
        since, self._since = self._since, None
        return event if since is None else replace(event, lost_seconds=now - since)


def _tell_recovery(plan: Plan, daemon: "Daemon") -> None:
    """Log, and keep as an event, what the start found wrong."""
    from voicebridge.daemon.messages import DATABASE_SET_ASIDE, RECOVERED, log_event

    recovery, log = plan.notebook.recovery, plan.notebook.shelf.log
    if recovery.set_aside:
        log_event(logger, DATABASE_SET_ASIDE, detail=recovery.set_aside)
        daemon.alarms.raise_(DATABASE_SET_ASIDE.event, f"{recovery.set_aside.rstrip('.')}.")
    if detail := str(recovery):
        log_event(logger, RECOVERED, detail=detail)
        daemon.crew.writer.offer(lambda: log.add_event(RECOVERED.event, detail))


def _note(plan: Plan, writer: "StoreWriter", event: Event) -> None:
    """Keep in the database what happened to hearing itself; utterances and gaps are there already.

    Never a text of what was heard: forgetting it would not find it here.
    """
    from voicebridge.daemon.messages import capture_message

    log = plan.notebook.shelf.log
    match event:
        case CaptureChanged(detail=detail):
            writer.offer(lambda: log.add_event(capture_message(event).event, detail))
        case EngineReady(engine, model, load_ms):
            # Not always the one that was there at the start: a missing one may have been brought since.
            writer.offer(lambda: plan.notebook.note_engine(engine, model))
            writer.offer(lambda: log.add_event("engine_ready", f"{engine} {model} after {load_ms:.0f} ms"))
        case EngineFailed(engine, detail):
            writer.offer(lambda: log.add_event("engine_failed", f"{engine}: {detail}"))
        case StoreChanged(working, detail):
            writer.offer(lambda: log.add_event("store_recovered" if working else "store_alarm", detail))
        case StoreNotice(kind, detail):
            writer.offer(lambda: log.add_event(kind.value, detail))
        case DeviceMoved(source, wanted, detail):
            writer.offer(lambda: log.add_event("device_moved", f"{wanted} to {source}: {detail}"))
        case MuteChanged(muted, by):
            writer.offer(lambda: log.add_event("muted" if muted else "unmuted", by))
        case SettingsReloaded(applied, needs_restart, refused):
            told = refused or f"in force: {', '.join(applied)}; after a restart: {', '.join(needs_restart)}"
            writer.offer(lambda: log.add_event("reload_refused" if refused else "reloaded", told))
