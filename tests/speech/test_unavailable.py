from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.engine import FakeEngine
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine, WindowCounters
from voicebridge.domain.utterance import DecodeKind, Transcript, Word
from voicebridge.settings import WhisperSettings
from voicebridge.speech.unavailable import UnavailableEngine

REASON = SpeechError("The whisper model base.en is not on disk.")
AUDIO = np.ones(16_000, np.int16)


class TunableEngine(FakeEngine):
    """Keeps the language it was given last."""

    language = ""

    def apply(self, settings: WhisperSettings) -> bool:
        self.language = settings.language
        return True


class Chooser:
    """Chooses what is there; nothing at first."""

    def __init__(self) -> None:
        self.there: Engine | None = None

    def __call__(self) -> Engine:
        if self.there is None:
            raise SpeechError("It is still not on disk.")
        return self.there


def test_every_use_says_why_there_is_none() -> None:
    engine = UnavailableEngine("whisper", "base.en", REASON)
    assert (engine.info.engine, engine.info.model) == ("whisper", "base.en")
    with pytest.raises(SpeechError, match="not on disk"):
        engine.load()
    with pytest.raises(SpeechError, match="not on disk"):
        engine.decode(AUDIO, 0)
    engine.close()


def test_each_load_chooses_anew_and_tells_the_newest_reason() -> None:
    engine = UnavailableEngine("whisper", "base.en", REASON, Chooser())
    for _ in range(2):
        with pytest.raises(SpeechError, match="still not"):
            engine.load()
    with pytest.raises(SpeechError, match="still not"):
        engine.decode(AUDIO, 0)
    assert engine.info.model == "base.en"


def test_it_becomes_the_engine_that_is_there_at_last() -> None:
    choose, there = Chooser(), FakeEngine()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    with pytest.raises(SpeechError):
        engine.load()
    choose.there = there
    engine.load()
    assert engine.info == there.info
    assert engine.decode(AUDIO, 0).text == "turn on the lights"
    engine.load()
    assert there.loads == 2
    engine.close()
    assert there.closes == 1


def test_an_engine_that_is_there_and_cannot_be_loaded_is_no_engine_yet() -> None:
    choose = Chooser()
    choose.there = FakeEngine(load_error=SpeechError("It is damaged."))
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    with pytest.raises(SpeechError, match="damaged"):
        engine.load()
    assert engine.info.engine == "whisper"
    choose.there = FakeEngine()
    engine.load()
    assert engine.info.engine == "fake"


def test_options_that_changed_meanwhile_reach_the_engine_when_it_is_there() -> None:
    choose, there = Chooser(), TunableEngine()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    assert engine.apply(WhisperSettings(language="de"))
    choose.there = there
    engine.load()
    assert there.language == "de"
    engine.apply(WhisperSettings(language="fr"))
    assert there.language == "fr"


class Skilled(FakeEngine):
    """Can do what the whisper engine can: words after the text, partials, doubts, windows."""

    def __init__(self) -> None:
        super().__init__()
        self.counters = WindowCounters(short=3)
        self.rejects: object = None

    def doubt_also(self, rejects: object) -> None:
        self.rejects = rejects

    def decode_partial(self, audio: Samples, start_sample: int) -> Transcript:
        return replace(self.decode(audio, start_sample), kind=DecodeKind.PARTIAL)

    def find_words(self, transcript: Transcript, audio: Samples, start_sample: int) -> tuple[Word, ...]:
        return (Word(transcript.text, start_sample, start_sample + len(audio), 0.5),)


def test_an_engine_that_came_late_does_all_that_it_can() -> None:
    choose, there = Chooser(), Skilled()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)

    def rejects(_: Transcript) -> tuple[str, ...]:
        return ()

    engine.doubt_also(rejects)
    with pytest.raises(SpeechError):
        engine.decode_partial(AUDIO, 0)
    choose.there = there
    engine.load()
    partial = engine.decode_partial(AUDIO, 0)
    assert partial.kind is DecodeKind.PARTIAL
    assert engine.find_words(partial, AUDIO, 7) == (Word(partial.text, 7, 16_007, 0.5),)
    assert there.rejects is rejects


def test_an_engine_that_came_late_and_can_do_less_is_asked_for_no_more() -> None:
    choose = Chooser()
    choose.there = FakeEngine()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    engine.doubt_also(lambda _: ())
    engine.load()
    partial = engine.decode_partial(AUDIO, 0)
    assert partial.words
    assert engine.find_words(partial, AUDIO, 0) == ()


def test_an_engine_that_takes_no_options_is_left_alone() -> None:
    choose = Chooser()
    choose.there = FakeEngine()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    engine.apply(WhisperSettings())
    engine.load()
    assert engine.apply(WhisperSettings())


def test_the_windows_of_an_engine_that_came_late_are_counted() -> None:
    choose, there = Chooser(), Skilled()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    assert engine.counters is None
    choose.there = there
    engine.load()
    assert engine.counters is there.counters


def test_an_engine_that_came_late_and_has_no_windows_counts_none() -> None:
    choose = Chooser()
    choose.there = FakeEngine()
    engine = UnavailableEngine("auto", "base.en", REASON, choose)
    engine.load()
    assert engine.counters is None
