"""The control thread: it listens on the control socket, and does what signals ask for.

Whatever happens here, hearing goes on: a fault is logged, every connection is dropped and the thread begins anew. A
reload and a look into the database happen here, so that neither the hot loop nor the main thread waits for them.
"""

import logging
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from voicebridge import __version__
from voicebridge.daemon.control_connection import Connection
from voicebridge.daemon.control_desk import Desk, Visit
from voicebridge.daemon.control_peer import check, peer_of
from voicebridge.daemon.control_protocol import VERSION, Greeting, encode, refusal, request_of
from voicebridge.daemon.control_socket import listen
from voicebridge.domain.errors import ControlError, ExitCode, VoicebridgeError
from voicebridge.pipeline.worker import SIGN_SECONDS, Worker

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 16
"""Connections at once; another one is told to come again."""
CLIENT_SECONDS = 30.0
"""How long a client may take to ask something whole, or to take an answer."""
PAUSE_SECONDS = 0.5
"""Pause after a fault, so that one that stays costs little."""
MAX_ORDERS = 16
"""Signals that wait; of more the oldest are dropped: the newest word counts."""


@dataclass(slots=True)
class Counters:
    """How often each bound was reached."""

    connections: int = 0
    requests: int = 0
    denied: int = 0
    """Connections of users who may not ask."""
    turned_away: int = 0
    """Connections beyond MAX_CONNECTIONS."""
    bad_requests: int = 0
    timed_out: int = 0
    orders_dropped: int = 0
    """Signals beyond MAX_ORDERS."""
    failures: int = 0
    """Faults of ours."""

    def told(self) -> dict[str, int]:
        """Return them for the status."""
        return {f"control_{name}": value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Door:
    """Where it listens, and who may come in."""

    path: Path | None
    """None for no socket: only signals are served then."""
    group: str


class Control(Worker):
    """Serves the control socket and the signals."""

    def __init__(self, desk: Desk, door: Door, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__("control")
        self.counters = Counters()
        self.busy = False
        """It does what somebody has asked for, and may wait for the disk."""
        self._desk = desk
        self._door = door
        self._clock = clock
        self._listener: socket.socket | None = None
        self._inode = 0
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._orders: deque[Callable[[], object]] = deque(maxlen=MAX_ORDERS)
        self._connections: dict[int, Connection] = {}

    def open(self) -> None:
        """Begin to listen, before the thread starts. A socket that cannot be had is logged: hearing needs none."""
        if self._door.path is None:
            return
        try:
            self._listener = listen(self._door.path, self._door.group)
            self._inode = self._door.path.stat().st_ino
        except OSError as error:
            logger.warning("there is no control socket: %s cannot be made (%s)", self._door.path, error)

    def post(self, order: Callable[[], object]) -> None:
        """Have something done by this thread. Takes no lock: safe in a signal handler."""
        self.counters.orders_dropped += len(self._orders) == MAX_ORDERS
        self._orders.append(order)
        self._wake()

    def stop(self) -> None:
        """Ask it to end, at once."""
        super().stop()
        self._wake()

    def close(self) -> None:
        """Let go of the socket and its name; to be called when the thread has ended, or will not end."""
        if self._listener is None or self._door.path is None:
            return
        self._listener.close()
        try:
            if self._door.path.stat().st_ino == self._inode:
                self._door.path.unlink()
        except OSError as error:
            logger.debug("%s was not removed: %s", self._door.path, error)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except Exception:
                # The top of the thread, but for the loop that begins it anew.
                logger.exception("the control socket failed; it begins anew")
                self.counters.failures += 1
                self._stopping.wait(PAUSE_SECONDS)

    def _serve(self) -> None:
        # Not epoll: that takes a descriptor, which a process that has run out of them does not have.
        with selectors.PollSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ)
            if self._listener is not None:
                selector.register(self._listener, selectors.EVENT_READ)
            try:
                while not self._stopping.is_set():
                    self._turn(selector)
            finally:
                for connection in self._connections.values():
                    connection.close()
                self._connections.clear()

    def _turn(self, selector: selectors.BaseSelector) -> None:
        self.sign()
        ready = selector.select(self._wait_seconds())
        self.busy = bool(ready)
        try:
            for key, _ in ready:
                if key.fd == self._wakeup:
                    self._follow_orders()
                elif connection := self._connections.get(key.fd):
                    self._attend(selector, connection)
                else:
                    self._accept(selector)
        finally:
            self.busy = False
        now = self._clock()
        for connection in [late for late in self._connections.values() if late.deadline < now]:
            self.counters.timed_out += 1
            self._drop(selector, connection)

    def _wait_seconds(self) -> float:
        first = min((connection.deadline for connection in self._connections.values()), default=float("inf"))
        return min(SIGN_SECONDS, max(first - self._clock(), 0.0))

    def _wake(self) -> None:
        try:
            os.eventfd_write(self._wakeup, 1)
        except BlockingIOError:
            return  # it will wake anyway

    def _follow_orders(self) -> None:
        os.eventfd_read(self._wakeup)
        while self._orders:
            try:
                self._orders.popleft()()
            except VoicebridgeError as error:
                logger.warning("%s", error)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        assert self._listener is not None
        try:
            stream, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # No more descriptors, most likely: it stays readable, and must not be asked without a pause.
            logger.warning("a connection to the control socket could not be taken: %s", error)
            self._stopping.wait(PAUSE_SECONDS)
            return
        stream.setblocking(False)
        self.counters.connections += 1
        connection = Connection(stream, None, self._clock() + CLIENT_SECONDS)
        try:
            connection.visit = self._admit(stream)
            connection.send(encode(self._greeting()))
        except ControlError as error:
            self._dismiss(connection, error)
        except OSError:
            connection.close()
        else:
            self._connections[stream.fileno()] = connection
            selector.register(stream, selectors.EVENT_READ)

    def _admit(self, stream: socket.socket) -> Visit:
        if len(self._connections) >= MAX_CONNECTIONS:
            self.counters.turned_away += 1
            raise ControlError(f"{MAX_CONNECTIONS} others are asking already.", "Try again.", exit_code=ExitCode.BUSY)
        peer = peer_of(stream)
        try:
            check(peer, self._door.group)
        except ControlError:
            self.counters.denied += 1
            logger.warning("%s (process %d) was not served on the control socket", peer.user, peer.pid)
            raise
        return Visit(self._desk, peer)

    def _greeting(self) -> dict[str, object]:
        greeting = Greeting(v=VERSION, pid=os.getpid(), state_dir=self._desk.state.absolute(), version=__version__)
        return greeting.model_dump(mode="json")

    def _dismiss(self, connection: Connection, error: ControlError) -> None:
        """Say why, as far as it is taken at once, and close."""
        try:
            connection.send(encode(refusal(error)))
        except OSError:
            logger.debug("who was dismissed has gone already")
        connection.close()

    def _attend(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        try:
            if connection.sending:
                connection.go_on()
            elif not connection.receive():
                self._drop(selector, connection)
                return
            self._answer_what_came(connection)
        except ControlError as error:
            self.counters.bad_requests += 1
            selector.unregister(connection.stream)
            del self._connections[connection.stream.fileno()]
            self._dismiss(connection, error)
        except OSError:
            self._drop(selector, connection)
        else:
            selector.modify(connection.stream, selectors.EVENT_WRITE if connection.sending else selectors.EVENT_READ)

    def _answer_what_came(self, connection: Connection) -> None:
        while not connection.sending and (line := connection.next_line()) is not None:
            connection.deadline = self._clock() + CLIENT_SECONDS
            connection.send(encode(self._answer(connection, line)))

    def _answer(self, connection: Connection, line: bytes) -> dict[str, object]:
        assert connection.visit is not None
        self.counters.requests += 1
        # Not caught: what is no request ends the connection, for what follows it cannot be trusted.
        request = request_of(line)
        try:
            return connection.visit.answer(request)
        except VoicebridgeError as error:
            return refusal(error)

    def _drop(self, selector: selectors.BaseSelector, connection: Connection) -> None:
        selector.unregister(connection.stream)
        del self._connections[connection.stream.fileno()]
        connection.close()
