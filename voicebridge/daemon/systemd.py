"""What the daemon tells systemd about itself, where systemd is there and systemd-python is installed.

systemd-python's ``notify`` writes one datagram and returns; journald gets its entries another way (decision 0003).
"""

import logging

logger = logging.getLogger(__name__)


def notify(*states: str) -> bool:
    """Send assignments such as ``READY=1`` or ``STATUS=...`` (sd_notify(3)); False when nobody was told.

    Outside a unit of Type=notify (no NOTIFY_SOCKET), or without systemd-python, nothing happens.
    """
    try:
        from systemd.daemon import notify as sd_notify
    except ImportError:
        return False
    try:
        return bool(sd_notify("\n".join(states)))
    except OSError as error:
        logger.debug("systemd could not be told: %s", error)
        return False
