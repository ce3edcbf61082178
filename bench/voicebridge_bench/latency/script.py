"""What is played: pieces of speech with pauses between them, in a quiet room, and where each piece truly ends."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voicebridge.domain.audio import Samples, Span
from voicebridge.domain.units import seconds_to_samples
from voicebridge_bench.corpora.levels import end_of_speech
from voicebridge_bench.playlist import Piece

PAUSE_SECONDS = (0.8, 1.8)
"""Beyond the hangover; drawn for each pause, so that ends of speech fall anywhere in a block."""
LEAD_SECONDS = 1.0
QUIET_STEPS = 2


@dataclass(frozen=True, slots=True)
class Part:
    """A piece in the script: where its audio stands, and where speech truly ends (the sample after the last one)."""

    text: str
    span: Span
    speech_end: int


@dataclass(frozen=True, slots=True)
class Script:
    """Audio to be played, and its pieces in order."""

    samples: Samples
    parts: list[Part]


def arrange(pieces: Sequence[Piece], count: int, hangover_ms: int, seed: int) -> Script:
    """Lay out so many pieces, each once before any comes again; all of them must hold speech."""
    chance = random.Random(seed)  # noqa: S311 - for variety, not for secrets
    generator = np.random.default_rng(seed)
    hangover_seconds = hangover_ms / 1000
    audio = [quiet(LEAD_SECONDS, generator)]
    position = len(audio[0])
    parts: list[Part] = []
    for piece in _drawn(pieces, count, chance):
        parts.append(
            Part(piece.text, Span(position, position + len(piece.samples)), position + end_of_speech(piece.samples))
        )
        audio += [piece.samples, quiet(hangover_seconds + chance.uniform(*PAUSE_SECONDS), generator)]
        position += len(audio[-2]) + len(audio[-1])
    return Script(np.concatenate(audio), parts)


def quiet(seconds: float, generator: np.random.Generator) -> Samples:
    """Return a quiet room: noise of two steps."""
    return generator.integers(-QUIET_STEPS, QUIET_STEPS + 1, seconds_to_samples(seconds)).astype(np.int16)


def _drawn(pieces: Sequence[Piece], count: int, chance: random.Random) -> Iterator[Piece]:
    left = count
    while left > 0:
        yield from chance.sample(list(pieces), min(left, len(pieces)))
        left -= len(pieces)
