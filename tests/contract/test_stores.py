"""What every store does, the real one and its fake."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.store import MemorySessionLog, MemorySpool, MemoryStore
from tests.fakes.utterances import done, ended, noise, transcript
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.errors import StoreError, UtteranceGoneError
from voicebridge.domain.ports import SessionLog, Spool, UtteranceStore, WordStore
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.utterance import DecodeKind, Outcome, Status, UtteranceRecord, Word
from voicebridge.store.database import open_database
from voicebridge.store.retention import KeptAudio, Retention
from voicebridge.store.sessions import SessionInfo, SqliteSessionLog, begin_session
from voicebridge.store.spool import DirectorySpool
from voicebridge.store.utterances import SqliteStore

NOW = 1000.5
"""What the monotonic clock says in these tests."""


@dataclass
class Shelf:
    """One store behind its three ports."""

    spool: Spool
    utterances: UtteranceStore
    words: WordStore
    log: SessionLog


@pytest.fixture(params=["sqlite", "memory"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    if request.param == "memory":
        memory = MemorySpool()
        utterances = MemoryStore(memory, lambda: NOW)
        yield Shelf(memory, utterances, utterances, MemorySessionLog())
        return
    db = open_database(tmp_path / "voicebridge.db")
    session_id = begin_session(db, SessionInfo("1", "box", "b", "microphone", "d", 1), 0.0)
    spool = DirectorySpool(tmp_path / "spool")
    kept = KeptAudio(tmp_path, Retention(keeps=False))
    store = SqliteStore(db, spool, kept, lambda: NOW)
    yield Shelf(spool, store, store, SqliteSessionLog(db, session_id))
    spool.close()
    db.close()


def add(shelf: Shelf, start: float = 1.0) -> int:
    """Spool two seconds and commit them as pending."""
    utterance = ended(start, start + 2)
    shelf.spool.append(utterance.key, utterance.started_at, noise(2))
    shelf.spool.seal(utterance.key, utterance.span.samples)
    return shelf.utterances.add_pending(utterance).utterance_id


def test_audio_is_read_back_as_it_was_appended(shelf: Shelf) -> None:
    key = ended().key
    shelf.spool.append(key, 0.0, noise(0.5, seed=1))
    shelf.spool.append(key, 0.0, noise(0.5, seed=2))
    assert np.array_equal(shelf.spool.read(key), np.concatenate([noise(0.5, seed=1), noise(0.5, seed=2)]))


def test_sealing_cuts_to_the_final_length(shelf: Shelf) -> None:
    key = ended().key
    shelf.spool.append(key, 0.0, noise(2))
    shelf.spool.seal(key, 16_000)
    shelf.spool.seal(key, 16_000)
    assert np.array_equal(shelf.spool.read(key), noise(2)[:16_000])


def test_sealing_invents_no_audio(shelf: Shelf) -> None:
    key = ended().key
    shelf.spool.append(key, 0.0, noise(1))
    with pytest.raises(ValueError, match="16000 samples, not 16001"):
        shelf.spool.seal(key, 16_001)


def test_discarded_audio_is_gone_and_discarding_twice_is_harmless(shelf: Shelf) -> None:
    key = ended().key
    shelf.spool.append(key, 0.0, noise(1))
    shelf.spool.discard(key)
    shelf.spool.discard(key)
    with pytest.raises(StoreError, match="not in the spool"):
        shelf.spool.read(key)


def test_sealing_what_is_not_there_is_an_error(shelf: Shelf) -> None:
    with pytest.raises(StoreError, match="not in the spool"):
        shelf.spool.seal(ended().key, 1)


def test_two_utterances_may_be_open_at_once(shelf: Shelf) -> None:
    first, second = ended(1).key, ended(5, 7).key
    for seed in range(3):
        shelf.spool.append(first, 0.0, noise(0.1, seed))
        shelf.spool.append(second, 0.0, noise(0.1, seed + 10))
    assert np.array_equal(shelf.spool.read(second), np.concatenate([noise(0.1, s) for s in (10, 11, 12)]))


def test_an_added_utterance_is_pending(shelf: Shelf) -> None:
    utterance_id = add(shelf)
    (pending,) = shelf.utterances.pending(0, 10)
    assert (pending.utterance_id, pending.ended, pending.attempts) == (utterance_id, ended(), 0)
    assert not pending.recovered


def test_adding_an_utterance_again_adds_nothing(shelf: Shelf) -> None:
    assert add(shelf) == shelf.utterances.add_pending(ended()).utterance_id
    assert len(shelf.utterances.pending(0, 10)) == 1


def test_pending_utterances_come_in_pages(shelf: Shelf) -> None:
    ids = [add(shelf, start) for start in (1, 4, 7)]
    assert [p.utterance_id for p in shelf.utterances.pending(0, 2)] == ids[:2]
    assert [p.utterance_id for p in shelf.utterances.pending(ids[1], 2)] == ids[2:]


def test_attempts_are_counted_and_given_back(shelf: Shelf) -> None:
    utterance_id = add(shelf)
    shelf.utterances.begin_attempt(utterance_id)
    shelf.utterances.begin_attempt(utterance_id)
    shelf.utterances.return_attempt(utterance_id)
    assert shelf.utterances.pending(0, 1)[0].attempts == 1


def test_attempts_never_go_below_nought(shelf: Shelf) -> None:
    utterance_id = add(shelf)
    shelf.utterances.return_attempt(utterance_id)
    assert shelf.utterances.pending(0, 1)[0].attempts == 0


def test_a_settled_utterance_holds_its_transcript(shelf: Shelf) -> None:
    utterance_id = add(shelf)
    record = shelf.utterances.settle(done(utterance_id, "turn on the light"))
    expected = transcript("turn on the light")
    assert record.status is Status.DONE
    assert (record.text, record.words, record.confidence) == ("turn on the light", expected.words, 0.5)
    assert (record.language, record.engine, record.model, record.decode_ms) == ("en", "whisper", "small", 120.0)
    assert (record.avg_logprob, record.no_speech_prob, record.compression_ratio) == (-0.25, 0.01, 1.1)
    assert record.span == ended().span
    assert record.audio_path is None
    assert shelf.utterances.pending(0, 10) == []


def test_a_settled_utterance_tells_how_it_was_decoded(shelf: Shelf) -> None:
    made = replace(transcript(), window_seconds=10.0, fallback="empty", kind=DecodeKind.SPECULATIVE)
    record = shelf.utterances.settle(Outcome(add(shelf), Status.DONE, made))
    assert (record.window_seconds, record.fallback, record.kind) == (10.0, "empty", DecodeKind.SPECULATIVE)


def test_an_engine_without_a_window_tells_of_none(shelf: Shelf) -> None:
    record = shelf.utterances.settle(done(add(shelf)))
    assert (record.window_seconds, record.fallback, record.kind) == (None, "", DecodeKind.FINAL)


def settle_without_words(shelf: Shelf, status: Status = Status.DONE, start: float = 1.0) -> UtteranceRecord:
    outcome = Outcome(add(shelf, start), status, replace(transcript(), words=()))
    return shelf.utterances.settle(outcome)


def stored(shelf: Shelf, utterance_id: int) -> UtteranceRecord:
    """Return how it is now: settling again changes nothing."""
    return shelf.utterances.settle(done(utterance_id, "something else"))


@pytest.mark.parametrize("status", [Status.DONE, Status.REJECTED])
def test_words_and_confidence_may_come_after_the_text(shelf: Shelf, status: Status) -> None:
    before = settle_without_words(shelf, status)
    assert (before.words, before.confidence) == ((), None)
    assert shelf.words.add_words(before.utterance_id, transcript().words)
    expected = replace(before, words=transcript().words, confidence=0.5)
    assert stored(shelf, before.utterance_id) == expected


def test_adding_words_again_changes_nothing(shelf: Shelf) -> None:
    utterance_id = settle_without_words(shelf).utterance_id
    assert shelf.words.add_words(utterance_id, transcript().words)
    assert shelf.words.add_words(utterance_id, transcript().words)
    assert not shelf.words.add_words(utterance_id, transcript(start=1.5).words)
    assert stored(shelf, utterance_id).words == transcript().words


def test_words_of_another_text_are_left_out(shelf: Shelf) -> None:
    record = settle_without_words(shelf)
    assert not shelf.words.add_words(record.utterance_id, transcript("turn off the light").words)
    assert not shelf.words.add_words(record.utterance_id, ())
    assert stored(shelf, record.utterance_id) == record


def test_words_make_up_a_text_that_is_written_without_spaces_or_composed_otherwise(shelf: Shelf) -> None:
    made = replace(transcript(), text="\u660e\u5929 cafe\u0301", words=())
    utterance_id = shelf.utterances.settle(Outcome(add(shelf), Status.DONE, made)).utterance_id
    words = tuple(Word(text, 0, 9, 0.5) for text in ("\u660e", "\u5929", "caf\u00e9"))
    shelf.words.add_words(utterance_id, words)
    assert stored(shelf, utterance_id).words == words


def test_words_of_what_waits_or_failed_are_left_out(shelf: Shelf) -> None:
    waiting = add(shelf, 1.0)
    assert not shelf.words.add_words(waiting, transcript().words)
    failed = shelf.utterances.settle(Outcome(add(shelf, 5.0), Status.FAILED, None, ("no",))).utterance_id
    assert not shelf.words.add_words(failed, transcript().words)
    assert stored(shelf, failed).words == ()
    assert shelf.utterances.settle(Outcome(waiting, Status.DONE, replace(transcript(), words=()))).words == ()


def test_words_of_an_utterance_that_is_not_there_are_refused_as_gone(shelf: Shelf) -> None:
    with pytest.raises(UtteranceGoneError, match="7"):
        shelf.words.add_words(7, transcript().words)


def test_the_delay_runs_from_the_end_of_speech_to_the_commit(shelf: Shelf) -> None:
    record = shelf.utterances.settle(done(add(shelf), spoken=NOW - 0.25))
    assert record.delay_ms == pytest.approx(250)


def test_where_time_does_not_apply_there_is_no_delay(shelf: Shelf) -> None:
    assert shelf.utterances.settle(done(add(shelf))).delay_ms is None


def test_audio_is_let_go_when_the_text_is_committed(shelf: Shelf) -> None:
    shelf.utterances.settle(done(add(shelf)))
    with pytest.raises(StoreError, match="not in the spool"):
        shelf.spool.read(ended().key)


def test_a_rejected_utterance_keeps_its_text_and_reasons(shelf: Shelf) -> None:
    utterance_id = add(shelf)
    outcome = Outcome(utterance_id, Status.REJECTED, transcript("thanks for watching"), ("no speech", "repeats"))
    record = shelf.utterances.settle(outcome)
    assert (record.status, record.text) == (Status.REJECTED, "thanks for watching")
    assert record.reasons == ("no speech", "repeats")


def test_a_failed_utterance_keeps_its_audio(shelf: Shelf) -> None:
    record = shelf.utterances.settle(Outcome(add(shelf), Status.FAILED, None, ("the engine died",)))
    assert (record.status, record.text, record.reasons) == (Status.FAILED, None, ("the engine died",))
    assert np.array_equal(shelf.spool.read(ended().key), noise(2))


def test_settling_again_changes_nothing(shelf: Shelf) -> None:
    utterance_id = add(shelf)
    first = shelf.utterances.settle(done(utterance_id, "first", spoken=NOW - 1))
    assert shelf.utterances.settle(done(utterance_id, "second", spoken=NOW - 2)) == first


@pytest.mark.parametrize("call", ["settle", "begin_attempt", "return_attempt"])
def test_an_utterance_that_is_not_there_is_gone(shelf: Shelf, call: str) -> None:
    with pytest.raises(UtteranceGoneError, match="7"):
        getattr(shelf.utterances, call)(done(7) if call == "settle" else 7)


def test_the_log_takes_gaps_events_and_anchors(shelf: Shelf) -> None:
    shelf.log.add_gap(Gap(Span(0, 320), GapReason.OVERRUN))
    shelf.log.add_event("device_lost", "the microphone is gone")
    shelf.log.add_anchor(Anchor(0, 1.0, 2.0))
