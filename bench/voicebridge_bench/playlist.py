"""Speech with known words, one piece after the other with silence between, as a file that any source can play."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.units import SAMPLE_BYTES, SAMPLE_RATE, seconds_to_samples

PAUSE_SECONDS = 1.2
"""Between two pieces: longer than the default hangover, so that each is an utterance of its own."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something spoken: its text and its samples (int16, mono, 16 kHz)."""

    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece and where it stands in the file."""

    text: str
    span: Span


def write_playlist(path: Path, pieces: Sequence[Piece], pause_seconds: float = PAUSE_SECONDS) -> list[Placed]:
    """Write the pieces as WAV, with pauses before, between and after; return where each stands."""
    pause = np.zeros(seconds_to_samples(pause_seconds), np.int16)
    placed: list[Placed] = []
    position = 0
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(SAMPLE_BYTES)
        out.setframerate(SAMPLE_RATE)
        for piece in pieces:
            out.writeframes(pause.tobytes() + piece.samples.astype("<i2").tobytes())
            start = position + len(pause)
            position = start + len(piece.samples)
            placed.append(Placed(piece.text, Span(start, position)))
        out.writeframes(pause.tobytes())
    return placed
