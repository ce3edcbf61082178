"""Words are found after the text was delivered, and count as work until they are committed."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakes.engine import FakeEngine
from tests.pipeline.rig import SECONDS, Rig, transcribing, writing
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import SpeechError, StoreBusyError
from voicebridge.domain.events import UtteranceSettled, WordsFound
from voicebridge.domain.ports import UtteranceStore
from voicebridge.domain.utterance import Outcome, Status, Transcript, UtteranceRecord, Word
from voicebridge.pipeline import transcriber as module


class TextFirst(FakeEngine):
    """Decodes without words, and finds them when it is asked; ``finding`` is called in the middle of that."""

    def __init__(self, finding: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.finding = finding
        self.found: list[str] = []

    def decode(self, audio: Samples, start_sample: int) -> Transcript:
        made = super().decode(audio, start_sample)
        return Transcript(made.text, made.engine, made.model, made.decode_ms, made.language)

    def find_words(self, transcript: Transcript, audio: Samples, start_sample: int) -> tuple[Word, ...]:
        self.finding()
        self.found.append(transcript.text)
        step = len(audio) // 4
        return tuple(
            Word(text, start_sample + n * step, start_sample + (n + 1) * step, 0.5 + n / 10)
            for n, text in enumerate(transcript.text.split())
        )


def test_the_text_is_told_first_and_then_the_words() -> None:
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(TextFirst())
        pending = rig.add(1)
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        told = [event for event in rig.announced() if isinstance(event, UtteranceSettled | WordsFound)]
        record = rig.store.records[pending.utterance_id]
    settled, found = told
    assert isinstance(settled, UtteranceSettled)
    assert settled.record.words == ()
    assert isinstance(found, WordsFound)
    assert [word.text for word in found.words] == ["turn", "on", "the", "lights"]
    assert found.confidence == pytest.approx(0.65)
    assert record.words == found.words
    assert record.confidence == pytest.approx(0.65)


def test_the_text_is_committed_before_the_search_for_words_begins() -> None:
    with writing(Rig()) as rig:
        statuses: list[list[int]] = []
        engine = TextFirst(lambda: statuses.append(list(rig.with_status(Status.DONE))))
        transcriber = rig.transcriber(engine)
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
    assert statuses == [[1]]


def test_while_words_are_looked_for_it_is_not_idle_and_nothing_is_left_to_give_back() -> None:
    entered, gate = threading.Event(), threading.Event()

    def finding() -> None:
        entered.set()
        gate.wait(SECONDS)

    with writing(Rig()) as rig:
        transcriber = rig.transcriber(TextFirst(finding))
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert entered.wait(SECONDS)
            assert not transcriber.idle
            assert transcriber.current is None
            assert transcriber.decode_age_seconds(1e9) > 0
            gate.set()
            assert transcriber.wait_until_idle(SECONDS)


def test_a_stop_waits_for_the_words_of_what_was_decoded() -> None:
    entered, gate = threading.Event(), threading.Event()

    def finding() -> None:
        entered.set()
        gate.wait(SECONDS)

    with writing(Rig()) as rig:
        transcriber = rig.transcriber(TextFirst(finding))
        for start in (1, 2):
            transcriber.offer(rig.add(start))
        transcriber.start()
        assert entered.wait(SECONDS)
        transcriber.stop()
        gate.set()
        assert transcriber.join(SECONDS)
        assert rig.writer.drain(SECONDS)
    assert [len(rig.store.records[number].words) for number in (1, 2)] == [4, 0]
    assert rig.with_status(Status.PENDING) == [2]


def test_words_that_cannot_be_found_cost_no_text(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise SpeechError("There are no alignment heads.")

    with writing(Rig()) as rig:
        transcriber = rig.transcriber(TextFirst(fail))
        for start in (1, 2):
            transcriber.offer(rig.add(start))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
    assert rig.with_status(Status.DONE) == [1, 2]
    assert (transcriber.counters.words_failed, transcriber.counters.errors) == (2, 0)
    assert "the words of utterance 1 were not found: There are no alignment heads." in caplog.text


def test_a_locked_store_does_not_hold_the_search_for_words_for_long() -> None:
    with writing(Rig()) as rig:
        engine = TextFirst()
        transcriber = rig.transcriber(engine)
        transcriber.offer(rig.add(1))
        rig.store.refusal = StoreBusyError("The database is locked.")
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert engine.found == ["turn on the lights"]
            assert rig.with_status(Status.DONE) == []
            rig.store.refusal = None
            assert rig.writer.drain(SECONDS)
        assert len(rig.store.records[1].words) == 4
    assert module.DELIVERY_WAIT_SECONDS < module.COMMIT_WAIT_SECONDS


def test_words_of_an_utterance_that_was_forgotten_are_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    with writing(Rig()) as rig:
        pending = rig.add(1)
        transcriber = rig.transcriber(TextFirst(lambda: rig.store.forget(pending.utterance_id)))
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        assert not [event for event in rig.announced() if isinstance(event, WordsFound)]
    assert (rig.writer.given_up, caplog.text) == (0, "")


def test_words_for_which_the_store_takes_nothing_more_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    entered, gate = threading.Event(), threading.Event()

    def finding() -> None:
        entered.set()
        gate.wait(SECONDS)

    rig = Rig()
    transcriber = rig.transcriber(TextFirst(finding))
    with writing(rig):
        transcriber.offer(rig.add(1))
        transcriber.start()
        assert entered.wait(SECONDS)
    gate.set()
    transcriber.stop()
    assert transcriber.join(SECONDS)
    assert transcriber.counters.words_failed == 1
    assert "the words of utterance 1 are lost" in caplog.text


def test_words_that_were_not_stored_are_not_told() -> None:
    with writing(Rig()) as rig:
        pending = rig.add(1)

        def decode_anew() -> None:
            assert rig.writer.drain(SECONDS)
            rig.store.records[pending.utterance_id] = replace(
                rig.store.records[pending.utterance_id], text="turn it off"
            )

        transcriber = rig.transcriber(TextFirst(decode_anew))
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        assert [type(event) for event in rig.announced() if isinstance(event, UtteranceSettled | WordsFound)] == [
            UtteranceSettled
        ]
    assert rig.store.records[pending.utterance_id].words == ()


class WordlessStore:
    """A store that keeps no words later."""

    def __init__(self, store: UtteranceStore) -> None:
        self.add_pending, self.pending = store.add_pending, store.pending
        self.begin_attempt, self.return_attempt = store.begin_attempt, store.return_attempt
        self._store = store

    def settle(self, outcome: Outcome) -> UtteranceRecord:
        return self._store.settle(outcome)


def test_a_store_that_keeps_no_words_is_given_none() -> None:
    with writing(Rig()) as rig:
        pending = rig.add(1)
        object.__setattr__(rig.shelf, "utterances", WordlessStore(rig.store))
        transcriber = rig.transcriber(TextFirst())
        transcriber.offer(pending)
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
            assert rig.writer.drain(SECONDS)
        assert not [event for event in rig.announced() if isinstance(event, WordsFound)]
    assert rig.with_status(Status.DONE) == [1]


def test_an_empty_text_has_no_words_to_look_for() -> None:
    class Silent(TextFirst):
        def decode(self, audio: Samples, start_sample: int) -> Transcript:
            return Transcript("", "fake", "script", 1.0)

    engine = Silent()
    with writing(Rig()) as rig:
        transcriber = rig.transcriber(engine)
        transcriber.offer(rig.add(1))
        with transcribing(transcriber):
            assert transcriber.wait_until_idle(SECONDS)
    assert engine.found == []
