"""Music that nobody wrote: chords, a melody and drums by seed. It is synthetic, and results say so."""

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples
from voicebridge_bench.corpora.levels import Wave, amplitude, as_samples

BEAT_SECONDS = 0.5
CHORDS = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16))
"""Semitones above the key: tonic, subdominant, dominant, relative minor."""
SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
LOWEST_HERTZ = 130.8
HARMONICS = 6
MUSIC_DBFS = -25.0
"""Music that plays in the room where the microphone stands."""
DESCRIPTION = f"chords, melody and drums made by seed at {MUSIC_DBFS:g} dB of full scale; synthetic, nobody sings"


def music(seconds: float, seed: int) -> Samples:
    """Return so much music."""
    generator = np.random.default_rng([seed, 3])
    beat = seconds_to_samples(BEAT_SECONDS)
    count = seconds_to_samples(seconds)
    key = float(generator.integers(12))
    beats = []
    chord = CHORDS[0]
    for number in range(-(-count // beat)):
        if number % 4 == 0:
            chord = CHORDS[int(generator.integers(len(CHORDS)))]
        beats.append(_beat(beat, key, chord, number, generator))
    wave = np.concatenate(beats)[:count] if beats else np.zeros(0)
    rms = float(np.sqrt(np.mean(wave**2))) if count else 1.0
    return as_samples(wave / rms * amplitude(MUSIC_DBFS))


def _beat(count: int, key: float, chord: tuple[int, ...], number: int, generator: np.random.Generator) -> Wave:
    wave = sum((0.3 * _tone(count, key + note) for note in chord), np.zeros(count))
    for half in range(2):
        if generator.random() < 0.7:
            note = key + 12 + SCALE[int(generator.integers(len(SCALE)))]
            wave[half * count // 2 :] += 0.5 * _tone(count - half * count // 2, note)
    return wave + (_kick(count) if number % 2 == 0 else _snare(count, generator))


def _tone(count: int, semitones: float) -> Wave:
    seconds = np.arange(count) / SAMPLE_RATE
    hertz = LOWEST_HERTZ * 2 ** (semitones / 12)
    wave = sum((np.sin(2 * np.pi * hertz * h * seconds) / h for h in range(1, HARMONICS + 1)), np.zeros(count))
    return np.asarray(wave * np.exp(-3 * seconds) * np.minimum(seconds / 0.01, 1))


def _kick(count: int) -> Wave:
    seconds = np.arange(count) / SAMPLE_RATE
    return np.asarray(1.5 * np.sin(2 * np.pi * 55 * seconds) * np.exp(-12 * seconds))


def _snare(count: int, generator: np.random.Generator) -> Wave:
    seconds = np.arange(count) / SAMPLE_RATE
    return np.asarray(0.8 * generator.standard_normal(count) * np.exp(-18 * seconds))
