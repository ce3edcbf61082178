"""What health and HTTP cost in silence: the same daemon with them on and off, side by side."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from voicebridge_bench.footprint import WARM_UP_SECONDS, Footprint, measure, silence

INTERVAL_SECONDS = 5.0
"""Between checkpoints, sixty times as often as by default."""
SPARE_SECONDS = 60.0
SCRAPE_SECONDS = 15.0
NEVER = "86400"
LOOK_SECONDS = 0.2
END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to run the daemon."""

    name: str
    settings: Mapping[str, str]
    watched: bool = False
    """True when somebody reads the events and scrapes the metrics every 15 s, like a page and a Prometheus."""


def variants(ports: Sequence[int]) -> tuple[Variant, ...]:
    """Return the ways that are compared, off first."""
    off = {"http.enabled": "false", "health.interval_seconds": NEVER}
    health = {"http.enabled": "false", "health.interval_seconds": f"{INTERVAL_SECONDS:g}"}
    on = [health | {"http.enabled": "true", "http.bind": f"127.0.0.1:{port}"} for port in ports]
    return (
        Variant("off", off),
        Variant(f"health every {INTERVAL_SECONDS:g} s", health),
        Variant("health and HTTP", on[0]),
        Variant("health and HTTP, watched", on[1], watched=True),
    )


def in_silence(seconds: float, engine: Mapping[str, str], scratch: Path) -> list[Footprint]:
    """Run all variants side by side on the same silence, and measure each from outside. Raises VoicebridgeError."""
    room = silence(scratch / "room.wav", seconds + WARM_UP_SECONDS + SPARE_SECONDS, 16_000, 1)
    ports = free_ports(2)

    def one(variant: Variant) -> Footprint:
        arguments = ["--file", str(room), "--realtime"]
        watcher = _Watcher(variant.settings["http.bind"]) if variant.watched else None
        try:
            return measure(variant.name, arguments, {**engine, **variant.settings}, seconds, os.environ)
        finally:
            if watcher is not None:
                watcher.stop()

    ways = variants(ports)
    with ThreadPoolExecutor(len(ways)) as pool:
        return list(pool.map(one, ways))


class _Watcher:
    """A page and a Prometheus: one crowd process that reads along and asks a little."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS) and not answers(self._address):
            pass
        if self._stopping.is_set():
            return
        process = subprocess.Popen(
            crowd_call(self._address, 3600, readers=1, never_read=0, rate=1 / SCRAPE_SECONDS), stdout=subprocess.DEVNULL
        )
        self._stopping.wait()
        process.terminate()
        process.wait(END_SECONDS)


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody uses now."""
    streams = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [stream.getsockname()[1] for stream in streams]
    for stream in streams:
        stream.close()
    return ports


def answers(address: str) -> bool:
    """Say whether somebody listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def crowd_call(address: str, seconds: float, readers: int, never_read: int, rate: float) -> list[str]:
    """Return the command line of a crowd."""
    options = {"--seconds": seconds, "--readers": readers, "--never-read": never_read, "--rate": rate}
    return [
        sys.executable,
        "-m",
        "voicebridge_bench.crowd",
        address,
        *(str(x) for pair in options.items() for x in pair),
    ]
