"""One connection to the control socket: lines in, answers out, neither without a bound."""

import socket
from dataclasses import dataclass, field

from voicebridge.daemon.control_desk import Visit
from voicebridge.daemon.control_protocol import REQUEST_BYTES
from voicebridge.domain.errors import ControlError, ExitCode

CHUNK_BYTES = 65_536


@dataclass(slots=True)
class Connection:
    """What has come of a request, and what has not gone of an answer. The socket does not block."""

    stream: socket.socket
    visit: Visit | None
    """None for one that is only told why it is not served."""
    deadline: float
    """When it has to have asked something whole, or taken its answer."""
    _received: bytearray = field(default_factory=bytearray)
    _to_send: memoryview = field(default_factory=lambda: memoryview(b""))

    @property
    def sending(self) -> bool:
        """True while an answer is not wholly taken; nothing is read meanwhile."""
        return bool(self._to_send)

    def receive(self) -> bool:
        """Take what has come; False when the other end has closed. Raises ControlError for too much, OSError."""
        try:
            chunk = self.stream.recv(CHUNK_BYTES)
        except BlockingIOError:
            return True
        self._received += chunk
        if len(self._received) > REQUEST_BYTES:
            raise ControlError(f"A request is at most {REQUEST_BYTES} bytes long.", exit_code=ExitCode.USAGE)
        return bool(chunk)

    def next_line(self) -> bytes | None:
        """Return the next whole request, if there is one."""
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        return bytes(line)

    def send(self, answer: bytes) -> None:
        """Send an answer, as far as it is taken now; ``go_on`` sends the rest. Raises OSError."""
        self._to_send = memoryview(answer)
        self.go_on()

    def go_on(self) -> None:
        """Send more of the answer. Raises OSError."""
        while self._to_send:
            try:
                sent = self.stream.send(self._to_send)
            except BlockingIOError:
                return
            self._to_send = self._to_send[sent:]

    def close(self) -> None:
        """End it."""
        if self.visit is not None:
            self.visit.close()
        self.stream.close()
