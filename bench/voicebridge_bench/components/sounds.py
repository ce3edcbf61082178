"""What the suites listen to: silence, noise, speech; int16, mono, 16 kHz."""

import functools
from collections.abc import Sequence

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.units import SAMPLE_RATE, seconds_to_samples
from voicebridge_bench.speech_corpus import commands, human_recordings

SEED = 4100
NOISE_RMS = 3000.0
"""About -21 dB of full scale: a vacuum cleaner in the room. WebRTC takes all of it for speech and Silero none, which is
the cascade's dear case (at -35 dB WebRTC takes it for silence)."""
QUIET_STEPS = 3
CLIPS = 16
GAP_SECONDS = 0.5


def silence(seconds: float) -> Samples:
    """Return a quiet room: noise of one or two steps."""
    generator = np.random.default_rng(SEED)
    return generator.integers(-QUIET_STEPS + 1, QUIET_STEPS, seconds_to_samples(seconds)).astype(np.int16)


def noise(seconds: float) -> Samples:
    """Return pink noise: its power falls by 3 dB an octave."""
    generator = np.random.default_rng(SEED)
    count = seconds_to_samples(seconds)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)
    return np.clip(shaped / np.std(shaped) * NOISE_RMS, -32768, 32767).astype(np.int16)


def speech(seconds: float) -> tuple[Samples, str]:
    """Return speech of this length, and what it is: synthesised commands, else recordings of people.

    Raises SpeechError when there is neither.
    """
    try:
        return command_speech(seconds), "synthesised commands"
    except SpeechError as missing:
        try:
            return recorded_speech(seconds), "recordings of people"
        except SpeechError:
            raise missing from None


def command_speech(seconds: float) -> Samples:
    """Return synthesised commands, joined by short pauses. Raises SpeechError without espeak-ng."""
    return joined(_command_clips(), seconds)


def recorded_speech(seconds: float) -> Samples:
    """Return readings, joined by short pauses. Raises SpeechError without pocketsphinx-testdata."""
    return joined(_readings(), seconds)


@functools.cache
def _command_clips() -> tuple[Samples, ...]:
    return tuple(clip.samples for clip in commands(CLIPS, SEED))


@functools.cache
def _readings() -> tuple[Samples, ...]:
    return tuple(found.samples for found in human_recordings() if found.collection == "librivox")


def joined(pieces: Sequence[Samples], seconds: float) -> Samples:
    """Return pieces of speech, repeated and cut so that they have exactly this length."""
    length = seconds_to_samples(seconds)
    pause = np.zeros(int(GAP_SECONDS * SAMPLE_RATE), np.int16)
    parts: list[Samples] = []
    held = 0
    while held < length:
        piece = pieces[len(parts) // 2 % len(pieces)]
        parts += [piece, pause]
        held += len(piece) + len(pause)
    whole: Samples = np.concatenate(parts)[:length]
    return whole
