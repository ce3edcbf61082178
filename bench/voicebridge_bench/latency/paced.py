"""The paced source: audio that comes to the daemon's standard input in blocks, each at its time."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Literal

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import VoicebridgeError
from voicebridge.domain.units import SAMPLE_RATE, ms_to_samples, seconds_to_samples
from voicebridge_bench.latency.script import Script, quiet

BLOCK_MS = 40
"""As audio.block_ms."""
TAIL_SECONDS = 2.0
LOOK_SECONDS = 0.1


class Paced:
    """Implements Room. Before the script and after it a quiet room is heard.

    Sample n is spoken at ``base`` + n / 16000; a block is written when its last sample is. Whatever the daemon or a
    busy machine adds to that is part of the delay.
    """

    name: Literal["paced"] = "paced"
    description = f"standard input, in blocks of {BLOCK_MS} ms, each written when a sound card would have it complete"
    accuracy_ms = 1.0
    arguments: Sequence[str] = ("--stdin", "--realtime")

    def __init__(self) -> None:
        self.latest_seconds = 0.0
        """How late a block was written at worst."""
        self._script: Script | None = None
        self._start: int | None = None
        self._base = 0.0
        self._fed = 0
        self._played = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def environment(self) -> dict[str, str]:
        """Return nothing: no sound server has a part in it."""
        return {}

    def open(self, stdin: IO[bytes]) -> None:
        """Begin to be heard: a quiet room."""
        self._thread = threading.Thread(target=self._run, args=(stdin,), name="paced", daemon=True)
        self._thread.start()

    def play(self, script: Script) -> None:
        """Play all of it; returns when it was played. Raises VoicebridgeError when the daemon reads no more."""
        self._script = script
        while not self._played.wait(LOOK_SECONDS):
            if self._thread is None or not self._thread.is_alive():
                raise VoicebridgeError("The daemon takes no more audio.", "Its own messages stand in its log.")

    def moments(self) -> list[float | None]:
        """Return when each piece's speech truly ended (CLOCK_MONOTONIC)."""
        if self._script is None or self._start is None:
            return []
        first = self._base + self._start / SAMPLE_RATE
        return [first + part.speech_end / SAMPLE_RATE for part in self._script.parts]

    def session_samples(self) -> list[int] | None:
        """Return where in the daemon's session each piece's speech truly ends."""
        if self._script is None or self._start is None:
            return None
        return [self._start + part.speech_end for part in self._script.parts]

    def close(self) -> None:
        """Fall silent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2)

    def _run(self, stdin: IO[bytes]) -> None:
        size = ms_to_samples(BLOCK_MS)
        self._base = time.monotonic()
        rest: Samples = np.zeros(0, np.int16)
        for stretch in self._stretches():
            rest = np.concatenate((rest, stretch))
            while len(rest) >= size:
                block, rest = rest[:size], rest[size:]
                due = self._base + (self._fed + size) / SAMPLE_RATE
                if self._stopping.wait(max(due - time.monotonic(), 0.0)):
                    return
                try:
                    stdin.write(block.astype("<i2").tobytes())
                    stdin.flush()
                except (OSError, ValueError):
                    return  # the daemon has left; whoever plays notices
                self._fed += size
                self.latest_seconds = max(self.latest_seconds, time.monotonic() - due)

    def _stretches(self) -> Iterator[Samples]:
        generator = np.random.default_rng(1)
        made = 0
        while True:
            if self._script is not None and self._start is None:
                self._start = made
                yield self._script.samples
                yield quiet(TAIL_SECONDS, generator)
                made += len(self._script.samples) + seconds_to_samples(TAIL_SECONDS)
                self._played.set()
            made += ms_to_samples(BLOCK_MS)
            yield quiet(BLOCK_MS / 1000, generator)
