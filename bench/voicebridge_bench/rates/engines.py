"""Which engines are measured: those that the settings or the command name, each opened only when its turn comes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebridge.domain.ports import Engine
from voicebridge.settings import Settings, paths
from voicebridge.settings.layers import load
from voicebridge.speech.choose import choose_engine
from voicebridge_bench.models import WHISPER_COMMANDS

SHIPPED = "whisper-commands"
"""Name of the small Whisper that ships with voicebridge-bench."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An engine of one kind, with the settings that it is to have."""

    settings: Settings
    models_dir: Path

    def open(self) -> Engine:
        """Return the engine, not loaded. Raises SpeechError when there is none."""
        return choose_engine(self.settings, self.models_dir).engine


def wishes(kinds: Sequence[str], models: Sequence[str], settings: Settings | None = None) -> list[Wish]:
    """Return the engines that are asked for; without kind and model the one that the daemon would take."""
    base = load(environ=os.environ).settings if settings is None else settings
    folder = paths.models_dir(base)
    if not kinds and not models:
        return [Wish(base, folder)]
    found = []
    if models or "whisper" in kinds:
        found += [Wish(with_model(base, model), folder) for model in models or [base.whisper.model]]
    if "sphinx" in kinds:
        found.append(Wish(with_kind(base, "sphinx"), folder))
    return found


def with_model(settings: Settings, model: str) -> Settings:
    """Return settings for a whisper model by name or folder; the shipped one is known by its name."""
    named = str(WHISPER_COMMANDS) if model == SHIPPED else model
    whisper = settings.whisper.model_copy(update={"model": named})
    return with_kind(settings.model_copy(update={"whisper": whisper}), "whisper")


def with_kind(settings: Settings, kind: str) -> Settings:
    """Return settings with another kind of engine."""
    return settings.model_copy(update={"engine": settings.engine.model_copy(update={"kind": kind})})
