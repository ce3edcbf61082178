"""Taking stock: what is measured over time, and the checkpoints made of it, joined with the parts of a session."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebridge.daemon.checkpointing import Checkpointing, checkpointing
from voicebridge.daemon.gauges import ClockWatch, Gauges
from voicebridge.daemon.lifecycle import Onlooker
from voicebridge.daemon.machine_look import STOP_SECONDS, MachineLook
from voicebridge.domain.events import Event
from voicebridge.health.checkpoint import ClockSteps, Disk, Heat
from voicebridge.health.keeper import Duty
from voicebridge.health.machine import Machine

if TYPE_CHECKING:
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.watch import Watch


@dataclass(frozen=True, slots=True)
class Stock:
    """What is measured, and who measures it."""

    gauges: Gauges
    look: MachineLook
    checkpoints: Checkpointing
    clock: ClockWatch

    def heed(self, event: Event) -> None:
        """Count what was announced."""
        self.gauges.heed(event)

    def newest(self) -> Mapping[str, Any]:
        """Return the newest checkpoint as JSON can hold it, with disk, heat and steps of the clock as they are now.

        Before the first there is nothing but these.
        """
        return {**self.checkpoints.newest, **of_now(self.gauges.machine, self.clock)}

    def duties(self) -> Sequence[Duty]:
        """Return what the keeper is to do."""
        return self.checkpoints.duties()

    def start(self) -> None:
        """Begin to look at the machine."""
        self.look.start()

    def stop(self) -> None:
        """Look no more."""
        self.look.stop()
        self.look.join(STOP_SECONDS)


def taking_stock(watch: "Watch", reporter: "StatusReporter", state: Path) -> Stock:
    """Join what measures with the parts; to be called before the daemon is started."""
    look = MachineLook(state, watch.plan.settings.health.interval_seconds)
    watch.gauges = gauges = Gauges(look)
    watch.daemon.onlookers.append(Onlooker("machine-look", lambda: look.last_sign_monotonic, waits=lambda: look.busy))
    reporter.more_counters += [look.counters, watch.counters]
    checkpoints = checkpointing(watch, reporter, state)
    watch.daemon.before_the_store_closes.append(checkpoints.take)
    return Stock(gauges, look, checkpoints, watch.clock)


def of_now(machine: Machine, clock: ClockWatch) -> Mapping[str, Any]:
    """Return the parts of a checkpoint that are looked at all the time."""
    return {
        "disk": asdict(Disk(machine.disk_free, machine.database, machine.wal)),
        "heat": asdict(Heat(machine.celsius, machine.throttled, machine.detail)),
        "clock_steps": asdict(ClockSteps(clock.count, clock.seconds)),
    }
