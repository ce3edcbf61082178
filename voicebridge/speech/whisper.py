"""The whisper engine: faster-whisper, used so that an utterance costs one encoder pass and nothing asks a hub.

``WhisperModel.transcribe`` moves on by the timestamps that the model writes, and can run the encoder again and again
over odd ones (22 passes were seen for 3 seconds). An utterance fits into the encoder's window, so the steps that
``transcribe`` makes for one window are made here, once. tests/contract/test_whisper_as_transcribe.py compares them.
"""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import EngineStarvedError, SpeechError
from voicebridge.domain.ports import EngineInfo
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from voicebridge.domain.utterance import Transcript, Word
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.structure import verify_structure
from voicebridge.speech.unchanged import verify_unchanged
from voicebridge.speech.whisper_model import CountedEncoder, Loaded, check_features, check_options, one_line, open_model
from voicebridge.speech.whisper_options import CHANGEABLE, max_new_tokens, options_for, prompt_for, tokenizer_for
from voicebridge.speech.whisper_words import align, normalised, placed

ENGINE = "whisper"
MAX_SECONDS = 30
"""What the encoder hears at once."""
MIN_SAMPLES = seconds_to_samples(0.025)
"""Audio shorter than one window of the spectrum (25 ms) holds no speech."""
_MORE_MEMORY = "Take a smaller model (whisper.model), or raise the service's MemoryMax; `free -m` shows what there is."


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
        self._loaded: Loaded | None = None

    @property
    def info(self) -> EngineInfo:
        """The engine and the name of the model's folder."""
        return EngineInfo(ENGINE, self._path.name)

    def load(self) -> None:
        """Read the model. Raises SpeechError when the folder or a setting cannot be used."""
        verify_structure(self._path)
        if self._verify:
            verify_unchanged(self._path)
        model = open_model(self._settings, self._path)
        check_features(model, self._path)
        check_options(model, self._settings, self._path)
        encoder = CountedEncoder(model.encode)
        model.encode = encoder
        self._loaded = Loaded(model, encoder)

    def apply(self, settings: WhisperSettings) -> bool:
        """Take other settings of a decode (CHANGEABLE) from the next one on. Always True.

        Raises SpeechError, and keeps the old ones, when the loaded model cannot do with them.
        """
        wanted = self._settings.model_copy(update={name: getattr(settings, name) for name in CHANGEABLE})
        if self._loaded is not None:
            check_options(self._loaded.model, wanted, self._path)
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
            raise SpeechError(f"Whisper could not decode: {one_line(error)}.") from error
        return _measured(transcript, started, self._loaded.encoder.passes - passes_before)

    def close(self) -> None:
        """Free the model."""
        self._loaded = None

    def _decode_window(self, loaded: Loaded, audio: Samples, start_sample: int) -> Transcript:
        from faster_whisper.audio import pad_or_trim

        model = loaded.model
        features = model.feature_extractor(audio.astype(np.float32) / 32768.0)
        frames = min(features.shape[-1] - 1, model.feature_extractor.nb_max_frames)
        encoded = loaded.encoder(pad_or_trim(features[:, :frames]))
        language = self._language(model, encoded)
        tokenizer = tokenizer_for(model, language.code)
        prompt = prompt_for(model, tokenizer, self._settings)
        options = options_for(tokenizer, self._settings, max_new_tokens(samples_to_seconds(len(audio)), len(prompt)))
        result, avg_logprob, temperature, ratio = model.generate_with_fallback(encoded, prompt, tokenizer, options)
        tokens = result.sequences_ids[0]
        words: tuple[Word, ...] = ()
        if self._settings.word_timestamps:
            words = placed(align(model, tokenizer, encoded, tokens, frames), start_sample, len(audio))
        return Transcript(
            text=normalised(tokenizer.decode(tokens)),
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


def _measured(transcript: Transcript, started: float, passes: int) -> Transcript:
    return replace(transcript, decode_ms=(time.perf_counter() - started) * 1000, encoder_passes=passes)
