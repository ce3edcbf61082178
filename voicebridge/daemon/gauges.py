"""What is measured over time for status and checkpoints: delays, memory, the machine."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from voicebridge.domain.events import Event, UtteranceSettled
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge.health.checkpoint import Delay
from voicebridge.health.delays import Delays
from voicebridge.health.machine import Machine

if TYPE_CHECKING:
    from voicebridge.daemon.lifecycle import Crew
    from voicebridge.daemon.machine_look import MachineLook

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FORGOTTEN_SECONDS = 60
"""What ended before this and is nowhere any more was forgotten by its owner."""
STEP_SECONDS = 0.5
"""Less is slewing, or a look that was interrupted between two clocks."""


@dataclass(slots=True)
class Gauges:
    """Any thread may read; one thread gives events."""

    look: "MachineLook | None" = None
    """None where nobody looks at the machine."""
    delays: Delays = field(default_factory=Delays)

    @property
    def machine(self) -> Machine:
        """How the machine was when it was last looked at."""
        return Machine() if self.look is None else self.look.machine

    @property
    def uss_bytes(self) -> int | None:
        """Memory that only this process uses, when it was last measured."""
        return None if self.look is None else self.look.uss_bytes

    def heed(self, event: Event) -> None:
        """Count the delay of an utterance that is settled."""
        if isinstance(event, UtteranceSettled) and event.record.delay_ms is not None:
            self.delays.settled(event.record.delay_ms)

    def delay(self, crew: "Crew", now: float) -> Delay:
        """Return the delays of the session so far, those that wait counted with their age."""
        return self.delays.session([age * 1000 for age in waiting_seconds(crew, now)])

    def delay_lately(self, crew: "Crew", now: float) -> Delay:
        """Return the delays of the last hour, those that wait counted with their age."""
        return self.delays.lately([age * 1000 for age in waiting_seconds(crew, now)])


def waiting_seconds(crew: "Crew", now: float) -> list[float]:
    """Return how long each utterance that is not settled waits since its speech ended, oldest first.

    Nothing for a source that is not paced, for which such times mean nothing.
    """
    unsettled, clock = crew.recorder.unsettled, crew.clock
    if not clock.paced:
        return []
    if crew.transcriber.nothing_left and not crew.writer.queued_jobs and not crew.recorder.held_tasks:
        written, _ = clock.mark()
        unsettled.drop_before(written - FORGOTTEN_SECONDS * SAMPLE_RATE)
    ends = [clock.monotonic_of(sample) for sample in unsettled.speech_ends()]
    return [max(0.0, now - end) for end in ends if end is not None]


def rss_bytes() -> int:
    """Return the memory that this process has in use (proc(5), statm)."""
    return int(os.pread(_statm(), 256, 0).split()[1]) * PAGE_BYTES


@cache
def _statm() -> int:
    """Return a descriptor that is kept: who asks how it is gets an answer, even when no file can be opened."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


class ClockWatch:
    """Counts steps of the wall clock; a machine that slept did not step. Used by one thread."""

    def __init__(
        self,
        realtime: Callable[[], float] = time.time,
        boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self.count = 0
        self.seconds = 0.0
        """Sum of the steps, with their signs."""
        self._realtime = realtime
        self._boottime = boottime
        self._offset = realtime() - boottime()

    def look(self) -> None:
        """Compare the clocks with the look before; to be called every few seconds."""
        offset = self._realtime() - self._boottime()
        step, self._offset = offset - self._offset, offset
        if abs(step) >= STEP_SECONDS:
            self.count += 1
            self.seconds += step
