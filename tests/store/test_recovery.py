"""What an earlier process left behind, and what becomes of it."""

import socket
from contextlib import closing
from dataclasses import replace

import pytest

from tests.fakes.states import State, equal
from tests.fakes.utterances import NOON, done, noise, transcript
from voicebridge.domain.audio import Span
from voicebridge.domain.utterance import EndReason, Outcome, Status, UtteranceKey
from voicebridge.store.search import find
from voicebridge.store.sessions import end_session


def test_after_an_orderly_stop_there_is_nothing_to_do(state: State) -> None:
    state.hear()
    end_session(state.db, state.session_id, "clean", NOON)
    recovery = state.recover()
    assert recovery.pending == []
    assert (recovery.crashed_sessions, recovery.interrupted, recovery.settled_leftovers) == (0, 0, 0)


def test_what_was_found_is_told_in_a_sentence(state: State) -> None:
    assert str(state.recover()) == "sessions without an end: 1"
    state.spool.append(UtteranceKey(state.session_id, 320_000), NOON, noise(1))
    lost = state.add()
    state.spool.discard(UtteranceKey(state.session_id, 16_000))
    state.spool.file_of(UtteranceKey(5, 0)).write_bytes(b"x" * 100)
    assert str(state.recover()) == (
        "utterances that were interrupted, pending as far as they were heard: 1; "
        f"utterances set aside as failed: 1 (ids {lost}); "
        "unreadable files in the spool, renamed to *.unreadable: 1"
    )
    assert str(state.recover()) == ""


def test_a_session_without_an_end_has_crashed_at_its_last_sign_of_life(state: State) -> None:
    state.hear(start=10.0)
    assert state.recover().crashed_sessions == 1
    row = state.db.conn.execute("SELECT ending, ended_at FROM sessions").fetchone()
    assert row == ("crashed", NOON + 12.0)


def test_an_open_utterance_becomes_pending_as_far_as_it_was_spooled(state: State) -> None:
    key = UtteranceKey(state.session_id, 32_000)
    state.spool.append(key, NOON + 2, noise(1.5))
    recovery = state.recover()
    (pending,) = recovery.pending
    assert recovery.interrupted == 1
    assert pending.recovered
    assert pending.ended.span == pending.ended.speech == Span(32_000, 56_000)
    assert pending.ended.reason is EndReason.INTERRUPTED
    assert pending.ended.speech_ratio == 1.0
    assert (pending.ended.started_at, pending.ended.ended_at) == (NOON + 2, NOON + 3.5)
    assert equal(state.spool.read(key), noise(1.5))


def test_an_interrupted_utterance_does_not_end_in_the_future(state: State) -> None:
    key = UtteranceKey(state.session_id, 32_000)
    state.spool.append(key, NOON + 99, noise(20))  # of a file, heard in a moment
    (pending,) = state.recover().pending
    assert (pending.ended.started_at, pending.ended.ended_at) == (NOON + 99, NOON + 100)


def test_less_than_a_tenth_of_a_second_is_no_utterance(state: State) -> None:
    state.spool.append(UtteranceKey(state.session_id, 0), NOON, noise(0.099))
    state.spool.file_of(UtteranceKey(state.session_id, 7)).write_bytes(b"VB")
    recovery = state.recover()
    assert (recovery.too_short, recovery.pending) == (2, [])
    assert state.files() == []


def settle_before_its_words(state: State, start: float, engine: str = "whisper") -> int:
    made = replace(transcript(start=start), words=(), engine=engine)
    return state.store.settle(Outcome(state.add(start), Status.DONE, made)).utterance_id


def test_texts_whose_words_were_still_looked_for_are_counted(state: State) -> None:
    for start in (1.0, 5.0):
        assert state.store.add_words(settle_before_its_words(state, start), transcript(start=start).words)
    for start in (9.0, 13.0):
        settle_before_its_words(state, start)
    state.add(17.0)
    recovery = state.recover()
    assert recovery.without_words == 2
    assert "utterances whose words were not stored yet: 2" in str(recovery)
    assert state.recover().without_words == 0


@pytest.mark.parametrize(("engine", "ending"), [("whisper", ""), ("sphinx", ""), ("whisper", "clean")])
def test_no_words_are_missed_where_none_was_to_come(state: State, engine: str, ending: str) -> None:
    if engine == "sphinx" or ending:
        assert state.store.add_words(settle_before_its_words(state, 1.0), transcript().words)
    settle_before_its_words(state, 5.0, engine)
    if ending:
        end_session(state.db, state.session_id, ending, NOON)
    assert state.recover().without_words == 0


def test_a_pending_utterance_is_decoded_by_the_next_process(state: State) -> None:
    utterance_id = state.add()
    state.store.begin_attempt(utterance_id)
    (pending,) = state.recover().pending
    assert (pending.utterance_id, pending.attempts, pending.recovered) == (utterance_id, 1, True)
    assert pending.ended.reason is EndReason.HANGOVER


def test_what_killed_the_process_too_often_is_set_aside_with_its_audio(state: State) -> None:
    utterance_id = state.add()
    for _ in range(3):
        state.store.begin_attempt(utterance_id)
    recovery = state.recover(max_attempts=3)
    record = find(state.db, utterance_id)
    assert (recovery.failed, recovery.pending) == ([utterance_id], [])
    assert record is not None
    assert (record.status, record.reasons) == (Status.FAILED, ("3 decodes of it did not come back",))
    assert len(state.files()) == 1


def test_a_pending_utterance_without_audio_is_failed_for_that_reason(state: State) -> None:
    utterance_id = state.add()
    state.spool.discard(UtteranceKey(state.session_id, 16_000))
    assert state.recover().failed == [utterance_id]
    record = find(state.db, utterance_id)
    assert record is not None
    assert record.reasons == ("its audio is missing from the spool",)


def test_audio_that_should_have_been_let_go_is_deleted(state: State) -> None:
    state.hear()
    state.spool.append(UtteranceKey(state.session_id, 16_000), NOON, noise(2))
    assert state.recover().settled_leftovers == 1
    assert state.files() == []


def test_kept_audio_whose_commit_did_not_happen_is_deleted(keeping: State) -> None:
    utterance_id = keeping.add()
    keeping.kept.write(utterance_id, noise(2))
    recovery = keeping.recover()
    assert recovery.settled_leftovers == 1
    assert [pending.utterance_id for pending in recovery.pending] == [utterance_id]
    assert keeping.files() == ["spool/00000001-000000016000.pcm"]


def test_kept_audio_of_a_database_that_was_moved_away_stays_and_keeps_its_name(keeping: State) -> None:
    path = keeping.kept.write(41, noise(2, seed=3))
    assert keeping.recover().settled_leftovers == 0
    assert equal(keeping.kept.read(path), noise(2, seed=3))
    assert keeping.hear().utterance_id == 42
    assert keeping.recover().settled_leftovers == 0
    assert keeping.files() == ["audio/00000041.wav", "audio/00000042.wav"]


def test_the_audio_of_a_failed_utterance_stays(state: State) -> None:
    state.hear(status=Status.FAILED)
    assert state.recover().pending == []
    assert len(state.files()) == 1


def test_audio_of_a_database_that_was_moved_away_is_decoded_all_the_same(state: State) -> None:
    state.spool.append(UtteranceKey(77, 0), NOON, noise(1))
    (pending,) = state.recover().pending
    assert pending.ended.key == UtteranceKey(77, 0)
    assert state.db.conn.execute("SELECT ending FROM sessions WHERE id = 77").fetchone() == ("crashed",)


def test_a_file_that_is_not_ours_is_moved_aside_and_counted(state: State) -> None:
    path = state.spool.file_of(UtteranceKey(5, 0))
    path.write_bytes(b"x" * 100)
    assert state.recover().unreadable == 1
    assert not path.exists()
    assert path.with_name(path.name + ".unreadable").read_bytes() == b"x" * 100
    assert state.recover().unreadable == 0


@pytest.mark.parametrize("times", [2, 3])
def test_recovering_again_finds_the_same(state: State, times: int) -> None:
    state.add(1.0)
    state.spool.append(UtteranceKey(state.session_id, 160_000), NOON, noise(1))
    first = state.recover().pending
    for _ in range(times - 1):
        assert state.recover().pending == first


def test_a_recovered_utterance_can_be_settled(state: State) -> None:
    state.spool.append(UtteranceKey(state.session_id, 0), NOON, noise(1))
    (pending,) = state.recover().pending
    state.store.settle(done(pending.utterance_id))
    assert state.files() == []
    settled = state.store.settle(Outcome(pending.utterance_id, Status.FAILED, None, ("late",)))
    assert settled.status is Status.DONE


def test_what_cannot_be_read_for_now_is_left_where_it_is(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    utterance_id = state.add()
    path = state.spool.file_of(UtteranceKey(state.session_id, 16_000))
    audio = path.read_bytes()
    path.unlink()
    with closing(socket.socket(socket.AF_UNIX)) as unreadable:
        # Opening it fails, also for root, as a file on a bad block or of another owner does.
        monkeypatch.chdir(path.parent)  # the name of a socket may not be long
        unreadable.bind(path.name)
        recovery = state.recover()
        assert (recovery.unreachable, recovery.unreadable, recovery.failed) == (1, 0, [])
        assert "files in the spool that cannot be read for now: 1" in str(recovery)
        path.unlink()
    path.write_bytes(audio)
    assert [pending.utterance_id for pending in state.recover().pending] == [utterance_id]
