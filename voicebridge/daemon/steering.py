"""What people steer while it hears: mute, settings, and the control thread that serves both."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from voicebridge.daemon.control import Control, Door
from voicebridge.daemon.control_desk import Desk
from voicebridge.daemon.lifecycle import Onlooker
from voicebridge.daemon.live import LiveSettings
from voicebridge.daemon.systemd import Notify, notify, reloading
from voicebridge.domain.events import SettingsReloaded
from voicebridge.settings import Settings, paths
from voicebridge.settings.schema import CaptureSettings

if TYPE_CHECKING:
    from voicebridge.daemon.assembly import Plan
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.lifecycle import Daemon
    from voicebridge.daemon.mute import Mute

logger = logging.getLogger(__name__)

STOP_SECONDS = 1.0
"""How long a stop waits for the control thread, which may be in the middle of a read."""


@runtime_checkable
class TakesCapture(Protocol):
    """A source whose supervision can go by other settings while it runs."""

    def apply(self, capture: CaptureSettings) -> None:
        """Go by these from now on; from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Steering:
    """What can be steered."""

    mute: "Mute"
    live: LiveSettings
    control: Control
    stop: Callable[[], None]
    """Asks for an orderly stop."""

    def reload(self) -> SettingsReloaded:
        """Read the settings again, and tell systemd that this is going on."""
        return reload(self.live)

    def signals(self, *, terminal: bool) -> Mapping[int, Callable[[], None]]:
        """Return what each signal calls; none of them waits for anything.

        SIGHUP reloads; where there is a ``terminal`` it says that this is gone, and an unseen microphone must not go on
        hearing.
        """
        return {
            signal.SIGHUP: self.stop if terminal else lambda: self.control.post(self.reload),
            signal.SIGUSR1: lambda: self.control.post(lambda: self.mute.mute("SIGUSR1")),
            signal.SIGUSR2: lambda: self.control.post(lambda: self.mute.unmute("SIGUSR2")),
        }

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve the control socket and the signals meanwhile."""
        self.control.open()
        self.control.start()
        try:
            yield
        finally:
            self.control.stop()
            if not self.control.join(STOP_SECONDS):
                logger.warning("the control thread did not end within %g s", STOP_SECONDS)
            self.control.close()


def steering(
    daemon: "Daemon", plan: "Plan", mute: "Mute", live: LiveSettings, reporter: "StatusReporter", state: Path
) -> Steering:
    """Join what can be steered with the parts that take it over; to be called before the daemon is started."""
    desk = Desk(state, lambda: asdict(reporter.status()), mute, lambda: reload(live))
    control = Control(desk, door(plan.settings, state))
    daemon.onlookers.append(Onlooker("control", lambda: control.last_sign_monotonic, waits=lambda: control.busy))
    reporter.more_counters.append(lambda: {**control.counters.told(), "reloads_refused": live.refused})
    _connect(live, daemon, plan)
    return Steering(mute, live, control, lambda: daemon.request_stop("its terminal has gone"))


def reload(live: LiveSettings, send: Notify = notify) -> SettingsReloaded:
    """Read the settings again, and tell systemd when it begins and that it is over."""
    send(*reloading(time.monotonic()))
    try:
        return live.reload()
    finally:
        send("READY=1")


def door(settings: Settings, state: Path, environ: Mapping[str, str] = os.environ) -> Door:
    """Return where to listen, and for whom: the group is for a service, whose runtime directory others may enter."""
    if not settings.control.enabled:
        return Door(None, "")
    places = paths.control_paths(state, environ)
    path = next((place for place in places if os.access(place.parent, os.W_OK)), places[-1])
    return Door(path, settings.control.group if environ.get("RUNTIME_DIRECTORY") else "")


def _connect(live: LiveSettings, daemon: "Daemon", plan: "Plan") -> None:
    from voicebridge.pipeline.transcriber import Rules

    crew, source = daemon.crew, plan.ears.source
    live.on_change(lambda new: crew.listener.apply(new.vad, new.endpoint), "vad", "endpoint")
    live.on_change(
        lambda new: crew.transcriber.apply(Rules(new.engine, new.gate, new.endpoint), new.whisper),
        "engine",
        "gate",
        "whisper",
        "endpoint",
    )
    if (partials := crew.transcriber.early.partials) is not None:
        live.on_change(lambda new: partials.apply(new.partials), "partials")
    live.on_change(lambda new: plan.notebook.apply(new.store), "store")
    # Asked anew at each look at the health (Plan.in_force).
    live.on_change(lambda _: None, "health")
    if isinstance(source, TakesCapture):
        live.on_change(lambda new: source.apply(new.capture), "capture")
