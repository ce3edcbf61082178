"""A whisper model in memory: opened, checked against the settings, its encoder passes counted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicebridge.domain.errors import SpeechError
from voicebridge.domain.text import printable
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.whisper_options import MAX_PROMPT_TOKENS, default_threads, tokenizer_for

_REPAIR = "`voicebridge models verify` checks the model; remove and pull it again if it is damaged."


@dataclass(slots=True)
class CountedEncoder:
    """Calls the encoder and counts, whoever asks for it."""

    encode: Callable[[Any], Any]
    passes: int = 0

    def __call__(self, features: Any) -> Any:
        """Encode features, shape (mel bins, frames)."""
        self.passes += 1
        return self.encode(features)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory with the encoder's counter."""

    model: Any
    encoder: CountedEncoder

    @property
    def mel_bins(self) -> int:
        """Rows of a spectrum."""
        return int(self.model.model.n_mels)


def load_model(settings: WhisperSettings, path: Path) -> Loaded:
    """Read the model, checked. Raises SpeechError when the folder or a setting cannot be used."""
    spectrum_in_one_thread()
    model = open_model(settings, path)
    check_features(model, path)
    check_options(model, settings, path)
    encoder = CountedEncoder(model.encode)
    model.encode = encoder
    return Loaded(model, encoder)


def spectrum_in_one_thread() -> None:
    """Let numpy multiply matrices in one thread from now on, in the whole process: the spectrum is all it is used for.

    The product (80 x 201 by some hundred frames) is over before a second thread has woken up; beside a busy decoder the
    first would wait for it. Only numpy's own library is told: CTranslate2 may bring one of its own, for the decoder.
    """
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # it comes without

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas" and Path(library.filepath).parent.name == "numpy.libs":
            library.set_num_threads(1)


def open_model(settings: WhisperSettings, path: Path) -> Any:
    """Read the model. Raises SpeechError when the folder or a setting cannot be used."""
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(
            str(path),
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.threads or default_threads(),
            local_files_only=True,
        )
    except Exception as error:  # tokenizers raises bare Exception; CTranslate2 RuntimeError, ValueError
        raise SpeechError(f"Cannot load the whisper model {path}: {one_line(error)}.", _advice(str(error))) from error


def _advice(message: str) -> str:
    lowered = message.lower()
    if "compute type" in lowered:
        import ctranslate2

        usable = ", ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))
        return f"Set whisper.compute_type to `default`; the processor here can do {usable}."
    if "cuda" in lowered or "cublas" in lowered or "cudnn" in lowered:
        return 'Set whisper.device = "cpu", or install the NVIDIA driver and libraries.'
    return _REPAIR


def check_features(model: Any, path: Path) -> None:
    """Raise SpeechError when the spectrum has other bins than the model wants."""
    bins = model.feature_extractor.mel_filters.shape[0]
    if model.model.n_mels != bins:
        raise SpeechError(
            f"The model in {path} wants {model.model.n_mels} mel bins, its preprocessor_config.json gives {bins}.",
            "Copy the model again, with preprocessor_config.json.",
        )


def check_options(model: Any, settings: WhisperSettings, path: Path) -> None:
    """Raise SpeechError when the model cannot do with the settings of a decode."""
    _check_language(model, settings.language, path)
    _check_prompt(model, settings)
    if settings.word_timestamps:
        _check_alignment(path)


def _check_language(model: Any, language: str, path: Path) -> None:
    if language and language not in model.supported_languages:
        kind = "an unknown language" if model.model.is_multilingual else "not spoken by an English-only model"
        raise SpeechError(
            f"whisper.language = {language!r} is {kind} ({path.name}).",
            "Set a two-letter code such as `en` or `de`; for other languages than English take a model without `.en`.",
        )


def _check_prompt(model: Any, settings: WhisperSettings) -> None:
    tokenizer = tokenizer_for(model, settings.language or "en")
    # get_prompt would cut a long prompt off without a word.
    texts = (settings.initial_prompt, settings.hotwords)
    count = sum(len(tokenizer.encode(f" {text.strip()}")) for text in texts if text.strip())
    if count > MAX_PROMPT_TOKENS:
        raise SpeechError(
            f"whisper.initial_prompt and whisper.hotwords are {count} tokens long; "
            f"the model takes {MAX_PROMPT_TOKENS}.",
            "Shorten them.",
        )


def _check_alignment(path: Path) -> None:
    # CTranslate2 would refuse each decode.
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # it was there at the load; `apply` looks again
        raise SpeechError(f"{path / 'config.json'} cannot be read: {one_line(error)}.", _REPAIR) from error
    if "alignment_heads" not in config:
        raise SpeechError(
            f"The model in {path} cannot find the time of words: its config.json has no alignment_heads.",
            "Set whisper.word_timestamps = false, or convert the model with a newer CTranslate2.",
        )


def one_line(error: BaseException) -> str:
    """Return what an error says, on one line, without a full stop."""
    return printable(" ".join(str(error).split())).rstrip(".") or type(error).__name__
