"""What is played: speech with known words, quiet and noise, without end, from a seed. Made as it is needed.

Only a pool of pieces is held in memory (200 commands are 14 MB); everything else is drawn when its turn comes.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples
from voicebridge_bench.playlist import Piece
from voicebridge_bench.soak.profiles import Load

STRETCH_SECONDS = 1.0
"""Longest stretch of quiet or noise that is made at once."""
LONGEST_PIECE_SECONDS = 25.0
"""Longer ones would be cut in two (`endpoint.max_utterance_ms`)."""
POOL = (12, 200)
"""Fewest and most different pieces: about as many as are needed, and then they come again in another order."""
FIRST_SEED = 30_000_000
"""Of the commands: far from those that accuracy is measured on, and from those of the training."""
PIECE_SECONDS = 2.2
"""Mean length of a command."""
FULL_SCALE = 32_768
HUM_HERTZ = (50.0, 150.0, 250.0)
CLICKS_PER_SECOND = (2.0, 8.0)
CLICK_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Stretch:
    """Audio that belongs together (int16, mono, 16 kHz); a piece of speech has its words."""

    samples: Samples
    text: str = ""


class Programme:
    """Stretches without end; iterating twice goes on where it was. The same seed gives the same programme."""

    def __init__(self, load: Load, pieces: Sequence[Piece], seed: int) -> None:
        self._load = load
        self._pieces = pieces
        self._chance = random.Random(f"programme {seed}")  # noqa: S311 - for variety, not for secrets
        self._generator = np.random.default_rng(seed)
        self._stretches = self._all()

    def __iter__(self) -> Iterator[Stretch]:
        return self

    def __next__(self) -> Stretch:
        return next(self._stretches)

    def quiet(self, seconds: float) -> Iterator[Stretch]:
        """Yield the room's own noise for so long."""
        left = seconds_to_samples(seconds)
        while left > 0:
            count = min(left, seconds_to_samples(STRETCH_SECONDS))
            left -= count
            yield Stretch(self._in_room(np.zeros(count, np.float32)))

    def _all(self) -> Iterator[Stretch]:
        order = self._order()
        while True:
            yield from self.quiet(self._chance.uniform(*self._load.quiet_seconds))
            if self._load.pieces[1]:
                yield from self._conversation(order)
            if self._load.bursts[1]:
                yield from self._burst(self._chance.uniform(*self._load.bursts))

    def _conversation(self, order: Iterator[Piece]) -> Iterator[Stretch]:
        for number in range(self._chance.randint(*self._load.pieces)):
            if number:
                yield from self.quiet(self._chance.uniform(*self._load.pause_seconds))
            piece = next(order)
            yield Stretch(self._in_room(piece.samples.astype(np.float32)), piece.text)
        yield from self.quiet(self._load.pause_seconds[0])

    def _order(self) -> Iterator[Piece]:
        """Yield the pieces, each once in a round."""
        while self._pieces:
            yield from self._chance.sample(self._pieces, len(self._pieces))

    def _burst(self, seconds: float) -> Iterator[Stretch]:
        make = self._chance.choice((self._hiss, self._hum, self._clatter))
        left = seconds_to_samples(seconds)
        while left > 0:
            count = min(left, seconds_to_samples(STRETCH_SECONDS))
            left -= count
            noise = make(count)
            loudness = _amplitude(self._load.burst_dbfs) / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
            yield Stretch(self._in_room(noise * np.float32(loudness)))

    def _hiss(self, count: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
        return self._generator.standard_normal(count, np.float32)

    def _hum(self, count: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
        moments = np.arange(count, dtype=np.float32) / SAMPLE_RATE
        waves = sum(np.sin(2 * np.pi * hertz * moments) / number for number, hertz in enumerate(HUM_HERTZ, 1))
        return np.asarray(waves, np.float32)

    def _clatter(self, count: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
        noise = np.zeros(count, np.float32)
        length = seconds_to_samples(CLICK_SECONDS)
        fading = np.exp(-np.linspace(0, 8, length, dtype=np.float32))
        at = 0
        while at + length < count:
            noise[at : at + length] += self._hiss(length) * fading
            at += seconds_to_samples(1 / self._chance.uniform(*CLICKS_PER_SECOND))
        return noise

    def _in_room(self, samples: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> Samples:
        noise = self._generator.standard_normal(len(samples), np.float32) * np.float32(
            _amplitude(self._load.noise_dbfs)
        )
        return np.clip(samples + noise, -FULL_SCALE, FULL_SCALE - 1).round().astype(np.int16)


def pool_for(load: Load, seed: int, audio_seconds: float) -> list[Piece]:
    """Return the pieces of a programme of about this length. Raises SpeechError when there is nothing to take."""
    if not load.pieces[1]:
        return []
    if load.engine == "sphinx":
        from voicebridge_bench.speech_corpus import human_recordings

        found = [Piece(item.text, item.samples) for item in human_recordings() if item.text is not None]
        return [piece for piece in found if len(piece.samples) <= seconds_to_samples(LONGEST_PIECE_SECONDS)]
    from voicebridge_bench.speech_corpus import commands

    needed = int(audio_seconds * load.speech_share / PIECE_SECONDS)
    count = min(max(needed, POOL[0]), POOL[1])
    return [Piece(clip.text, clip.samples) for clip in commands(count, FIRST_SEED + seed * POOL[1])]


def _amplitude(dbfs: float) -> float:
    return float(FULL_SCALE * 10 ** (dbfs / 20))
