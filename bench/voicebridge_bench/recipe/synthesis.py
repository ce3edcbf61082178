"""Speech from espeak-ng: int16, mono, 16 kHz. The same seed gives the same clip on the same version of espeak-ng."""

import functools
import io
import os
import re
import shutil
import subprocess
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge.domain.units import SAMPLE_RATE
from voicebridge_bench.recipe.grammar import sentence

ACCENTS = (
    *("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland"),
    *("en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"),
)
"""Accents of English; one that stands here three times is drawn three times as often."""
TRAINING_VARIANTS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3"),
    *("f4", "Annie", "Alex", "Andrea", "Lee", "Mario", "Michael", "Mike", "Denis"),
    *("Diogo", "Reed", "Tweaky", "steph", "steph2", "steph3", "linda", "adam", "anika"),
    *("Alicia", "belinda", "benjamin", "caleb", "david", "ed", "edward", "edward2", "iven"),
    *("iven2", "john", "kaukovalta", "klatt", "klatt2", "klatt3", "max", "norbert", "quincy"),
    *("rob", "robert", "sandro", "shelby", "travis", "victor", "zac", "pablo"),
)
HELD_OUT_VARIANTS = ("m7", "m8", "f5", "Hugo", "Jacky", "klatt4", "marcelo", "aunty", "boris")
"""Variants of voices that the model has not heard in training."""
SPEED_WPM = (115, 215)
PITCH = (20, 80)

Voices = Literal["training", "held-out"]


@dataclass(frozen=True, slots=True)
class Clip:
    """Speech with its text: ``samples`` has shape (n,), int16, 16 kHz; ``voice`` names who spoke."""

    text: str
    samples: Samples
    voice: str


def commands(count: int, seed: int, voices: Voices = "held-out") -> list[Clip]:
    """Return clips of random commands; clip ``i`` depends on ``seed + i`` and the voices only.

    Raises SpeechError when espeak-ng is not installed.
    """
    variants = available(HELD_OUT_VARIANTS if voices == "held-out" else TRAINING_VARIANTS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda clip_seed: _clip(clip_seed, variants), range(seed, seed + count)))


def say(text: str, voice: str = "en-us", speed_wpm: int = 160, pitch: int = 50) -> Samples:
    """Speak a text; ``voice`` is an accent, or accent+variant such as ``en-us+m7``."""
    call = [_espeak(), "-v", voice, "-s", str(speed_wpm), "-p", str(pitch), "--stdout", text]
    done = subprocess.run(call, capture_output=True, check=False)
    if done.returncode != 0 or not done.stdout:
        raise SpeechError(f"espeak-ng could not speak with voice {voice}: {done.stderr.decode(errors='replace')}")
    with wave.open(io.BytesIO(done.stdout)) as reader:
        rate, raw = reader.getframerate(), reader.readframes(1 << 30)
    return _resample(np.frombuffer(raw, np.int16), rate)


@functools.cache
def available(variants: Sequence[str]) -> tuple[str, ...]:
    """Return those voice variants that this machine has."""
    version = subprocess.run([_espeak(), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Data at: (.+)", version)
    folder = Path(found.group(1).strip()) / "voices" / "!v" if found else Path()
    present = tuple(variant for variant in variants if (folder / variant).is_file())
    if not present:
        raise SpeechError(f"espeak-ng has none of the voices {', '.join(variants)}.", "Install espeak-ng-data.")
    return present


def _clip(seed: int, variants: Sequence[str]) -> Clip:
    random = Random(seed)  # noqa: S311 - for variety, not for secrets
    text = sentence(random)
    voice = f"{random.choice(ACCENTS)}+{random.choice(variants)}"
    return Clip(text, say(text, voice, random.randint(*SPEED_WPM), random.randint(*PITCH)), voice)


def _resample(samples: Samples, rate: int) -> Samples:
    # By straight lines, as in the training: the model knows what this adds above 8 kHz.
    count = len(samples) * SAMPLE_RATE // rate
    positions = np.arange(count) * rate / SAMPLE_RATE
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.int16)


def _espeak() -> str:
    path = shutil.which("espeak-ng")
    if path is None:
        raise SpeechError(
            "espeak-ng is not installed.",
            "On Debian and Ubuntu: sudo apt install espeak-ng",
            exit_code=ExitCode.UNAVAILABLE,
        )
    return path
