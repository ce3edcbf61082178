import numpy as np
import pytest

from tests.fakes.engine import FakeEngine
from voicebridge.domain.errors import SpeechError
from voicebridge.domain.ports import Engine
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


def test_an_engine_that_takes_no_options_is_left_alone() -> None:
    choose = Chooser()
    choose.there = FakeEngine()
    engine = UnavailableEngine("whisper", "base.en", REASON, choose)
    engine.apply(WhisperSettings())
    engine.load()
    assert engine.apply(WhisperSettings())
