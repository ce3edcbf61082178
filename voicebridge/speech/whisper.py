"""The whisper engine: faster-whisper, used so that an utterance costs one encoder pass and nothing asks a hub.

``WhisperModel.transcribe`` moves on by the timestamps that the model writes, and can run the encoder again and again
over odd ones (22 passes were seen for 3 seconds). An utterance fits into the encoder's window, so the steps that
``transcribe`` makes for one window are made here, once. tests/contract/test_whisper_as_transcribe.py compares them.
"""

import json
import math
import os
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import EngineStarvedError, SpeechError
from voicebridge.domain.ports import EngineInfo
from voicebridge.domain.text import printable
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from voicebridge.domain.utterance import Transcript, Word
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.structure import verify_structure
from voicebridge.speech.unchanged import verify_unchanged

ENGINE = "whisper"
MAX_SECONDS = 30
"""What the encoder hears at once."""
MIN_SAMPLES = seconds_to_samples(0.025)
"""Audio shorter than one window of the spectrum (25 ms) holds no speech."""
MAX_PROMPT_TOKENS = 223
"""Half of Whisper's text context, less the token that begins a prompt (openai/whisper, decoding.py)."""
MAX_THREADS = 4
"""More threads gain little for one utterance, and the listener needs a core."""
TEMPERATURES = (0.0, 0.4, 0.8)
"""Tried in turn while the text repeats itself or is improbable; faster-whisper's six would hold a small box long."""

CHANGEABLE = ("beam_size", "language", "initial_prompt", "hotwords", "word_timestamps")
"""Settings of a decode; the others are settings of the model in memory."""

_BASE_TOKENS = 32
_TOKENS_PER_SECOND = 20
"""Bound for a decoder that runs on: fast English speech needs about 6 tokens a second, scripts of bytes about 20."""
_TEXT_CONTEXT = 448
"""Tokens of prompt and text together, in every Whisper model."""
_MORE_MEMORY = "Take a smaller model (whisper.model), or raise the service's MemoryMax; `free -m` shows what there is."
_REPAIR = "`voicebridge models verify` checks the model; remove and pull it again if it is damaged."
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - the full-width signs are meant
"""Punctuation that belongs to the next or the previous word; both sets as faster-whisper 1.2 has them by default."""


@dataclass(slots=True)
class _Counted:
    """Calls the encoder and counts, whoever asks for it."""

    encode: Callable[[Any], Any]
    passes: int = 0

    def __call__(self, features: Any) -> Any:
        self.passes += 1
        return self.encode(features)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model in memory with the encoder's counter."""

    model: Any
    encoder: _Counted


@dataclass(frozen=True, slots=True)
class _Language:
    code: str
    probability: float | None


class WhisperEngine:
    """Decodes with a CTranslate2 Whisper model from a folder. All calls come from one thread.

    With ``verify`` its files are compared with the checksums noted beside them, where there are any, before a load.
    """

    def __init__(self, settings: WhisperSettings, model_path: Path, *, verify: bool = True) -> None:
        self._settings = settings
        self._path = model_path
        self._verify = verify
        self._loaded: _Loaded | None = None

    @property
    def info(self) -> EngineInfo:
        """The engine and the name of the model's folder."""
        return EngineInfo(ENGINE, self._path.name)

    def load(self) -> None:
        """Read the model. Raises SpeechError when the folder or a setting cannot be used."""
        verify_structure(self._path)
        if self._verify:
            verify_unchanged(self._path)
        model = _open_model(self._settings, self._path)
        _check_features(model, self._path)
        _check_options(model, self._settings, self._path)
        encoder = _Counted(model.encode)
        model.encode = encoder
        self._loaded = _Loaded(model, encoder)

    def apply(self, settings: WhisperSettings) -> bool:
        """Take other settings of a decode (CHANGEABLE) from the next one on. Always True.

        Raises SpeechError, and keeps the old ones, when the loaded model cannot do with them.
        """
        wanted = self._settings.model_copy(update={name: getattr(settings, name) for name in CHANGEABLE})
        if self._loaded is not None:
            _check_options(self._loaded.model, wanted, self._path)
        self._settings = wanted
        return True

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        """Decode up to 30 s of audio with one encoder pass.

        Audio under 25 ms gives an empty transcript. Raises SpeechError before ``load``, for longer audio, and when
        CTranslate2 fails.
        """
        if self._loaded is None:
            raise SpeechError("The whisper engine is not loaded.")
        if len(audio) > MAX_SECONDS * SAMPLE_RATE:
            seconds = samples_to_seconds(len(audio))
            raise SpeechError(f"Whisper hears at most {MAX_SECONDS} s at once, not {seconds:.1f} s.")
        started = time.perf_counter()
        if len(audio) < MIN_SAMPLES:
            return Transcript(text="", engine=ENGINE, model=self._path.name, decode_ms=0.0)
        passes_before = self._loaded.encoder.passes
        try:
            transcript = self._decode_window(self._loaded, audio, start_sample)
        except MemoryError as error:
            raise EngineStarvedError("Whisper got too little memory for a decode.", _MORE_MEMORY) from error
        except (RuntimeError, ValueError) as error:  # what CTranslate2 raises
            raise SpeechError(f"Whisper could not decode: {_one_line(error)}.") from error
        return _measured(transcript, started, self._loaded.encoder.passes - passes_before)

    def close(self) -> None:
        """Free the model."""
        self._loaded = None

    def _decode_window(self, loaded: _Loaded, audio: Samples, start_sample: int) -> Transcript:
        from faster_whisper.audio import pad_or_trim

        model = loaded.model
        features = model.feature_extractor(audio.astype(np.float32) / 32768.0)
        frames = min(features.shape[-1] - 1, model.feature_extractor.nb_max_frames)
        encoded = loaded.encoder(pad_or_trim(features[:, :frames]))
        language = self._language(model, encoded)
        tokenizer = _tokenizer(model, language.code)
        prompt = self._prompt(model, tokenizer)
        options = self._options(tokenizer, max_new_tokens(samples_to_seconds(len(audio)), len(prompt)))
        result, avg_logprob, temperature, ratio = model.generate_with_fallback(encoded, prompt, tokenizer, options)
        tokens = result.sequences_ids[0]
        words: tuple[Word, ...] = ()
        if self._settings.word_timestamps:
            words = _words(_align(model, tokenizer, encoded, tokens, frames), start_sample, len(audio))
        return Transcript(
            text=_normalised(tokenizer.decode(tokens)),
            engine=ENGINE,
            model=self._path.name,
            decode_ms=0.0,
            language=language.code,
            language_probability=language.probability,
            words=words,
            avg_logprob=avg_logprob if math.isfinite(avg_logprob) else None,  # not a number for no tokens at all
            no_speech_prob=result.no_speech_prob,
            compression_ratio=ratio,
            temperature=temperature,
        )

    def _language(self, model: Any, encoded: Any) -> _Language:
        if self._settings.language:
            return _Language(self._settings.language, None)
        if not model.model.is_multilingual:
            return _Language("en", None)
        token, probability = model.model.detect_language(encoded)[0][0]
        return _Language(token.strip("<|>"), probability)

    def _prompt(self, model: Any, tokenizer: Any) -> list[int]:
        previous = self._settings.initial_prompt.strip()
        tokens: list[int] = model.get_prompt(
            tokenizer,
            tokenizer.encode(f" {previous}") if previous else [],
            without_timestamps=True,
            hotwords=self._settings.hotwords.strip() or None,
        )
        return tokens

    def _options(self, tokenizer: Any, max_new_tokens: int) -> Any:
        from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

        return TranscriptionOptions(
            beam_size=self._settings.beam_size,
            best_of=self._settings.beam_size,
            patience=1,
            length_penalty=1,
            repetition_penalty=1,
            no_repeat_ngram_size=0,
            log_prob_threshold=-1.0,
            no_speech_threshold=0.6,
            compression_ratio_threshold=2.4,
            condition_on_previous_text=False,
            prompt_reset_on_temperature=0.5,
            temperatures=list(TEMPERATURES),
            initial_prompt=None,  # the prompt is given to the model beside these options
            prefix=None,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            without_timestamps=True,
            max_initial_timestamp=1.0,
            word_timestamps=self._settings.word_timestamps,
            prepend_punctuations=_PREPENDED,
            append_punctuations=_APPENDED,
            multilingual=False,
            max_new_tokens=max_new_tokens,
            clip_timestamps="0",
            hallucination_silence_threshold=None,
            hotwords=None,
        )


def default_threads() -> int:
    """Return how many threads a decode takes when the setting says 0: all cores but one, at most 4, at least 1."""
    return max(1, min(MAX_THREADS, len(os.sched_getaffinity(0)) - 1))


def max_new_tokens(seconds: float, prompt_tokens: int) -> int:
    """Return the option that lets a decoder write enough tokens for an utterance of this length, and no more.

    faster-whisper makes it a total with the prompt, of which CTranslate2 gives the text half, or what the prompt
    leaves where that is less (src/models/whisper.cc, ``generate``).
    """
    wanted = min(_TEXT_CONTEXT // 2, _BASE_TOKENS + round(_TOKENS_PER_SECOND * seconds))
    total = min(_TEXT_CONTEXT, max(2 * wanted, prompt_tokens + wanted))
    return total - prompt_tokens


def _open_model(settings: WhisperSettings, path: Path) -> Any:
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
        raise SpeechError(f"Cannot load the whisper model {path}: {_one_line(error)}.", _advice(str(error))) from error


def _advice(message: str) -> str:
    lowered = message.lower()
    if "compute type" in lowered:
        import ctranslate2

        usable = ", ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))
        return f"Set whisper.compute_type to `default`; the processor here can do {usable}."
    if "cuda" in lowered or "cublas" in lowered or "cudnn" in lowered:
        return 'Set whisper.device = "cpu", or install the NVIDIA driver and libraries.'
    return _REPAIR


def _check_features(model: Any, path: Path) -> None:
    bins = model.feature_extractor.mel_filters.shape[0]
    if model.model.n_mels != bins:
        raise SpeechError(
            f"The model in {path} wants {model.model.n_mels} mel bins, its preprocessor_config.json gives {bins}.",
            "Copy the model again, with preprocessor_config.json.",
        )


def _check_options(model: Any, settings: WhisperSettings, path: Path) -> None:
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
    tokenizer = _tokenizer(model, settings.language or "en")
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
        raise SpeechError(f"{path / 'config.json'} cannot be read: {_one_line(error)}.", _REPAIR) from error
    if "alignment_heads" not in config:
        raise SpeechError(
            f"The model in {path} cannot find the time of words: its config.json has no alignment_heads.",
            "Set whisper.word_timestamps = false, or convert the model with a newer CTranslate2.",
        )


def _tokenizer(model: Any, language: str) -> Any:
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)


def _align(model: Any, tokenizer: Any, encoded: Any, tokens: list[int], frames: int) -> list[dict[str, Any]]:
    """Return faster-whisper's words, with ``word``, ``start``, ``end`` (seconds) and ``probability``."""
    if not any(token < tokenizer.eot for token in tokens):
        return []
    segment = {"seek": 0, "start": 0.0, "end": frames / model.frames_per_second, "tokens": tokens}
    model.add_word_timestamps([[segment]], tokenizer, encoded, frames, _PREPENDED, _APPENDED, 0.0)
    words: list[dict[str, Any]] = segment["words"]  # put there by add_word_timestamps
    return words


def _words(found: list[dict[str, Any]], start_sample: int, samples: int) -> tuple[Word, ...]:
    words = []
    for word in found:
        text = _normalised(word["word"])
        first = min(max(seconds_to_samples(float(word["start"])), 0), samples)
        last = min(max(seconds_to_samples(float(word["end"])), first), samples)
        if text:
            words.append(Word(text, start_sample + first, start_sample + last, float(word["probability"])))
    return tuple(words)


def _measured(transcript: Transcript, started: float, passes: int) -> Transcript:
    return replace(transcript, decode_ms=(time.perf_counter() - started) * 1000, encoder_passes=passes)


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _one_line(error: BaseException) -> str:
    return printable(" ".join(str(error).split())).rstrip(".") or type(error).__name__
