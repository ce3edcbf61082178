"""Synthesised clips on disk, so that a training need not speak them again."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from voicebridge.domain.errors import ExitCode, SpeechError
from voicebridge_bench.recipe.synthesis import Clip


def save(clips: Sequence[Clip], path: Path) -> None:
    """Write clips to one .npz file, without pickles."""
    np.savez(
        path,
        samples=np.concatenate([clip.samples for clip in clips]),
        lengths=np.array([len(clip.samples) for clip in clips]),
        texts=np.array([clip.text for clip in clips]),
        voices=np.array([clip.voice for clip in clips]),
    )


def load(path: Path) -> list[Clip]:
    """Read what ``save`` wrote. Raises SpeechError when it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as data:
            parts = np.split(data["samples"], np.cumsum(data["lengths"])[:-1])
            texts, voices = data["texts"].tolist(), data["voices"].tolist()
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SpeechError(
            f"Cannot read the clips in {path}: {error}.",
            "Make them with `python -m voicebridge_bench.recipe synth`.",
            exit_code=ExitCode.NO_INPUT,
        ) from error
    return [Clip(text, samples, voice) for text, samples, voice in zip(texts, parts, voices, strict=True)]
