"""Recording from a microphone: from a word on until whoever speaks is silent again."""

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from voicebridge.audio.microphone import FIRST_BLOCK_SECONDS, Microphone
from voicebridge.domain.audio import GapReason, Samples
from voicebridge.domain.errors import DeviceError
from voicebridge.domain.ports import Detector
from voicebridge.domain.units import FRAME_SAMPLES, FRAMES_PER_SECOND, seconds_to_samples
from voicebridge.settings import Settings
from voicebridge.vad.factory import build_detector
from voicebridge_bench.recording.judging import Take, speech_seconds

LONGEST_SECONDS = 25.0
"""Longer takes would be cut in two by the daemon."""
SILENCE_SECONDS = 1.2
"""After speech: the take is over."""
PATIENCE_SECONDS = 8.0
"""How long somebody may take to begin."""
BLOCKS_HELD = 2048
"""Blocks that wait for whoever records (80 s); beyond that they are lost, and counted."""
BLOCK_SECONDS = 3.0
"""A microphone that gives nothing for so long is gone."""


class Tape:
    """Implements BlockSink, and the microphone of a session."""

    def __init__(self, detector: Detector) -> None:
        self.name = ""
        self._detector = detector
        self._blocks: queue.Queue[Samples] = queue.Queue(BLOCKS_HELD)
        self._lost_samples = 0

    def write(self, block: Samples) -> None:
        """Take a block; never waits."""
        try:
            self._blocks.put_nowait(block.copy())
        except queue.Full:
            self._lost_samples += len(block)

    def write_gap(self, samples: int, reason: GapReason) -> None:  # noqa: ARG002 - the port's signature
        """Count lost audio."""
        self._lost_samples += samples

    def wait_for_room(self, samples: int, timeout_seconds: float) -> bool:  # noqa: ARG002 - the port's signature
        """Return True: what finds no room is lost."""
        return True

    def close(self) -> None:
        """Do nothing: whoever records finds that nothing comes."""

    def room(self, seconds: float) -> Samples:
        """Record for so long. Raises DeviceError when nothing comes."""
        self._forget()
        parts: list[Samples] = []
        while sum(map(len, parts)) < seconds_to_samples(seconds):
            parts.append(self._next())
        return np.concatenate(parts)

    def take(self) -> Take:
        """Record until there was speech and then silence. Raises DeviceError when nothing comes."""
        self._forget()
        self._detector.reset()
        kept: list[Samples] = []
        speech = silent = 0
        for frame in self._frames():
            kept.append(frame)
            if self._detector.is_speech(frame):
                speech, silent = speech + 1, 0
            else:
                silent += 1
            if speech and silent >= SILENCE_SECONDS * FRAMES_PER_SECOND:
                return self._taken(kept, speech, complete=True)
            if not speech and silent >= PATIENCE_SECONDS * FRAMES_PER_SECOND:
                break
            if len(kept) >= LONGEST_SECONDS * FRAMES_PER_SECOND:
                break
        return self._taken(kept, speech, complete=False)

    def _taken(self, kept: list[Samples], speech: int, *, complete: bool) -> Take:
        return Take(np.concatenate(kept), speech_seconds(speech), complete, self._lost_samples)

    def _frames(self) -> Iterator[Samples]:
        rest: Samples = np.zeros(0, np.int16)
        while True:
            rest = np.concatenate((rest, self._next()))
            while len(rest) >= FRAME_SAMPLES:
                yield rest[:FRAME_SAMPLES]
                rest = rest[FRAME_SAMPLES:]

    def _next(self) -> Samples:
        try:
            return self._blocks.get(timeout=BLOCK_SECONDS)
        except queue.Empty:
            raise DeviceError(
                f"The microphone {self.name!r} gives nothing any more.", "See that it is connected, and go on again."
            ) from None

    def _forget(self) -> None:
        while True:
            try:
                self._blocks.get_nowait()
            except queue.Empty:
                break
        self._lost_samples = 0


@contextmanager
def opened(settings: Settings) -> Iterator[Tape]:
    """Give the microphone that the settings name, heard already. Raises DeviceError."""
    tape = Tape(build_detector(settings.vad))
    microphone = Microphone(settings.audio, settings.capture)
    microphone.start(tape)
    try:
        until = time.monotonic() + FIRST_BLOCK_SECONDS
        while tape._blocks.empty():  # noqa: SLF001 - our own
            if time.monotonic() > until or microphone.error() is not None:
                raise DeviceError(
                    f"The microphone {microphone.info.name!r} gives nothing.", "Is it held by another program?"
                )
            time.sleep(0.02)
        tape.name = microphone.info.name
        yield tape
    finally:
        microphone.stop()
