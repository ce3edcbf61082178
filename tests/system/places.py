"""The six places in which a reason is to be seen: status, readiness, metrics, checkpoint, journal, page."""

import http.client
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from tests.web.dashboard.browser import Page
from voicebridge.health.status import read_status
from voicebridge.settings.paths import status_paths
from voicebridge.store.checkpoints import FILE_NAME, last_line

WORSE = "health_worse"
BETTER = "health_better"
ON_THE_PAGE = "return Array.from(document.querySelectorAll('#reasons code'), (code) => code.textContent)"
REASON = re.compile(r'voicebridge_reason\{code="(\w+)"\} 1\.0')
POLL_SECONDS = 0.2


class Journal:
    """Takes the entries that are meant for journald, in its own protocol, and keeps account of what they tell."""

    def __init__(self, path: Path) -> None:
        self.entries: list[dict[str, str]] = []
        self.standing: set[str] = set()
        """Codes that have begun and are not over."""
        path.parent.mkdir(parents=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(POLL_SECONDS)
        self._socket.bind(str(path))
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        self._over.set()
        self._reader.join()
        self._socket.close()

    @property
    def text(self) -> str:
        """All messages, for people."""
        return "\n".join(entry.get("MESSAGE", "") for entry in self.entries)

    def _read(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                self._take(dict(fields(self._socket.recv(1 << 20))))

    def _take(self, entry: dict[str, str]) -> None:
        self.entries.append(entry)
        if entry.get("VB_EVENT") in {WORSE, BETTER}:
            self.standing |= set(filter(None, entry.get("VB_REASONS", "").split(", ")))
            self.standing -= set(entry.get("VB_ENDED", "").split(", "))


def fields(entry: bytes) -> Iterator[tuple[str, str]]:
    """Yield the fields of one entry (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    while entry:
        line, _, entry = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(entry[:8], "little")
            value, entry = entry[8 : 8 + length], entry[9 + length :]
        yield name.decode(), value.decode()


class Places:
    """Where a daemon tells how it is. ``seen`` looks into all of them, one after the other."""

    def __init__(self, state: Path, port: int, journal: Journal, environment: Mapping[str, str] = os.environ) -> None:
        self.state = state
        self.journal = journal
        self.page: Page | None = None
        """Shows the dashboard, once ``open_page`` was called."""
        self._port = port
        self._statuses = status_paths(state, environment)
        self.codes: Mapping[str, Callable[[], set[str]]] = {
            "status": self._status,
            "readyz": lambda: self.readiness()[1],
            "metrics": lambda: set(REASON.findall(self.get("/metrics")[1])),
            "checkpoint": self._checkpoint,
            "journal": lambda: set(journal.standing),
            "page": self._on_page,
        }

    def get(self, path: str) -> tuple[int, str]:
        """Ask over HTTP; each time on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def readiness(self) -> tuple[bool, set[str]]:
        """Return whether it is ready, and the codes that /readyz gives; what degrades must make it say 503."""
        status, body = self.get("/readyz")
        told = json.loads(body)["reasons"]
        assert (status == 503) is any(reason["degrades"] for reason in told), (status, body)
        return status == 200, {reason["code"] for reason in told}

    def seen(self) -> dict[str, set[str]]:
        """Return the codes by place."""
        return {place: codes() for place, codes in self.codes.items()}

    def open_page(self, page: Page) -> None:
        """Have a browser show the dashboard."""
        page.open(f"http://127.0.0.1:{self._port}/")
        self.page = page

    def _status(self) -> set[str]:
        status = read_status(self._statuses) or {"reasons": []}
        return {reason["code"] for reason in status["reasons"]}

    def _checkpoint(self) -> set[str]:
        if not (self.state / FILE_NAME).exists():
            return set()
        newest = last_line(self.state) or {"reasons": []}
        return {reason["code"] for reason in newest["reasons"]}

    def _on_page(self) -> set[str]:
        return set() if self.page is None else set(self.page.script(ON_THE_PAGE))
