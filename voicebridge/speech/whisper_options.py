"""What a whisper decode is asked to do: prompt, options, bounds and threads."""

import os
from dataclasses import dataclass, replace
from typing import Any

from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.guard import MAX_COMPRESSION_RATIO, MAX_NO_SPEECH_PROB, MIN_AVG_LOGPROB
from voicebridge.speech.whisper_words import APPENDED, PREPENDED

MAX_PROMPT_TOKENS = 223
"""Half of Whisper's text context, less the token that begins a prompt (openai/whisper, decoding.py)."""
MAX_THREADS = 4
"""More threads gain little for one utterance."""
TEMPERATURES = (0.0, 0.4, 0.8)
"""Tried in turn while the text repeats itself or is improbable; faster-whisper's six would hold a small box long."""
CHANGEABLE = (
    "beam_size",
    "language",
    "initial_prompt",
    "hotwords",
    "word_timestamps",
    "window",
    "window_floor_seconds",
    "window_margin_seconds",
    "partial_floor_seconds",
)
"""Settings of a decode; the others are settings of the model in memory."""

_BASE_TOKENS = 32
_TOKENS_PER_SECOND = 20
"""Bound for a decoder that runs on: fast English speech needs about 6 tokens a second, scripts of bytes about 20."""
_TEXT_CONTEXT = 448
"""Tokens of prompt and text together, in every Whisper model."""


def default_threads(cores: int | None = None) -> int:
    """Return how many threads a decode takes when the setting says 0: all cores but one, at most 4, at least 1.

    ``cores`` are those that this process may use, when it is not said otherwise. The one that is left is the
    listener's, which needs it for some hundred microseconds, 50 times a second. A second thread on two cores would make
    the encoder faster (95 to 68 ms, base size, 10 s window) and the decoder, which waits for both threads many times a
    token, slower by more (73 to 214 ms for 8 tokens); on the full window the encoder's gain is the larger one.
    """
    if cores is None:
        cores = len(os.sched_getaffinity(0))
    return max(1, min(MAX_THREADS, cores - 1))


def max_new_tokens(seconds: float, prompt_tokens: int) -> int:
    """Return the option that lets a decoder write enough tokens for an utterance of this length, and no more.

    faster-whisper makes it a total with the prompt, of which CTranslate2 gives the text half, or what the prompt
    leaves where that is less (src/models/whisper.cc, ``generate``).
    """
    wanted = min(_TEXT_CONTEXT // 2, _BASE_TOKENS + round(_TOKENS_PER_SECOND * seconds))
    total = min(_TEXT_CONTEXT, max(2 * wanted, prompt_tokens + wanted))
    return total - prompt_tokens


def granted_tokens(max_new_tokens: int, prompt_tokens: int) -> int:
    """Return how many tokens CTranslate2 writes at the most with that option; so many and no end token came first."""
    return min((max_new_tokens + prompt_tokens) // 2, max_new_tokens)


@dataclass(frozen=True, slots=True)
class Request:
    """What every decode in a language is asked: made once, for it takes as long as the spectrum of a second."""

    tokenizer: Any
    prompt: list[int]
    options: Any
    """faster-whisper's; ``options_of`` sets what differs from decode to decode."""

    def options_of(self, seconds: float) -> Any:
        """Return the options for an utterance of this length."""
        return replace(self.options, max_new_tokens=max_new_tokens(seconds, len(self.prompt)))


def request_for(model: Any, language: str, settings: WhisperSettings) -> Request:
    """Return what the settings ask of a model, in a language."""
    tokenizer = tokenizer_for(model, language)
    return Request(tokenizer, prompt_for(model, tokenizer, settings), options_for(tokenizer, settings))


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


def options_for(tokenizer: Any, settings: WhisperSettings) -> Any:
    """Return faster-whisper's options of a decode."""
    from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

    return TranscriptionOptions(
        beam_size=settings.beam_size,
        best_of=settings.beam_size,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=MIN_AVG_LOGPROB,
        no_speech_threshold=MAX_NO_SPEECH_PROB,
        compression_ratio_threshold=MAX_COMPRESSION_RATIO,
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
        max_new_tokens=None,  # see Request
        clip_timestamps="0",
        hallucination_silence_threshold=None,
        hotwords=None,
    )
