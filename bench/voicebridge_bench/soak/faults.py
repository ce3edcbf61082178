"""Faults, made and taken away again when their time has come, and how long the daemon was deaf after each."""

import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.soak.feed import Feed
from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.lives import Lives
from voicebridge_bench.soak.record import Fault
from voicebridge_bench.soak.trouble import (
    CLOCK_STEP,
    DISK_FULL,
    ENGINE_HANG,
    KILL,
    SOURCE_LOSS,
    STOP,
    Planned,
)

LOOK_SECONDS = 0.1
"""How often a daemon that is to recover is asked; so exact are recovery times."""
GIVE_UP_SECONDS = 90.0
"""One that has not recovered by then has not recovered."""
NO_DECODE_SECONDS = 40.0
"""So long a decode is waited for that can be made to hang."""
STEP_SECONDS = 3600
"""By how much the wall clock is moved, to and fro: an hour, as by a time zone that was set wrong."""


class Patient(Protocol):
    """A daemon, as far as it must be known to see whether it recovers."""

    @property
    def life(self) -> int:
        """Which one this is."""
        ...

    @property
    def hears(self) -> bool:
        """True once the present life has heard its first frame."""
        ...

    @property
    def status(self) -> Mapping[str, Any]:
        """What it last answered."""
        ...

    def heard(self) -> tuple[int, float] | None:
        """Ask how much this life has heard: (life, seconds of frames); None when it does not answer."""
        ...

    def ask_again(self) -> None:
        """Have it looked at soon."""
        ...


class Body(Protocol):
    """What can be done to a daemon."""

    def begin(self) -> None:
        """Make the fault."""
        ...

    def over(self) -> bool:
        """Say whether it has ended by itself."""
        ...

    def end(self) -> None:
        """Take it away. Called once, in the end, also when it is over."""
        ...


@dataclass(slots=True)
class Killing:
    """SIGKILL."""

    lives: Lives

    def begin(self) -> None:
        """Kill it."""
        if self.lives.child is not None:
            self.lives.expect("killed by the soak", -signal.SIGKILL)
            self.lives.child.send(signal.SIGKILL)

    def over(self) -> bool:
        """Say yes: it was a moment."""
        return True

    def end(self) -> None:
        """Nothing is to be taken away."""


@dataclass(slots=True)
class Stopping:
    """SIGSTOP, and SIGCONT."""

    lives: Lives

    def begin(self) -> None:
        """Stop it."""
        if self.lives.child is not None:
            self.lives.excuse(True)
            self.lives.child.send(signal.SIGSTOP)

    def over(self) -> bool:
        """Say no: not before its time."""
        return False

    def end(self) -> None:
        """Let it go on."""
        self.lives.excuse(False)
        if self.lives.child is not None:
            self.lives.child.send(signal.SIGCONT)


@dataclass(slots=True)
class Starving:
    """Nothing comes from the microphone."""

    feed: Feed

    def begin(self) -> None:
        """Let the feed stand."""
        self.feed.stand()

    def over(self) -> bool:
        """Say no: not before its time."""
        return False

    def end(self) -> None:
        """Let it go on."""
        self.feed.go_on()


@dataclass(slots=True)
class Hanging:
    """A decode never returns. The daemon leaves by itself at its deadline."""

    lives: Lives
    orders: Orders
    clock: Callable[[], float] = time.monotonic
    life: int = 0
    began: float = 0.0

    def begin(self) -> None:
        """Have the next decode hang."""
        self.life, self.began = self.lives.life, self.clock()
        # With any other status it has crashed.
        self.lives.expect("it left a decode that the soak had made hang", ExitCode.STUCK)
        self.orders.hang = 1

    def over(self) -> bool:
        """Say whether that life is; or no decode came, so that none hangs."""
        gone = self.lives.child is None or self.lives.life != self.life
        return gone or (bool(self.orders.hang) and self.clock() - self.began > NO_DECODE_SECONDS)

    def end(self) -> None:
        """Have none hang any more."""
        unused, self.orders.hang = self.orders.hang, 0
        if unused:
            self.lives.expect_nothing()


@dataclass(slots=True)
class Filling:
    """The disk is full: no file of the state directory can grow."""

    orders: Orders

    def begin(self) -> None:
        """Fill it."""
        self.orders.disk_full = 1

    def over(self) -> bool:
        """Say no: not before its time."""
        return False

    def end(self) -> None:
        """Free it."""
        self.orders.disk_full = 0


@dataclass(slots=True)
class Stepping:
    """The wall clock is wrong for a while."""

    orders: Orders
    seconds: int

    def begin(self) -> None:
        """Set it."""
        self.orders.clock_seconds = self.seconds

    def over(self) -> bool:
        """Say no: not before its time."""
        return False

    def end(self) -> None:
        """Set it right."""
        self.orders.clock_seconds = 0


def bodies(lives: Lives, feed: Feed, orders: Orders | None, shim: bool) -> Mapping[str, Callable[[], Body]]:
    """Return what can be done here; the clock and the disk need the shim, and a hanging engine the orders."""
    can: dict[str, Callable[[], Body]] = {
        KILL: lambda: Killing(lives),
        STOP: lambda: Stopping(lives),
        SOURCE_LOSS: lambda: Starving(feed),
    }
    if orders is not None:
        can[ENGINE_HANG] = lambda: Hanging(lives, orders)
    if orders is not None and shim:
        steps = deque((STEP_SECONDS, -STEP_SECONDS))

        def step() -> Body:
            steps.rotate()
            return Stepping(orders, steps[0])

        can |= {DISK_FULL: lambda: Filling(orders), CLOCK_STEP: step}
    return can


@dataclass(slots=True)
class _Running:
    """A fault that was made."""

    planned: Planned
    body: Body
    life: int
    began: float
    ended: float | None = None
    heard: tuple[int, float] | None = None
    """What the daemon had heard when it was first asked after the end."""
    asked: float = 0.0


class Injector:
    """Makes one fault after the other; the conductor calls ``look`` several times a second."""

    def __init__(
        self,
        planned: Sequence[Planned],
        can: Mapping[str, Callable[[], Body]],
        patient: Patient,
        tell: Callable[[Fault], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.made = 0
        self._planned = deque(fault for fault in planned if fault.kind in can)
        self._can = can
        self._patient = patient
        self._tell = tell
        self._clock = clock
        self._running: _Running | None = None

    def look(self, elapsed: float) -> None:
        """Do what is due, so many seconds after the soak began."""
        now = self._clock()
        running = self._running
        if running is None:
            # One that comes while the daemon is not there would have nothing to strike.
            if self._planned and elapsed >= self._planned[0].at and self._patient.hears:
                self._begin(self._planned.popleft(), now)
        elif running.ended is None:
            if running.body.over() or now - running.began >= running.planned.seconds:
                self._end(running, now)
        elif now - running.asked >= LOOK_SECONDS:
            running.asked = now
            self._recover(running, running.ended, now)

    def stop(self) -> None:
        """Take away what is being made: the soak is over."""
        running, self._running = self._running, None
        if running is None:
            return
        if running.ended is None:
            self._end(running, self._clock())
        self._write(running, None, "the soak ended first")

    def _begin(self, planned: Planned, now: float) -> None:
        body = self._can[planned.kind]()
        self._running = _Running(planned, body, self._patient.life, now)
        body.begin()
        self.made += 1
        if body.over():
            # It was a moment: the recovery counts from then on, not from the next look.
            self._end(self._running, now)

    def _end(self, running: _Running, now: float) -> None:
        running.body.end()
        running.ended = now
        self._patient.ask_again()

    def _recover(self, running: _Running, ended: float, now: float) -> None:
        heard = self._patient.heard()
        if heard is not None:
            life, seconds = heard
            if running.heard is None and life == running.life:
                running.heard = heard
            elif seconds > (running.heard[1] if running.heard and life == running.life else 0.0):
                self._finish(running, self._clock())
                return
        if now - ended >= GIVE_UP_SECONDS:
            self._finish(running, None)

    def _finish(self, running: _Running, recovered: float | None) -> None:
        self._running = None
        state = self._patient.status.get("state", "")
        self._write(running, recovered, f"state {state}" if state else "")

    def _write(self, running: _Running, recovered: float | None, detail: str) -> None:
        assert running.ended is not None
        planned = running.planned
        told = Fault(
            kind=planned.kind,
            began=running.began,
            ended=running.ended,
            recovered=recovered,
            allowance_seconds=planned.allowance_seconds,
            life=running.life,
            detail=detail,
        )
        self._tell(told)
