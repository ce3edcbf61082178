"""The HTTP thread: started last and stopped first. Whatever happens here, hearing goes on.

Its libraries are imported by the thread itself, when audio is long captured. An address that cannot be had is tried
again, a fault is logged and the server begins anew, and a thread that is silent or dead only degrades.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from voicebridge.daemon.control_socket import listen as listen_on_path
from voicebridge.daemon.lifecycle import Onlooker
from voicebridge.domain.window import Window
from voicebridge.pipeline.worker import Worker
from voicebridge.settings import Settings
from voicebridge.web.access import Access, access_of
from voicebridge.web.address import Address, listen
from voicebridge.web.counters import Counters

if TYPE_CHECKING:
    from voicebridge.daemon.assembly import Plan
    from voicebridge.daemon.duties import StatusReporter
    from voicebridge.daemon.lifecycle import Daemon
    from voicebridge.web.server import Server

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STOP_SECONDS = 2.0
"""How long a stop waits for this thread."""


class HttpThread(Worker):
    """Serves HTTP until it is stopped."""

    def __init__(self, window: Window, access: Access, settings: Settings) -> None:
        super().__init__("http")
        self.counters = Counters()
        self.port: int | None = None
        """The port that is listened on, while it is."""
        self._window = window
        self._access = access
        self._settings = settings
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._service = "RUNTIME_DIRECTORY" in os.environ
        self._trouble = ""
        self._server: Server | None = None

    def stop(self) -> None:
        """Ask it to end, at once."""
        super().stop()
        if self._server is not None:
            self._server.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except OSError as error:
                self._say_that_it_cannot(error)
            except Exception:
                # The top of the thread, but for the loop that begins it anew.
                logger.exception("HTTP failed; it begins anew")
            if self._stopping.is_set():
                return
            self.counters.failures += 1
            self._pause(self._pause_seconds, self._stopping)
            self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _serve(self) -> None:
        from voicebridge.web.server import server

        address = self._access.address
        listener = self._listen(address)
        inode = _inode(address)
        try:
            self._server = server(self._window, self._access, self._settings.http, self.counters, self.sign)
            if self._stopping.is_set():  # asked meanwhile, when there was nobody to be told
                return
            if address.path is None:
                address = Address(address.host, listener.getsockname()[1])
                self.port = address.port
            # At a terminal it would stand between the words.
            level = logging.INFO if self._service else logging.DEBUG
            logger.log(level, "HTTP is served on %s", address)
            self._pause_seconds, self._trouble = FIRST_PAUSE_SECONDS, ""
            self._server.serve_on(listener)
        finally:
            self.port = None
            listener.close()
            _remove(address, inode)

    def _listen(self, address: Address) -> socket.socket:
        if address.path is None:
            return listen(address)
        return listen_on_path(address.path, self._settings.control.group)

    def _say_that_it_cannot(self, error: OSError) -> None:
        why = error.strerror or str(error)
        # Once for each reason: it may stay so for months.
        logger.log(
            logging.DEBUG if why == self._trouble else logging.WARNING,
            "HTTP is not served: %s cannot be had (%s). Hearing goes on; it is tried again, or set another http.bind",
            self._access.address,
            why,
        )
        self._trouble = why


@contextmanager
def serving(thread: HttpThread, close: Callable[[], None]) -> Iterator[None]:
    """Serve meanwhile; ``close`` is called when nobody looks through the window any more."""
    thread.start()
    try:
        yield
    finally:
        thread.stop()
        if not thread.join(STOP_SECONDS):
            logger.warning("the HTTP thread did not end within %g s", STOP_SECONDS)
        close()


def http(
    daemon: "Daemon", plan: "Plan", reporter: "StatusReporter", state: Path, metrics: Callable[[], bytes]
) -> tuple[HttpThread, Callable[[], None]] | None:
    """Join the thread with what it shows, and return it with what closes that; None where HTTP is not served.

    To be called before the daemon is started. Raises SettingsError.
    """
    from voicebridge.daemon.window import open_window

    if not plan.settings.http.enabled:
        return None
    access = access_of(plan.settings.http)
    opened = open_window(daemon, plan, reporter, state, metrics)
    thread = HttpThread(opened.window, access, plan.settings)

    def counters() -> Mapping[str, int]:
        return {**thread.counters.told(), **opened.counters()}

    daemon.onlookers.append(Onlooker("http", lambda: thread.last_sign_monotonic, vital=False))
    reporter.more_counters.append(counters)
    return thread, opened.close


def _inode(address: Address) -> int:
    return 0 if address.path is None else address.path.stat().st_ino


def _remove(address: Address, inode: int) -> None:
    """Remove the socket's name, unless it is somebody else's by now."""
    if address.path is None:
        return
    try:
        if address.path.stat().st_ino == inode:
            address.path.unlink()
    except OSError as error:
        logger.debug("%s was not removed: %s", address.path, error)
