"""What a whisper decode is asked to do: prompt, options, bounds and threads."""

import os
from typing import Any

from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.whisper_words import APPENDED, PREPENDED

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


def tokenizer_for(model: Any, language: str) -> Any:
    """Return faster-whisper's tokenizer of a model, for a language."""
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)


def prompt_for(model: Any, tokenizer: Any, settings: WhisperSettings) -> list[int]:
    """Return the tokens that a decode begins with."""
    previous = settings.initial_prompt.strip()
    tokens: list[int] = model.get_prompt(
        tokenizer,
        tokenizer.encode(f" {previous}") if previous else [],
        without_timestamps=True,
        hotwords=settings.hotwords.strip() or None,
    )
    return tokens


def options_for(tokenizer: Any, settings: WhisperSettings, max_new_tokens: int) -> Any:
    """Return faster-whisper's options of a decode."""
    from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

    return TranscriptionOptions(
        beam_size=settings.beam_size,
        best_of=settings.beam_size,
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
        word_timestamps=settings.word_timestamps,
        prepend_punctuations=PREPENDED,
        append_punctuations=APPENDED,
        multilingual=False,
        max_new_tokens=max_new_tokens,
        clip_timestamps="0",
        hallucination_silence_threshold=None,
        hotwords=None,
    )
