"""A session as the commands run it: logging, signals, and whom the events go to."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from voicebridge import __version__
from voicebridge.domain.events import Event

if TYPE_CHECKING:
    from voicebridge.daemon.session import Orders, Report, Started

logger = logging.getLogger("voicebridge")


def hear_session(
    orders: "Orders",
    show: Callable[[Event], None] | None,
    greet: Callable[["Started"], None] = lambda _: None,
    notices: Sequence[str] = (),
) -> "Report":
    """Hear in the foreground until the end, Ctrl-C or SIGTERM. Raises VoicebridgeError when it could not begin.

    With ``show`` a person or program reads along, and what it is shown is not repeated as log lines beside it.
    ``notices`` are what loading the settings had to say.
    """
    from voicebridge.daemon.logs import configure_logging
    from voicebridge.daemon.messages import STARTED, STOPPED, log_announced, log_event
    from voicebridge.daemon.session import hear
    from voicebridge.daemon.signals import StopSignals

    began = time.monotonic()
    log = configure_logging(orders.settings.log)
    logged = show is None or log.form == "journald"
    for notice in notices:
        logger.warning("%s", notice)

    def announce(event: Event) -> None:
        if logged:
            log_announced(logger, event)
        if show is not None:
            show(event)

    try:
        with StopSignals() as signals:

            def begin(started: "Started") -> None:
                signals.call_on_stop(started.daemon.request_stop)
                log.session = session = started.notebook.session_id
                if logged:
                    log_event(logger, STARTED, version=__version__, session=session, source=started.source.info.name)
                greet(started)

            report = hear(orders, announce, begin)
        if logged:
            reason = "its source has ended" if report.ended else str(report.error or "it was asked to")
            log_event(logger, STOPPED, seconds=time.monotonic() - began, reason=reason)
    finally:
        log.close()
    return report
