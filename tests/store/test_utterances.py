"""Utterances in SQLite: kept audio, repetition and retry; the rest is in the contract."""

import wave
from dataclasses import replace

import pytest

from tests.fakes.states import INFO, State, equal
from tests.fakes.utterances import NOON, done, noise
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.errors import ExitCode, SettingsError, StoreError, UtteranceGoneError
from voicebridge.domain.timeline import Anchor
from voicebridge.domain.utterance import Status, UtteranceKey
from voicebridge.settings.paths import spool_dir
from voicebridge.store.retention import Retention, parse_retention
from voicebridge.store.retry import retry
from voicebridge.store.search import SearchQuery, find, search
from voicebridge.store.sessions import MAX_DETAIL_CHARS, SqliteSessionLog, begin_session, end_session, note_engine


def test_kept_audio_is_a_wav_file_of_what_was_heard(keeping: State) -> None:
    record = keeping.hear()
    assert record.audio_path == "audio/00000001.wav"
    with wave.open(str(keeping.path / record.audio_path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 32_000)
    assert equal(keeping.kept.read(record.audio_path), noise(2))
    assert not list(spool_dir(keeping.path).iterdir())


def test_failed_audio_is_in_the_spool_only(keeping: State) -> None:
    assert keeping.hear(status=Status.FAILED).audio_path is None
    assert keeping.files() == ["spool/00000001-000000016000.pcm"]


def test_settling_again_lets_go_of_audio_that_the_first_time_left(state: State) -> None:
    record = state.hear()
    state.spool.append(UtteranceKey(1, 16_000), NOON, noise(1))
    assert state.store.settle(done(record.utterance_id)) == record
    assert state.files() == []


def test_audio_is_kept_until_its_time_by_the_retention_in_force(state: State) -> None:
    state.kept.retention = Retention(keeps=True, days=2)
    state.hear()
    assert state.db.conn.execute("SELECT kept_until, samples FROM audio").fetchone() == (NOON + 172_800, 32_000)


@pytest.mark.parametrize(
    ("text", "retention"),
    [
        ("until_transcribed", Retention(keeps=False)),
        ("forever", Retention(keeps=True)),
        ("30 days", Retention(keeps=True, days=30)),
        (" 1 Day ", Retention(keeps=True, days=1)),
        ("7d", Retention(keeps=True, days=7)),
        ("7", Retention(keeps=True, days=7)),
        ("0 days", Retention(keeps=False, days=0)),
    ],
)
def test_a_retention_is_read(text: str, retention: Retention) -> None:
    assert parse_retention(text) == retention


@pytest.mark.parametrize("text", ["", "some days", "-1 days", "99999 days", "3 weeks", "until_transcribe"])
def test_a_retention_that_is_none_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="number of days such as"):
        parse_retention(text)


@pytest.mark.parametrize("path", ["../../etc/passwd", "audio/../lock", "/etc/passwd", "audio/x.wav", "spool/1.wav"])
def test_a_path_that_leads_elsewhere_is_not_touched(keeping: State, path: str) -> None:
    for call in (keeping.kept.delete, keeping.kept.read):
        with pytest.raises(StoreError, match="was changed by somebody else"):
            call(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all"])
def test_damaged_kept_audio_is_told(keeping: State, content: bytes) -> None:
    path = keeping.hear().audio_path
    assert path is not None
    (keeping.path / path).write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        keeping.kept.read(path)


def test_a_failed_utterance_is_queued_again_as_if_new(state: State) -> None:
    utterance_id = state.add()
    for _ in range(3):
        state.store.begin_attempt(utterance_id)
    state.recover()
    retry(state.db, state.spool, state.kept, utterance_id)
    (pending,) = state.store.pending(0, 10)
    assert (pending.utterance_id, pending.attempts, pending.recovered) == (utterance_id, 0, True)
    record = find(state.db, utterance_id)
    assert record is not None
    assert record.reasons == ()
    assert state.store.settle(done(utterance_id)).text == "turn on the light"


def test_a_rejected_utterance_is_queued_again_from_its_kept_audio(keeping: State) -> None:
    utterance_id = keeping.hear("thanks for watching", status=Status.REJECTED).utterance_id
    retry(keeping.db, keeping.spool, keeping.kept, utterance_id)
    assert equal(keeping.spool.read(UtteranceKey(1, 16_000)), noise(2))
    keeping.store.settle(done(utterance_id, "switch it off"))
    assert [hit.record.text for hit in search(keeping.db, "switch", SearchQuery())] == ["switch it off"]
    assert search(keeping.db, "watching", SearchQuery()) == []
    assert keeping.files() == ["audio/00000001.wav"]


def test_without_audio_nothing_is_queued(state: State) -> None:
    utterance_id = state.hear(status=Status.REJECTED).utterance_id
    with pytest.raises(StoreError, match="audio of utterance 1 is gone") as caught:
        retry(state.db, state.spool, state.kept, utterance_id)
    assert caught.value.code is ExitCode.NO_INPUT
    assert list(state.store.pending(0, 10)) == []


def test_only_failed_and_rejected_ones_are_queued_again(state: State) -> None:
    utterance_id = state.hear().utterance_id
    with pytest.raises(StoreError, match="Utterance 1 is done"):
        retry(state.db, state.spool, state.kept, utterance_id)
    with pytest.raises(UtteranceGoneError, match="no utterance 9"):
        retry(state.db, state.spool, state.kept, 9)


def test_a_session_holds_what_heard_and_how_it_ended(state: State) -> None:
    session_id = begin_session(state.db, INFO, NOON)
    note_engine(state.db, session_id, "sphinx", "en-us")
    end_session(state.db, session_id, "clean", NOON + 60)
    end_session(state.db, session_id, "error: too late", NOON + 70)
    row = next(state.db.query("SELECT * FROM sessions WHERE id = ?", [session_id]))
    assert (row["started_at"], row["ended_at"], row["ending"]) == (NOON, NOON + 60, "clean")
    assert (row["engine"], row["model"], row["host"], row["pid"]) == ("sphinx", "en-us", "box", 42)


def test_the_log_of_a_session_is_in_the_database(state: State) -> None:
    log = SqliteSessionLog(state.db, state.session_id, lambda: NOON + 9)
    log.add_gap(Gap(Span(160, 480), GapReason.OVERFLOW))
    log.add_event("device_lost", "x" * 3000)
    log.add_anchor(Anchor(16_000, 5.0, NOON + 1))
    rows = [list(state.db.conn.execute(f"SELECT * FROM {table}")) for table in ("gaps", "events", "anchors")]
    assert rows == [
        [(1, 1, 160, 480, "overflow", NOON + 9)],
        [(1, 1, NOON + 9, "device_lost", "x" * MAX_DETAIL_CHARS)],
        [(1, 1, 16_000, 5.0, NOON + 1)],
    ]


def test_names_that_are_not_utf8_are_stored_as_far_as_they_are(state: State) -> None:
    session_id = begin_session(state.db, replace(INFO, source="caf\udce9.wav"), NOON)
    note_engine(state.db, session_id, "whisper", "\udcff-model")
    SqliteSessionLog(state.db, session_id).add_event("note", "lost \udce9")
    end_session(state.db, session_id, "error: \udce9", NOON)
    row = state.db.conn.execute("SELECT source, model, ending FROM sessions WHERE id = ?", [session_id]).fetchone()
    assert row == ("caf?.wav", "?-model", "error: ?")
    assert state.hear("text \udce9").text == "text ?"
