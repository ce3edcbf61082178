"""Noise that is mixed under speech at a known ratio, by seed: white, pink, or from a file."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import AudioError
from voicebridge_bench.corpora.audio_file import read_audio
from voicebridge_bench.corpora.levels import FULL_SCALE, Wave, as_samples, speech_rms

HEADROOM = 0.99
"""Of full scale: a mix that would be louder is made quieter as a whole, which leaves the ratio as it is."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A kind of noise; ``recording`` is what a file holds, else empty."""

    name: str
    recording: Samples

    def make(self, count: int, generator: np.random.Generator) -> Wave:
        """Return so many samples with an RMS of 1."""
        if self.name == "white":
            wave = generator.standard_normal(count)
        elif self.name == "pink":
            wave = pink(count, generator)
        else:
            first = int(generator.integers(len(self.recording)))
            wave = self.recording[np.arange(first, first + count) % len(self.recording)].astype(np.float64)
        rms = float(np.sqrt(np.mean(wave**2))) if count else 1.0
        return wave / rms if rms else wave


def noise_of(name: str) -> Noise:
    """Return ``white``, ``pink``, or what a file holds. Raises AudioError when it holds nothing but silence."""
    if name in ("white", "pink"):
        return Noise(name, np.zeros(0, np.int16))
    recording = read_audio(Path(name))
    if not recording.any():
        raise AudioError(f"{name} holds nothing but silence.", "Name a file with noise, or `white` or `pink`.")
    return Noise(Path(name).name, recording)


def pink(count: int, generator: np.random.Generator) -> Wave:
    """Return pink noise: its power falls by 3 dB an octave."""
    if not count:
        return np.zeros(0)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    spectrum[0] = 0
    return np.asarray(np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count), np.float64)


def seeded(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one recording: the same noise lies under it at every ratio, engine and mode."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def mixed(speech: Samples, noise: Wave, snr_db: float) -> Samples:
    """Return speech with noise under all of it at a ratio of levels (voicebridge_bench.corpora.levels).

    Digital silence stays as it is: no ratio can be told against it.
    """
    rms, under = speech_rms(speech), float(np.sqrt(np.mean(noise**2))) if len(noise) else 0.0
    if not rms or not under:
        return speech
    mix = speech.astype(np.float64) + noise * (rms / under * 10 ** (-snr_db / 20))
    peak = float(np.abs(mix).max())
    return as_samples(mix * min(1.0, HEADROOM * FULL_SCALE / peak))
