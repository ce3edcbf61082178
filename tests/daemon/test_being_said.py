"""What is being said, in whole sessions: the small Whisper, real threads, a command at the pace of time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.children import FIRST, silence, write_wav
from voicebridge.daemon.assembly import audio_file
from voicebridge.daemon.session import Orders, Started, hear
from voicebridge.domain.events import Event, PartialHeard, UtteranceSettled, WordsFound
from voicebridge.domain.utterance import DecodeKind, UtteranceKey
from voicebridge.pipeline.partials import PartialsCounters
from voicebridge.settings import EngineSettings, Settings, WhisperSettings
from voicebridge.settings.schema import PartialsSettings
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.speech_corpus import say

SETTINGS = Settings(
    engine=EngineSettings(kind="whisper"),
    whisper=WhisperSettings(model=str(WHISPER_COMMANDS)),
    partials=PartialsSettings(every_ms=200, load_share=1.0),
)


class Session:
    """A session that has ended, with what it announced."""

    def __init__(self, folder: Path, path: Path, settings: Settings, *, partials: bool) -> None:
        self.events: list[Event] = []
        self._started: list[Started] = []
        orders = Orders(settings, folder / "state", audio_file(path, realtime=True), partials=partials)
        hear(orders, self.events.append, self._started.append)

    @property
    def partials(self) -> list[PartialHeard]:
        return [event for event in self.events if isinstance(event, PartialHeard)]

    @property
    def counters(self) -> PartialsCounters:
        early = self._started[0].daemon.crew.transcriber.early
        assert early.partials is not None
        return early.partials.counters

    def settled(self) -> Iterator[tuple[int, UtteranceSettled]]:
        """Yield what was settled, with its place among the events."""
        return ((place, event) for place, event in enumerate(self.events) if isinstance(event, UtteranceSettled))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A command after time enough for the model to be loaded."""
    folder = tmp_path_factory.mktemp("spoken")
    return write_wav(folder / "spoken.wav", np.concatenate([silence(2.0), say(FIRST), silence(1.0)]))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, spoken: Path) -> Session:
    return Session(tmp_path_factory.mktemp("read"), spoken, SETTINGS, partials=True)


def test_what_is_being_said_is_told_before_it_has_ended(session: Session) -> None:
    ((place, settled),) = session.settled()
    key = UtteranceKey(settled.record.session_id, settled.record.start_sample)
    assert {partial.key for partial in session.partials} == {key}
    assert settled.record.text == FIRST
    assert not any(isinstance(event, PartialHeard) for event in session.events[place:])
    assert all(partial.end_sample <= settled.record.end_sample for partial in session.partials)
    assert any(partial.stable + partial.tentative for partial in session.partials)


def test_what_is_stable_only_grows(session: Session) -> None:
    stable = ""
    for partial in session.partials:
        assert partial.stable.startswith(stable)
        stable = partial.stable
    assert session.counters.stable_revisions == 0


def test_partials_are_no_decodes_of_the_text_and_its_words_come_after_it(session: Session) -> None:
    ((place, settled),) = session.settled()
    assert settled.record.kind in (DecodeKind.SPECULATIVE, DecodeKind.FINAL)
    assert settled.record.attempts <= 1
    ((found_at, found),) = [(n, event) for n, event in enumerate(session.events) if isinstance(event, WordsFound)]
    assert found_at > place
    assert " ".join(word.text for word in found.words) == FIRST


def test_nothing_is_decoded_for_nobody(tmp_path: Path, spoken: Path) -> None:
    session = Session(tmp_path, spoken, SETTINGS, partials=False)
    assert (session.partials, session.counters.decoded) == ([], 0)
    assert len(list(session.settled())) == 1


def test_they_can_be_switched_off_for_those_who_would_read_them(tmp_path: Path, spoken: Path) -> None:
    off = SETTINGS.model_copy(update={"partials": PartialsSettings(mode="off")})
    assert Session(tmp_path, spoken, off, partials=True).counters.decoded == 0
