"""A session as the commands run it: logging, signals, and whom the events go to."""

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from voicebridge import __version__
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.events import Event

if TYPE_CHECKING:
    from voicebridge.daemon.control_signals import ControlSignals
    from voicebridge.daemon.logs import Logging
    from voicebridge.daemon.messages import Message
    from voicebridge.daemon.session import Orders, Report, Started
    from voicebridge.daemon.steering import Steering

logger = logging.getLogger("voicebridge")


class Audience:
    """Whoever reads along. When it can be shown no more (its pipe is closed, its disk full), it calls ``on_leave``."""

    def __init__(self) -> None:
        self.on_leave: Callable[[], None] = lambda: None
        self._lost: OSError | None = None

    def tell(self, show: Callable[[], None]) -> None:
        """Show something, unless it was lost before."""
        if self._lost is not None:
            return
        try:
            show()
        except OSError as error:
            self._lost = error
            self.on_leave()

    def check(self) -> None:
        """Raise what it was lost by: BrokenPipeError, which ends a command silently, or VoicebridgeError."""
        if self._lost is None:
            return
        _forget_output()
        if isinstance(self._lost, BrokenPipeError):
            raise self._lost
        message = f"What is heard cannot be written out: {self._lost.strerror}."
        raise VoicebridgeError(message, "Free some space, or write somewhere else.") from self._lost


def hear_session(
    orders: "Orders",
    show: Callable[[Event], None] | None,
    greet: Callable[["Started"], None] = lambda _: None,
    notices: Sequence[str] = (),
) -> "Report":
    """Hear in the foreground until the end, Ctrl-C or SIGTERM. Raises VoicebridgeError when it could not begin.

    With ``show`` a person or program reads along, and what it is shown is not repeated as log lines beside it, unless
    the settings name a form of log. When that reader goes away the session ends in order, everything heard is stored,
    and BrokenPipeError or VoicebridgeError is raised. ``notices`` are what loading the settings had to say.
    """
    from voicebridge.daemon import last_words
    from voicebridge.daemon.allocator import use_one_arena
    from voicebridge.daemon.control_signals import has_controlling_terminal
    from voicebridge.daemon.logs import configure_logging
    from voicebridge.daemon.session import Around, hear
    from voicebridge.daemon.signals import StopSignals

    began = time.monotonic()
    use_one_arena()
    last_words.on_fatal_signals()
    log = configure_logging(orders.settings.log)
    asked_for = orders.settings.log.format != "auto"
    journal = _Journal(log, wanted=show is None or asked_for or log.form == "journald")
    audience = Audience()
    for notice in notices:
        logger.warning("%s", notice)

    def announce(event: Event) -> None:
        journal.announced(event)
        if show is not None:
            audience.tell(lambda: show(event))

    try:
        with StopSignals() as signals, _control_signals(orders) as control_signals:

            def begin(started: "Started") -> None:
                stop = started.daemon.request_stop
                signals.call_on_stop(lambda: stop(f"it was sent {signals.name}"))
                audience.on_leave = lambda: stop("its reader has gone")
                journal.started(started)
                audience.tell(lambda: greet(started))

            def steer(steering: "Steering") -> None:
                steering.live.on_change(lambda new: log.apply(new.log), "log")
                if control_signals is not None:
                    control_signals.call(steering.signals(terminal=has_controlling_terminal()))

            around = Around(log.flush, log.counters, steer, journal.stopping)
            report = hear(replace(orders, around=around), announce, begin)
        journal.stopped(report, time.monotonic() - began)
    finally:
        log.close()
    audience.check()
    return report


def _control_signals(orders: "Orders") -> "AbstractContextManager[ControlSignals | None]":
    from voicebridge.daemon.control_signals import ControlSignals

    return nullcontext() if orders.reread is None else ControlSignals()


@dataclass(frozen=True, slots=True)
class _Journal:
    """What is logged of a session; nothing where what people read stands in the same place (not ``wanted``)."""

    log: "Logging"
    wanted: bool

    def started(self, started: "Started") -> None:
        from voicebridge.daemon.messages import ENGINE_FALLBACK, STARTED

        self.log.session = session = started.notebook.session_id
        source, reason = started.source.info.name, started.engine_reason
        self._event(STARTED, version=__version__, session=session, source=source, engine_reason=reason)
        if started.fallback:
            self._event(ENGINE_FALLBACK, engine_reason=reason)

    def announced(self, event: Event) -> None:
        from voicebridge.daemon.messages import log_announced

        if self.wanted:
            log_announced(logger, event)

    def stopping(self, reason: str) -> None:
        from voicebridge.daemon.messages import STOPPING

        self._event(STOPPING, reason=reason)

    def stopped(self, report: "Report", seconds: float) -> None:
        from voicebridge.daemon.messages import STOPPED

        reason = "its source has ended" if report.ended else str(report.error or "it was asked to")
        self._event(STOPPED, seconds=seconds, reason=reason)

    def _event(self, message: "Message", **fields: object) -> None:
        from voicebridge.daemon.messages import log_event

        if self.wanted:
            log_event(logger, message, None, **fields)


def _forget_output() -> None:
    """Lead standard output nowhere: what is left in its buffer would else be tried once more, and told, at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    os.close(nowhere)
