"""What turns audio into text: detector, engine, model, and the memory that they need.

The parts are imported inside the checks: a library that is broken then costs one line, not all of them.
"""

from pathlib import Path

from voicebridge.daemon.checks.finding import Finding, error, ok, warning
from voicebridge.domain.errors import DetectorError, SpeechError
from voicebridge.domain.units import MEGABYTE
from voicebridge.settings import Settings, paths

BASE_BYTES = 250_000_000
"""Process, ring, backlog and libraries, without a model."""
MODEL_FACTOR = 2
"""Weights are stored as float16 and held as float32 where the CPU cannot compute with float16."""


def detector(settings: Settings) -> Finding:
    """Look for the Silero network inside the faster-whisper package."""
    from voicebridge.vad.silero_model import find_model

    name = "voice detector"
    if settings.vad.mode == "webrtc":
        return ok(name, "webrtc, as vad.mode says: it needs no model")
    try:
        file = find_model()
    except DetectorError as problem:
        return error(name, problem.message, problem.advice)
    return ok(name, f"{settings.vad.mode}, with {file.name}")


def chosen(settings: Settings) -> Finding:
    """Say which engine is taken, and why."""
    from voicebridge.daemon.assembly import choose_engine

    try:
        engine, reason = choose_engine(settings)
    except SpeechError as problem:
        return error("engine", problem.message, problem.advice)
    if settings.engine.kind == engine.info.engine:
        return ok("engine", reason)
    if engine.info.engine == "sphinx":
        return warning("engine", reason, "PocketSphinx hears far less exactly.")
    return ok("engine", reason)


def model(settings: Settings) -> Finding:
    """Compare the files of the Whisper model with the checksums that were noted when it came."""
    from voicebridge.speech import models

    name, folder = "model", _whisper_folder(settings)
    if folder is None:
        return ok(name, "the English model inside PocketSphinx" if not settings.sphinx.model_dir else "PocketSphinx's")
    if problems := models.verify(folder):
        return error(
            name, f"{folder}: {'; '.join(problems)}", "Install it again (voicebridge models remove, then add)."
        )
    if not models.has_checksums(folder):
        return ok(name, f"{folder} is whole; no checksums were noted for it")
    return ok(name, f"{folder} is whole, every checksum is right")


def memory(settings: Settings) -> Finding:
    """Compare the memory that is free with what the engine needs."""
    import psutil

    from voicebridge.speech.structure import MODEL_FILE
    from voicebridge.store.lock import holder

    available = psutil.virtual_memory().available
    folder = _whisper_folder(settings)
    needed = BASE_BYTES + (MODEL_FACTOR * (folder / MODEL_FILE).stat().st_size if folder else 0)
    return compare_memory(available, needed, running=holder(paths.state_dir(settings)) is not None)


def compare_memory(available_bytes: int, needed_bytes: int, *, running: bool) -> Finding:
    """Say whether the memory suffices; a running daemon has what it needs already."""
    found = f"{available_bytes // MEGABYTE} MB available, about {needed_bytes // MEGABYTE} MB needed"
    if running or available_bytes >= needed_bytes:
        return ok("memory", found + (" (the daemon has it already)" if running else ""))
    return warning("memory", found, "Take a smaller model (whisper.model), or end other programs.")


def _whisper_folder(settings: Settings) -> Path | None:
    """Return the folder of the Whisper model that would be taken; None when PocketSphinx decodes."""
    from voicebridge.speech import models

    if settings.engine.kind == "sphinx":
        return None
    return models.find(settings.whisper.model, paths.models_dir(settings))
