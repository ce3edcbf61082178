"""What a clip goes through before the network hears it: silence around, room, speed, loudness, noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples
from voicebridge_bench.recipe.synthesis import Clip

Audio: TypeAlias = npt.NDArray[np.float32]

NOISE_ONLY_SHARE = 0.04
REVERBERATION_SHARE = 0.35
SPEED_SHARE = 0.3
AUDIBLE = 0.01


@dataclass(frozen=True, slots=True)
class Example:
    """Audio in -1 to 1; ``text`` is None for noise alone; the speech lies between start and end."""

    audio: Audio
    text: str | None
    start_seconds: float
    end_seconds: float


def draw(clips: Sequence[Clip], random: np.random.Generator) -> Example:
    """Return a clip in other circumstances, or now and then noise alone."""
    if random.random() < NOISE_ONLY_SHARE:
        loudness = 10 ** random.uniform(-4, -1.2)
        return Example(_noise(_length(random, 0.5, 3), random) * loudness, None, 0, 0)
    clip = clips[int(random.integers(len(clips)))]
    speech = _trimmed(clip.samples.astype(np.float32) / np.float32(32768))
    if random.random() < REVERBERATION_SHARE:
        speech = _reverberated(speech, random)
    if random.random() < SPEED_SHARE:
        speech = _at_speed(speech, random.uniform(0.92, 1.08))
    before, after = _length(random, 0, 0.5), _length(random, 0.05, 0.6)
    speech = speech * np.float32(random.uniform(0.05, 0.9) / (np.abs(speech).max() + 1e-6))
    audio = np.pad(speech, (before, after))
    rms = float(np.sqrt((speech**2).mean()))
    audio += _noise(len(audio), random) * np.float32(rms * 10 ** (-random.uniform(3, 45) / 20))
    return Example(audio, clip.text, before / SAMPLE_RATE, (before + len(speech)) / SAMPLE_RATE)


def _length(random: np.random.Generator, low_seconds: float, high_seconds: float) -> int:
    return seconds_to_samples(random.uniform(low_seconds, high_seconds))


def _trimmed(speech: Audio) -> Audio:
    loud = np.flatnonzero(np.abs(speech) > AUDIBLE)
    return speech[loud[0] : loud[-1] + 1] if len(loud) else speech


def _reverberated(speech: Audio, random: np.random.Generator) -> Audio:
    count = _length(random, 0.05, 0.35)
    decay = np.exp(-np.arange(count) / (count / 5))
    room = random.standard_normal(count) * decay * random.uniform(0.05, 0.25)
    room[0] = 1
    length = len(speech) + count - 1
    size = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(speech, size) * np.fft.rfft(room, size)
    return np.asarray(np.fft.irfft(spectrum, size)[:length], np.float32)


def _at_speed(speech: Audio, speed: float) -> Audio:
    positions = np.arange(int(len(speech) / speed)) * speed
    return np.asarray(np.interp(positions, np.arange(len(speech)), speech), np.float32)


def _noise(count: int, random: np.random.Generator) -> Audio:
    """Return white, brown or pink noise with a root mean square of 1."""
    colour = random.integers(3)
    noise = random.standard_normal(count)
    if colour == 1:
        noise = np.cumsum(noise)
        noise -= np.convolve(noise, np.ones(400) / 400, "same")
    elif colour == 2:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), count)
    return np.asarray(noise / (np.sqrt((noise**2).mean()) + 1e-9), np.float32)
