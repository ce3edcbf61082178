"""Human speech from Debian's pocketsphinx-testdata, and audio made from it."""

import wave
from pathlib import Path

import numpy as np
import pytest

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import FRAME_SAMPLES, SAMPLE_RATE, seconds_to_samples

FOLDER = Path("/usr/share/pocketsphinx/test/data")


def librivox() -> list[Samples]:
    """Return five readings of 3 to 7 s, by one speaker."""
    return [_wav(path) for path in sorted(_folder("librivox").glob("*.wav"))]


def commands() -> list[Samples]:
    """Return short commands and numbers by two speakers, with silence around them."""
    raw = [np.fromfile(_folder(".") / f"{name}.raw", np.int16) for name in ("goforward", "something", "numbers")]
    return raw + [_wav(path) for path in sorted(_folder("cards").glob("*.wav"))]


def with_pauses(recordings: list[Samples], pause_seconds: float = 2.0) -> Samples:
    """Join recordings with digital silence after each."""
    pause = np.zeros(seconds_to_samples(pause_seconds), np.int16)
    return np.concatenate([part for recording in recordings for part in (recording, pause)])


def in_pink_noise(audio: Samples, level: float, seed: int = 1) -> Samples:
    """Add noise with equal power in each octave, of a root mean square of ``level``."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(audio.size))
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    noise = np.fft.irfft(spectrum, audio.size)
    noisy: Samples = np.clip(audio + noise * (level / noise.std()), -32768, 32767).astype(np.int16)
    return noisy


def frames(audio: Samples) -> Samples:
    """Return the whole frames of audio, shape (n, 320)."""
    return audio[: audio.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)


def _folder(name: str) -> Path:
    if not FOLDER.is_dir():
        pytest.fail("The Debian package pocketsphinx-testdata is not installed; `./install.sh test` installs it.")
    return FOLDER / name


def _wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)
