"""Many who look at one daemon at once, over its HTTP: a process of its own, so that it takes none of the daemon's lock.

    python -m voicebridge_bench.crowd 127.0.0.1:8090 --seconds 60 --readers 200 --never-read 20 --rate 500

Prints one line of JSON (the fields of ``Crowd``). Plain sockets: nothing that a client library would do is measured.
"""

import asyncio
import dataclasses
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field

import click

ROUTES = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/status",
    "/api/utterances?limit=10",
    "/api/checkpoints?limit=20",
    "/",
)
"""Asked one after the other."""
CONNECTIONS = 16
"""Kept open for requests; each asks again as soon as it is due."""
SMALL_BUFFER_BYTES = 4096
"""What the kernel holds for a reader that never reads: little, so that the server soon feels it."""
CONNECT_PAUSE_SECONDS = 0.005
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """What the crowd saw; times in milliseconds."""

    seconds: float
    requests: int
    statuses: Mapping[str, int]
    """Answers by status, and ``error`` for none."""
    answer_p50_ms: float
    answer_p99_ms: float
    readers: int
    readers_at_end: int
    """Of those that read: still connected in the end."""
    events: int
    """Taken by all readers together."""
    fewest_utterances: int
    """Transcripts that the reader that got fewest of them was sent."""
    never_read: int


@dataclass(slots=True)
class _Seen:
    statuses: Counter[str] = field(default_factory=Counter)
    answers_ms: list[float] = field(default_factory=list)
    events: int = 0
    utterances: list[int] = field(default_factory=list)
    connected: int = 0


class _Crowd:
    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._host = f"{host}:{port}"
        self.seen = _Seen()

    async def read_along(self, number: int) -> None:
        """Read events until cancelled."""
        seen = self.seen
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(self._request("/api/events", "text/event-stream"))
        seen.connected += 1
        try:
            while line := await reader.readline():
                if line.startswith(b"event:"):
                    seen.events += 1
                    seen.utterances[number] += b"utterance" in line
        finally:
            seen.connected -= 1
            writer.close()

    async def never_read(self) -> None:
        """Ask for events and take none until cancelled."""
        with socket.socket() as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
            stream.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stream, self._address)
            await loop.sock_sendall(stream, self._request("/api/events", "text/event-stream"))
            await asyncio.Event().wait()

    async def ask(self, first: int, every_seconds: float) -> None:
        """Ask at fixed times until cancelled; one that is answered late makes the next ones late, too."""
        due = time.monotonic() + random.uniform(0, every_seconds)  # noqa: S311 - spreads the load, hides nothing
        turn = first
        while True:
            try:
                reader, writer = await asyncio.open_connection(*self._address)
            except OSError:
                self.seen.statuses["error"] += 1
                await asyncio.sleep(every_seconds)
                due += every_seconds
                continue
            try:
                while True:
                    await asyncio.sleep(max(due - time.monotonic(), 0.0))
                    turn += 1
                    due += every_seconds
                    await self._time_one(reader, writer, ROUTES[turn % len(ROUTES)], due - every_seconds)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                self.seen.statuses["error"] += 1
            finally:
                writer.close()

    async def _time_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, due: float
    ) -> None:
        status = await asyncio.wait_for(self._ask_once(reader, writer, path), ANSWER_SECONDS)
        self.seen.statuses[status] += 1
        # From when it was due, so that a server that stalls is not asked less and praised for it.
        self.seen.answers_ms.append(1000 * (time.monotonic() - due))

    async def _ask_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> str:
        writer.write(self._request(path, "*/*"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        for line in head.splitlines():
            if line.startswith("content-length:"):
                await reader.readexactly(int(line.partition(":")[2]))
        return head.split(" ", 2)[1]

    def _request(self, path: str, accept: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: {accept}\r\n\r\n".encode("ascii")


async def gather(address: str, seconds: float, readers: int, never_read: int, rate: float) -> Crowd:
    """Look for so many seconds: readers that read, readers that never do, and so many requests a second."""
    host, _, port = address.rpartition(":")
    crowd = _Crowd(host, int(port))
    reading = readers - never_read
    crowd.seen.utterances = [0] * reading
    jobs = [*(crowd.read_along(number) for number in range(reading)), *(crowd.never_read() for _ in range(never_read))]
    async with asyncio.TaskGroup() as group:
        tasks = []
        for job in jobs:
            tasks.append(group.create_task(_quietly(job)))
            await asyncio.sleep(CONNECT_PAUSE_SECONDS)
        began = time.monotonic()
        every_seconds = CONNECTIONS / rate
        tasks += [group.create_task(crowd.ask(first, every_seconds)) for first in range(CONNECTIONS)]
        await asyncio.sleep(seconds)
        spent, at_end = time.monotonic() - began, crowd.seen.connected
        for task in tasks:
            task.cancel()
    return _crowd(crowd.seen, spent, at_end, never_read)


def _crowd(seen: _Seen, seconds: float, readers_at_end: int, never_read: int) -> Crowd:
    answers = sorted(seen.answers_ms) or [0.0]
    return Crowd(
        seconds=seconds,
        requests=sum(seen.statuses.values()),
        statuses=dict(seen.statuses),
        answer_p50_ms=answers[len(answers) // 2],
        answer_p99_ms=answers[len(answers) * 99 // 100],
        readers=len(seen.utterances),
        readers_at_end=readers_at_end,
        events=seen.events,
        fewest_utterances=min(seen.utterances, default=0),
        never_read=never_read,
    )


async def _quietly(job: Coroutine[None, None, None]) -> None:
    """Do it; a connection that the server ends is a figure, and no fault."""
    try:
        await job
    except OSError:
        return


@click.command()
@click.argument("address")
@click.option("--seconds", type=float, default=60.0)
@click.option("--readers", type=int, default=200)
@click.option("--never-read", type=int, default=20)
@click.option("--rate", type=float, default=500.0, help="Requests in a second.")
def main(address: str, seconds: float, readers: int, never_read: int, rate: float) -> None:
    """Look at a daemon."""
    seen = asyncio.run(gather(address, seconds, readers, never_read, rate))
    click.echo(json.dumps(dataclasses.asdict(seen)))


if __name__ == "__main__":
    main()
