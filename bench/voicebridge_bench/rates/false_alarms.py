"""What is heard where nobody speaks: utterances and texts per hour of silence, noise and music.

All sounds are made by seed; the noise of ``--noise FILE`` is the one exception. The interval is the exact one for a
count of a Poisson process (Garwood 1936), at 95 %.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.ports import Detector, Engine
from voicebridge.domain.units import seconds_to_samples
from voicebridge.pipeline.gate import judge
from voicebridge.settings import Settings
from voicebridge_bench.corpora.levels import amplitude, as_samples
from voicebridge_bench.corpora.music import DESCRIPTION, music
from voicebridge_bench.corpora.noise import Noise
from voicebridge_bench.corpora.offline import heard

NOISE_DBFS = -30.0
"""A fan or a vacuum cleaner in the next room."""
QUIET_STEPS = 2
ENOUGH = 40
"""Utterances of one sound that are decoded; where there are more, the share of these that became text stands for all.
"""
SOUNDS = ("silence", "white", "pink", "music")
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Alarms:
    """What was heard in so much of a sound."""

    sound: str
    description: str
    seconds: float
    utterances: int
    decoded: int
    texts: int
    """Of those decoded: the gate believed them."""


def sounds(seconds: float, seed: int, noise: Noise) -> dict[str, tuple[str, Callable[[], Samples]]]:
    """Return each sound's description and what makes it."""
    count = seconds_to_samples(seconds)

    def loud(kind: Noise) -> Samples:
        return as_samples(kind.make(count, np.random.default_rng([seed, len(kind.name)])) * amplitude(NOISE_DBFS))

    found: dict[str, tuple[str, Callable[[], Samples]]] = {
        "silence": ("a quiet room: two steps of 16 bits", lambda: quiet(count, seed))
    }
    kinds = [Noise(name, np.zeros(0, np.int16)) for name in ("white", "pink")]
    for kind in [*kinds, noise] if noise.recording.size else kinds:
        found[kind.name] = (f"{kind.name} noise at {NOISE_DBFS:g} dB of full scale", partial(loud, kind))
    found["music"] = (DESCRIPTION, lambda: music(seconds, seed))
    return found


def quiet(count: int, seed: int) -> Samples:
    """Return a quiet room."""
    return np.random.default_rng([seed, 1]).integers(-QUIET_STEPS, QUIET_STEPS + 1, count).astype(np.int16)


def count_alarms(
    sound: tuple[str, str], samples: Samples, detector: Detector, engine: Engine, settings: Settings
) -> Alarms:
    """Hear a sound (name and description) in which nobody speaks."""
    found = heard(samples, detector, settings.endpoint)
    # Evenly over the sound: an engine that invents does so here as there.
    chosen = found[:: math.ceil(len(found) / ENOUGH)] if found else []
    texts = 0
    for utterance in chosen:
        transcript = engine.decode(samples[utterance.span.start : utterance.span.end], 0)
        texts += not judge(transcript, utterance.speech_ratio, settings.gate)
    return Alarms(*sound, len(samples) / 16_000, len(found), len(chosen), texts)


def per_hour(count: float, seconds: float) -> float:
    """Return a rate."""
    return count * 3600 / seconds


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact interval of the mean that a count stands for."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if count == 0 else _solve(lambda mean: 1 - _at_most(count - 1, mean) - tail)
    return low, _solve(lambda mean: tail - _at_most(count, mean))


def _at_most(count: int, mean: float) -> float:
    """Return the probability of so many or fewer."""
    if mean <= 0:
        return 1.0
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    while rising(high) < 0:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high
