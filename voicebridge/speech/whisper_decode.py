"""One decode of one window: spectrum, encoder, decoder; and the words of what it wrote."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voicebridge.domain.audio import Samples
from voicebridge.domain.units import samples_to_seconds
from voicebridge.domain.utterance import Transcript, Word
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.guard import Attempt
from voicebridge.speech.whisper_model import Loaded
from voicebridge.speech.whisper_options import Request, granted_tokens, request_for
from voicebridge.speech.whisper_window import FRAMES_PER_SECOND, FULL_FRAMES, Features, padded, spectrum, window_frames
from voicebridge.speech.whisper_words import align, normalised, placed


@dataclass(frozen=True, slots=True)
class Sound:
    """An utterance and its spectrum, which every window of it is filled with."""

    audio: Samples
    features: Features


@dataclass(frozen=True, slots=True)
class Written:
    """A text with what its words are found in; an encoder's output is some megabytes."""

    sound: Sound
    window_frames: int
    encoded: Any
    request: Request
    tokens: list[int]
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a decode gave."""

    written: Written
    attempt: Attempt
    language: str
    temperature: float

    @property
    def window_seconds(self) -> float:
        """Audio that the encoder was given, padding included."""
        return self.written.window_frames / FRAMES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Ways:
    """How a text is looked for."""

    temperatures: Sequence[float]
    beam_size: int


@dataclass(frozen=True, slots=True)
class _Language:
    code: str
    probability: float | None


@dataclass(frozen=True, slots=True)
class Decoder:
    """A loaded model with the settings of a decode. Its methods raise what CTranslate2 raises."""

    loaded: Loaded
    settings: WhisperSettings
    _requests: dict[str, Request] = field(default_factory=dict)
    """By language, of which there are a hundred."""

    def sound(self, audio: Samples) -> Sound:
        """Return an utterance with its spectrum."""
        return Sound(audio, spectrum(self.loaded.model, audio))

    def window_frames(self, sound: Sound, *, partial: bool = False) -> int:
        """Return how many frames the encoder is given of an utterance; FULL_FRAMES is the whole window."""
        settings = self.settings
        floor_seconds = settings.window_floor_seconds
        if partial:
            floor_seconds = min(floor_seconds, settings.partial_floor_seconds)
        return window_frames(len(sound.audio), self.loaded.mel_bins, settings, floor_seconds)

    def hear(self, sound: Sound, frames: int, ways: Ways) -> Heard:
        """Decode with one encoder pass over a window of so many frames."""
        encoded = self._encode(sound, frames)
        language = self._language(encoded)
        request = self._request(language.code)
        options = replace(
            request.options_of(samples_to_seconds(len(sound.audio))),
            temperatures=list(ways.temperatures),
            beam_size=ways.beam_size,
        )
        model = self.loaded.model
        result, avg_logprob, temperature, ratio = model.generate_with_fallback(
            encoded, request.prompt, request.tokenizer, options
        )
        tokens = result.sequences_ids[0]
        text = normalised(request.tokenizer.decode(tokens))
        attempt = Attempt(
            text=text,
            finished=len(tokens) < granted_tokens(options.max_new_tokens, len(request.prompt)),
            avg_logprob=avg_logprob if math.isfinite(avg_logprob) else None,  # not a number for no tokens at all
            compression_ratio=ratio,
            no_speech_prob=result.no_speech_prob,
            language_probability=language.probability,
        )
        return Heard(Written(sound, frames, encoded, request, tokens, text), attempt, language.code, temperature)

    def written_again(self, audio: Samples, transcript: Transcript) -> Written:
        """Return the text of an older decode of this audio with its window encoded once more."""
        sound = self.sound(audio)
        seconds = transcript.window_seconds
        frames = FULL_FRAMES if seconds is None else round(seconds * FRAMES_PER_SECOND)
        request = self._request(transcript.language or "en")
        tokens = request.tokenizer.encode(f" {transcript.text}")
        return Written(sound, frames, self._encode(sound, frames), request, tokens, transcript.text)

    def words(self, written: Written, start_sample: int) -> tuple[Word, ...]:
        """Return the words of a text that begins at a sample index."""
        frames = written.sound.features.shape[-1]
        found = align(self.loaded.model, written.request.tokenizer, written.encoded, written.tokens, frames)
        return placed(found, start_sample, len(written.sound.audio))

    def _encode(self, sound: Sound, frames: int) -> Any:
        return self.loaded.encoder(padded(sound.features, frames))

    def _language(self, encoded: Any) -> _Language:
        model = self.loaded.model.model
        if self.settings.language:
            return _Language(self.settings.language, None)
        if not model.is_multilingual:
            return _Language("en", None)
        token, probability = model.detect_language(encoded)[0][0]
        return _Language(token.strip("<|>"), probability)

    def _request(self, language: str) -> Request:
        if language not in self._requests:
            self._requests[language] = request_for(self.loaded.model, language, self.settings)
        return self._requests[language]
