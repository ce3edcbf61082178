"""Forgetting: what was forgotten is nowhere in the state directory any more."""

import dataclasses
from pathlib import Path

import pytest

from tests.fakes.states import INFO, State, bytes_in, pcm, state_in
from tests.fakes.utterances import NOON, done, noise
from voicebridge.domain.errors import UtteranceGoneError
from voicebridge.domain.utterance import Status, UtteranceKey
from voicebridge.settings.paths import database_path
from voicebridge.store.database import open_database
from voicebridge.store.forget import CHECKPOINT_TRIES, Selection, count, forget
from voicebridge.store.lock import StateLock
from voicebridge.store.retention import Retention, purge
from voicebridge.store.search import SearchQuery, find, search
from voicebridge.store.sessions import SqliteSessionLog, begin_session, end_session
from voicebridge.store.utterances import SqliteStore

SECRET = "zanzibar quicksilver"


def forget_now(state: State, selection: Selection) -> object:
    return forget(state.db, state.path, selection, pause=lambda _: None)


def others(state: State, many: int) -> None:
    for number in range(many):
        state.hear(f"ordinary talk number {number} about lights", start=10.0 + 3 * number)


@pytest.mark.parametrize("status", [Status.DONE, Status.REJECTED])
def test_nothing_of_a_forgotten_utterance_stays_in_any_file(keeping: State, status: Status) -> None:
    others(keeping, 5)
    secret = keeping.hear(SECRET, status=status, seed=9)
    others(keeping, 1)
    before = bytes_in(keeping.path)
    assert b"zanzibar" in before
    assert pcm(seed=9) in before
    done_ = forget(keeping.db, keeping.path, Selection(ids=(secret.utterance_id,)))
    after = bytes_in(keeping.path)
    assert not any(word in after.lower() for word in (b"zanzibar", b"quicksilver"))
    assert pcm(seed=9) not in after
    assert (done_.utterances, done_.audio_files, done_.events, done_.log_is_clean) == (1, 1, 0, True)
    assert Path(f"{database_path(keeping.path)}-wal").stat().st_size == 0


def test_what_was_not_meant_stays(keeping: State) -> None:
    others(keeping, 3)
    secret = keeping.hear(SECRET)
    forget_now(keeping, Selection(ids=(secret.utterance_id,)))
    assert len(search(keeping.db, "ordinary", SearchQuery())) == 3
    assert len(keeping.files()) == 3
    assert keeping.db.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    keeping.db.conn.execute("INSERT INTO utterances_fts (utterances_fts, rank) VALUES ('integrity-check', 1)")


def test_a_token_shared_with_other_utterances_is_still_found(state: State) -> None:
    first = state.hear("turn on the light")
    second = state.hear("the light is on", start=5.0)
    forget_now(state, Selection(ids=(first.utterance_id,)))
    assert [hit.record for hit in search(state.db, "light", SearchQuery())] == [second]


def test_pending_and_failed_ones_are_forgotten_with_their_audio(state: State) -> None:
    state.hear(status=Status.FAILED, seed=3)
    state.add(start=5.0, seed=4)
    forget_now(state, Selection(everything=True))
    assert state.files() == []
    assert pcm(seed=3) not in bytes_in(state.path)
    assert pcm(seed=4) not in bytes_in(state.path)


def test_a_forgotten_pending_utterance_does_not_come_back(state: State) -> None:
    utterance_id = state.add()
    state.store.begin_attempt(utterance_id)
    forget_now(state, Selection(ids=(utterance_id,)))
    with pytest.raises(UtteranceGoneError):
        state.store.settle(done(utterance_id, SECRET))
    assert find(state.db, utterance_id) is None
    assert state.recover().pending == []


def test_audio_that_is_being_kept_while_its_utterance_is_forgotten_is_deleted(keeping: State) -> None:
    utterance_id = keeping.add()

    def forgotten_meanwhile() -> float:
        # The store looks at this clock inside its transaction, when the audio has been written.
        keeping.db.conn.execute("DELETE FROM utterances")
        return NOON

    store = SqliteStore(keeping.db, keeping.spool, keeping.kept, realtime_seconds=forgotten_meanwhile)
    with pytest.raises(UtteranceGoneError):
        store.settle(done(utterance_id))
    assert not [name for name in keeping.files() if name.endswith(".wav")]


def test_a_stretch_of_time_takes_what_touches_it(state: State) -> None:
    for start in (0.0, 5.0, 10.0):
        state.hear(f"at {start:g}", start=start)
    selection = Selection(since=NOON + 6, until=NOON + 10)
    assert count(state.db, selection) == 1
    forget_now(state, selection)
    assert [row[0] for row in state.db.conn.execute("SELECT text FROM utterances ORDER BY id")] == ["at 0", "at 10"]


def test_a_selection_of_more_than_a_page_is_forgotten_whole(state: State) -> None:
    with state.db.atomic():
        for start in range(450):
            state.db.conn.execute(
                "INSERT INTO utterances (session_id, status, start_sample, end_sample, speech_start, speech_end, "
                "speech_ratio, end_reason, started_at, ended_at, text) "
                "VALUES (1, 'done', ?, ?, 0, 0, 1, 'hangover', ?, ?, 'zanzibar')",
                (start, start + 1, NOON + start, NOON + start + 1),
            )
    done_ = forget(state.db, state.path, Selection(since=NOON))
    assert done_.utterances == 450
    assert b"zanzibar" not in bytes_in(state.path)


def test_a_reader_that_holds_a_snapshot_is_waited_for_only_so_long_and_told_of(state: State) -> None:
    state.hear(SECRET)
    reader = open_database(database_path(state.path), read_only=True)
    reader.conn.execute("BEGIN")
    assert reader.conn.execute("SELECT count(*) FROM utterances").fetchone()[0] == 1
    pauses: list[float] = []
    done_ = forget(state.db, state.path, Selection(everything=True), pauses.append)
    assert not done_.log_is_clean
    assert len(pauses) == CHECKPOINT_TRIES - 1
    assert state.db.conn.execute("PRAGMA busy_timeout").fetchone()[0] == 5000
    reader.conn.execute("COMMIT")
    assert forget(state.db, state.path, Selection(everything=True)).log_is_clean
    assert b"zanzibar" not in bytes_in(state.path)
    reader.close()


def test_a_reader_that_ends_in_time_does_not_matter(state: State) -> None:
    state.hear(SECRET)
    reader = open_database(database_path(state.path), read_only=True)
    reader.conn.execute("BEGIN")
    reader.conn.execute("SELECT count(*) FROM utterances").fetchone()
    done_ = forget(state.db, state.path, Selection(everything=True), lambda _: reader.rollback())
    assert done_.log_is_clean
    reader.close()


def test_forgetting_leaves_events_alone_whatever_the_text_was(state: State) -> None:
    log = SqliteSessionLog(state.db, state.session_id)
    log.add_event("capture_lost", "the microphone is gone")
    log.add_event("engine_ready", "whisper small after 900 ms")
    said = state.hear("I")
    done_ = forget(state.db, state.path, Selection(ids=(said.utterance_id,)))
    assert (done_.utterances, done_.events) == (1, 0)
    kinds = state.db.conn.execute("SELECT kind FROM events ORDER BY id").fetchall()
    assert kinds == [("capture_lost",), ("engine_ready",)]


def test_the_last_minutes_are_those_before_now(state: State) -> None:
    for start in (0.0, 300.0, 900.0):  # each two seconds long
        state.hear(f"at {start:g}", start=start)
    assert count(state.db, Selection.heard_last(600, NOON + 610)) == 1
    assert count(state.db, Selection.heard_last(10, NOON + 610)) == 0
    assert count(state.db, Selection.heard_last(609, NOON + 610)) == 2


def another_session(state: State, source: str) -> int:
    return begin_session(state.db, dataclasses.replace(INFO, source=source), NOON)


def sources(state: State) -> list[str]:
    return [row[0] for row in state.db.conn.execute("SELECT source FROM sessions ORDER BY id")]


def test_the_name_of_a_source_goes_with_the_last_utterance_of_its_session(state: State) -> None:
    state.hear("of the microphone")
    state.session_id = another_session(state, "at-the-doctor.wav")
    first, last = state.hear(SECRET, start=5.0), state.hear("goodbye", start=10.0)
    assert forget(state.db, state.path, Selection(ids=(first.utterance_id,))).sources == 0
    assert sources(state) == ["microphone", "at-the-doctor.wav"]
    assert forget(state.db, state.path, Selection(ids=(last.utterance_id,))).sources == 1
    assert sources(state) == ["microphone", ""]
    assert b"doctor" not in bytes_in(state.path)
    assert state.db.conn.execute("SELECT started_at, host FROM sessions WHERE id = 2").fetchone() == (NOON, "box")


def test_everything_takes_the_names_of_all_sources(state: State) -> None:
    another_session(state, "silence.wav")
    assert forget(state.db, state.path, Selection(everything=True)).sources == 2
    assert sources(state) == ["", ""]
    assert b"silence.wav" not in bytes_in(state.path)


def test_the_session_of_a_running_daemon_keeps_the_name_of_its_source(state: State) -> None:
    end_session(state.db, state.session_id, "clean", NOON)
    another_session(state, "the microphone that hears now")
    with StateLock(state.path):
        assert forget(state.db, state.path, Selection(everything=True)).sources == 1
    assert sources(state) == ["", "the microphone that hears now"]


def test_everything_takes_the_events_and_left_over_audio_too(state: State) -> None:
    SqliteSessionLog(state.db, state.session_id).add_event("note", "whatever")
    state.spool.append(UtteranceKey(state.session_id, 0), NOON, noise(1))
    done_ = forget(state.db, state.path, Selection(everything=True))
    assert (done_.events, done_.audio_files, done_.open_left) == (1, 1, 0)
    assert state.files() == []


def test_what_the_running_daemon_is_hearing_is_left_to_it(state: State) -> None:
    state.spool.append(UtteranceKey(state.session_id, 0), NOON, noise(1))
    with StateLock(state.path):
        done_ = forget(state.db, state.path, Selection(since=NOON - 5))
    assert (done_.open_left, len(state.files())) == (1, 1)


@pytest.mark.parametrize("selection", [Selection(ids=(99,)), Selection(until=NOON - 5)])
def test_what_is_not_meant_by_ids_or_time_stays_open(state: State, selection: Selection) -> None:
    state.spool.append(UtteranceKey(state.session_id, 0), NOON, noise(1))
    assert forget(state.db, state.path, selection).utterances == 0
    assert len(state.files()) == 1


def test_expired_audio_is_really_deleted_and_its_text_stays(tmp_path: Path) -> None:
    with state_in(tmp_path / "state", Retention(keeps=True, days=1)) as state:
        record = state.hear(SECRET, seed=9)
        assert record.audio_path == "audio/00000001.wav"
        state.now[0] += 3600
        state.hear("later", start=5.0, seed=10)
        assert purge(state.db, state.kept, NOON + 86_400 - 1) == 0
        assert purge(state.db, state.kept, NOON + 86_400) == 1
        after = bytes_in(state.path)
        assert pcm(seed=9) not in after
        assert pcm(seed=10) in after
        kept = find(state.db, record.utterance_id)
        assert kept is not None
        assert (kept.text, kept.audio_path) == (SECRET, None)


def test_audio_is_nowhere_once_it_is_transcribed(state: State) -> None:
    utterance_id = state.add(seed=9)
    assert pcm(seed=9) in bytes_in(state.path)
    state.store.settle(done(utterance_id))
    assert pcm(seed=9) not in bytes_in(state.path)


def test_purging_goes_on_page_by_page(tmp_path: Path) -> None:
    with state_in(tmp_path / "state", Retention(keeps=True, days=1)) as state:
        for number in range(3):
            state.hear(start=3.0 * number)
        state.kept.delete("audio/00000002.wav")
        assert purge(state.db, state.kept, NOON + 10**6) == 3
        assert state.files() == []


def test_everything_takes_audio_of_which_no_row_tells(keeping: State) -> None:
    keeping.kept.write(41, noise(2))  # of a database that was moved away
    keeping.spool.append(UtteranceKey(5, 0), NOON, noise(1))
    keeping.spool.set_aside(UtteranceKey(5, 0))
    done_ = forget(keeping.db, keeping.path, Selection(everything=True))
    assert done_.audio_files == 2
    assert pcm() not in bytes_in(keeping.path)
