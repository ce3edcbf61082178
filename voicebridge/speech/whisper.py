"""The whisper engine: faster-whisper, used so that an utterance costs one encoder pass and nothing asks a hub.

``WhisperModel.transcribe`` moves on by the timestamps that the model writes, and can run the encoder again and again
over odd ones (22 passes were seen for 3 seconds). An utterance fits into the encoder's window, so the steps that
``transcribe`` makes for one window are made here, once. tests/contract/test_whisper_as_transcribe.py compares them.
The window may be shorter than 30 s; what comes of it is then looked at by the guard, and decoded again in full when it
looks wrong.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import EngineStarvedError, SpeechError
from voicebridge.domain.ports import EngineInfo, WindowCounters
from voicebridge.domain.units import SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from voicebridge.domain.utterance import DecodeKind, Transcript, Word
from voicebridge.settings.schema import WhisperSettings
from voicebridge.speech.guard import Doubt, DoubtCode, Gate, doubt, doubt_of_gate
from voicebridge.speech.structure import verify_structure
from voicebridge.speech.unchanged import verify_unchanged
from voicebridge.speech.whisper_decode import Decoder, Heard, Ways, Written
from voicebridge.speech.whisper_model import check_options, load_model, one_line
from voicebridge.speech.whisper_options import CHANGEABLE, TEMPERATURES
from voicebridge.speech.whisper_window import FULL_FRAMES, MAX_SECONDS

logger = logging.getLogger(__name__)

ENGINE = "whisper"
MIN_SAMPLES = seconds_to_samples(0.025)
"""Audio shorter than one window of the spectrum (25 ms) holds no speech."""
_MORE_MEMORY = "Take a smaller model (whisper.model), or raise the service's MemoryMax; `free -m` shows what there is."
_QUICKEST = Ways(TEMPERATURES[:1], beam_size=1)
"""How partials are decoded: they are many, and gone in a moment."""


class WhisperEngine:
    """Decodes with a CTranslate2 Whisper model from a folder. All calls come from one thread.

    With ``verify`` its files are compared with the checksums noted beside them, where there are any, before a load.
    """

    def __init__(self, settings: WhisperSettings, model_path: Path, *, verify: bool = True) -> None:
        self.counters = WindowCounters(fallbacks=dict.fromkeys(DoubtCode, 0))
        self._settings = settings
        self._path = model_path
        self._verify = verify
        self._gate: Gate = lambda _: ()
        self._decoder: Decoder | None = None
        self._newest: Written | None = None

    @property
    def info(self) -> EngineInfo:
        """The engine and the name of the model's folder."""
        return EngineInfo(ENGINE, self._path.name)

    def load(self) -> None:
        """Read the model. Raises SpeechError when the folder or a setting cannot be used."""
        verify_structure(self._path)
        if self._verify:
            verify_unchanged(self._path)
        self._decoder = Decoder(load_model(self._settings, self._path), self._settings)

    def apply(self, settings: WhisperSettings) -> bool:
        """Take other settings of a decode (CHANGEABLE) from the next one on. Always True.

        Raises SpeechError, and keeps the old ones, when the loaded model cannot do with them.
        """
        wanted = self._settings.model_copy(update={name: getattr(settings, name) for name in CHANGEABLE})
        if self._decoder is not None:
            check_options(self._decoder.loaded.model, wanted, self._path)
            self._decoder = Decoder(self._decoder.loaded, wanted)
        self._settings = wanted
        return True

    def doubt_also(self, rejects: Gate) -> None:
        """Decode again with the full window what these reasons speak against, too."""
        self._gate = rejects

    def decode(self, audio: Samples, start_sample: int) -> Transcript:  # noqa: ARG002 - words come in find_words
        """Decode up to 30 s of audio with one encoder pass, or two where a short window's result was not believed.

        Without words: see ``find_words``. Audio under 25 ms gives an empty transcript. Raises SpeechError before
        ``load``, for longer audio, and when CTranslate2 fails.
        """
        decoder = self._ready(audio)
        if len(audio) < MIN_SAMPLES:
            return self._nothing(DecodeKind.FINAL)
        meter = _Meter(decoder)
        with _told_as_ours("decode"):
            heard, why = self._hear(decoder, audio, meter)
        self._newest = heard.written
        return replace(self._transcript(heard, meter), fallback="" if why is None else str(why))

    def decode_partial(self, audio: Samples, start_sample: int) -> Transcript:  # noqa: ARG002 - as decode
        """Decode what an open utterance says so far: one encoder pass over its window, and no more.

        What the guard doubts gives no text. Else as ``decode``, whose newest encoder output is kept meanwhile.
        """
        decoder = self._ready(audio)
        if len(audio) < MIN_SAMPLES:
            return self._nothing(DecodeKind.PARTIAL)
        meter = _Meter(decoder)
        with _told_as_ours("decode"):
            sound = decoder.sound(audio)
            heard = decoder.hear(sound, decoder.window_frames(sound, partial=True), _QUICKEST)
        self.counters.partial += 1
        made = replace(self._transcript(heard, meter), kind=DecodeKind.PARTIAL)
        return made if doubt(heard.attempt) is None else replace(made, text="")

    def find_words(self, transcript: Transcript, audio: Samples, start_sample: int) -> tuple[Word, ...]:
        """Return the words of a transcript that ``decode`` returned for this audio, with their times.

        Costs an encoder pass when another ``decode`` came between. None where the settings want none. Raises
        SpeechError.
        """
        decoder = self._ready(audio)
        if not self._settings.word_timestamps or not transcript.text:
            return ()
        with _told_as_ours("find the words"):
            newest = self._newest
            if newest is None or newest.text != transcript.text or not np.array_equal(newest.sound.audio, audio):
                newest = decoder.written_again(audio, transcript)
            return decoder.words(newest, start_sample)

    def close(self) -> None:
        """Free the model."""
        self._decoder = None
        self._newest = None

    def _ready(self, audio: Samples) -> Decoder:
        if self._decoder is None:
            raise SpeechError("The whisper engine is not loaded.")
        if len(audio) > MAX_SECONDS * SAMPLE_RATE:
            seconds = samples_to_seconds(len(audio))
            raise SpeechError(f"Whisper hears at most {MAX_SECONDS} s at once, not {seconds:.1f} s.")
        return self._decoder

    def _hear(self, decoder: Decoder, audio: Samples, meter: "_Meter") -> tuple[Heard, Doubt | None]:
        """Return what is believed, and why it is not the short window's."""
        sound = decoder.sound(audio)
        frames, beam_size = decoder.window_frames(sound), self._settings.beam_size
        if frames >= FULL_FRAMES:
            self.counters.full += 1
            return decoder.hear(sound, FULL_FRAMES, Ways(TEMPERATURES, beam_size)), None
        self.counters.short += 1
        heard = decoder.hear(sound, frames, Ways(TEMPERATURES[:1], beam_size))
        why = doubt(heard.attempt) or doubt_of_gate(self._transcript(heard, meter), self._gate)
        if why is None:
            return heard, None
        self.counters.fallbacks[why.code] += 1
        logger.info("the window of %g s was not believed (%s); decoded in full", heard.window_seconds, why)
        return decoder.hear(sound, FULL_FRAMES, Ways(TEMPERATURES, beam_size)), why

    def _nothing(self, kind: DecodeKind) -> Transcript:
        return Transcript(text="", engine=ENGINE, model=self._path.name, decode_ms=0.0, kind=kind)

    def _transcript(self, heard: Heard, meter: "_Meter") -> Transcript:
        attempt = heard.attempt
        return Transcript(
            text=attempt.text,
            engine=ENGINE,
            model=self._path.name,
            decode_ms=meter.milliseconds,
            language=heard.language,
            language_probability=attempt.language_probability,
            avg_logprob=attempt.avg_logprob,
            no_speech_prob=attempt.no_speech_prob,
            compression_ratio=attempt.compression_ratio,
            temperature=heard.temperature,
            encoder_passes=meter.passes,
            window_seconds=heard.window_seconds,
        )


class _Meter:
    """Time and encoder passes since it was made."""

    def __init__(self, decoder: Decoder) -> None:
        self._encoder = decoder.loaded.encoder
        self._passes = self._encoder.passes
        self._started = time.perf_counter()

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self._started) * 1000

    @property
    def passes(self) -> int:
        return self._encoder.passes - self._passes


@contextmanager
def _told_as_ours(action: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise EngineStarvedError(f"Whisper got too little memory to {action}.", _MORE_MEMORY) from error
    except (RuntimeError, ValueError) as error:  # what CTranslate2 raises
        raise SpeechError(f"Whisper could not {action}: {one_line(error)}.") from error
