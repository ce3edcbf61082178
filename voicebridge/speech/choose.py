"""Which engine decodes: what the settings ask for, and what is on disk."""

from dataclasses import dataclass
from pathlib import Path

from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine
from voicebridge.settings.schema import Settings
from voicebridge.speech.models import REPOSITORIES, find
from voicebridge.speech.sphinx import SphinxEngine
from voicebridge.speech.structure import verify_structure
from voicebridge.speech.whisper import WhisperEngine


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that is not loaded yet, and one line for people that says why it was taken."""

    engine: Engine
    reason: str


def choose_engine(settings: Settings, models_dir: Path) -> Choice:
    """Take the engine that the settings ask for; ``auto`` takes whisper when its model is on disk, else sphinx.

    Loads nothing and asks no hub. Raises SpeechError when whisper is asked for and its model is not on disk.
    """
    if settings.engine.kind == "sphinx":
        return Choice(SphinxEngine(settings.sphinx), "engine sphinx, as engine.kind says")
    model = settings.whisper.model
    try:
        path = _model_path(model, models_dir)
    except SpeechError as error:
        if settings.engine.kind == "whisper":
            raise
        return Choice(SphinxEngine(settings.sphinx), f"engine sphinx, because whisper cannot be used: {error}")
    engine = WhisperEngine(settings.whisper, path, verify=settings.engine.verify_model)
    if settings.engine.kind == "whisper":
        return Choice(engine, f"engine whisper with model {path.name}, as engine.kind says")
    return Choice(engine, f"engine whisper, because its model {path.name} is on disk")


def _model_path(model: str, models_dir: Path) -> Path:
    path = find(model, models_dir)
    if path is None:
        raise SpeechError(f"The whisper model {model} is not on disk.", _way_on(model))
    verify_structure(path)
    return path


def _way_on(model: str) -> str:
    if model in REPOSITORIES:
        return f"`voicebridge models pull {model}` gets it; `voicebridge models add FOLDER` takes it from a USB stick."
    return "Correct whisper.model; `voicebridge models list` shows what is on disk and what can be pulled."
