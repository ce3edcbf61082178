"""Finding what was heard."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.states import State
from tests.fakes.utterances import NOON, done
from voicebridge.domain.errors import ExitCode, StoreError
from voicebridge.domain.utterance import Status, UtteranceRecord, Word
from voicebridge.settings.paths import database_path
from voicebridge.store.database import open_database, transaction
from voicebridge.store.search import (
    PAGE_ROWS,
    WORDS_POLLS,
    Follower,
    HistoryQuery,
    SearchQuery,
    as_phrases,
    find,
    history,
    search,
)


def texts(state: State, query: HistoryQuery) -> list[str | None]:
    return [record.text for record in history(state.db, query)]


def found(state: State, words: str, **query: object) -> list[str | None]:
    return [hit.record.text for hit in search(state.db, words, SearchQuery(**query))]  # type: ignore[arg-type]


def without_words(state: State, text: str, start: float) -> UtteranceRecord:
    outcome = done(state.add(start), text)
    assert outcome.transcript is not None
    return state.store.settle(replace(outcome, transcript=replace(outcome.transcript, words=())))


def many(state: State, number: int) -> None:
    with state.db.atomic():
        state.db.conn.executemany(
            "INSERT INTO utterances (session_id, status, start_sample, end_sample, speech_start, speech_end, "
            "speech_ratio, end_reason, started_at, ended_at, text) "
            "VALUES (1, 'done', ?, ?, 0, 0, 1, 'hangover', ?, ?, ?)",
            [(start, start + 1, NOON + start // 2, NOON + start, f"number {start}") for start in range(number)],
        )


@pytest.fixture
def day(state: State) -> State:
    """Four utterances, one of each kind."""
    state.hear("turn on the light", 1.0)
    state.hear("thanks for watching", 5.0, Status.REJECTED)
    state.hear(start=10.0, status=Status.FAILED)
    state.add(start=15.0)
    return state


def test_history_is_in_order_of_time(day: State) -> None:
    day.hear("found later, said before", 0.0)
    assert texts(day, HistoryQuery())[:2] == ["found later, said before", "turn on the light"]
    newest = list(history(day.db, HistoryQuery(newest_first=True, limit=2)))
    assert [record.started_at - NOON for record in newest] == [15.0, 10.0]


def test_history_can_be_asked_for_by_time_status_and_session(day: State) -> None:
    assert texts(day, HistoryQuery(since=NOON + 1, until=NOON + 5)) == ["turn on the light"]
    assert texts(day, HistoryQuery(statuses=(Status.REJECTED, Status.FAILED))) == ["thanks for watching", None]
    assert texts(day, HistoryQuery(session_id=2)) == []


@pytest.mark.parametrize("newest_first", [False, True])
def test_history_comes_whole_whatever_the_pages(state: State, newest_first: bool) -> None:
    many(state, 2 * PAGE_ROWS + 7)
    ids = [record.utterance_id for record in history(state.db, HistoryQuery(newest_first=newest_first))]
    assert ids == sorted(ids, reverse=newest_first)
    assert len(ids) == 2 * PAGE_ROWS + 7


def test_a_reader_holds_no_transaction_between_rows(state: State) -> None:
    many(state, 2 * PAGE_ROWS)
    reader = open_database(database_path(state.path), read_only=True)
    rows = history(reader, HistoryQuery())
    next(rows)
    with transaction(state.db):
        state.db.conn.execute("DELETE FROM utterances WHERE id = 1")
    assert state.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    reader.close()


def test_an_utterance_is_found_by_id(day: State) -> None:
    record = find(day.db, 1)
    assert record is not None
    assert record.text == "turn on the light"
    assert find(day.db, 99) is None


def test_all_words_must_be_there_whatever_their_case_and_accents(state: State) -> None:
    state.hear("Das schöne Café am Ufer", 1.0)
    assert found(state, "CAFE schone") == ["Das schöne Café am Ufer"]
    assert found(state, "cafe berg") == []


def test_other_forms_of_an_english_word_are_found(state: State) -> None:
    state.hear("the lights were turned on")
    assert found(state, "light turning") == ["the lights were turned on"]
    assert found(state, "night") == []


def test_a_star_finds_words_that_begin_so(state: State) -> None:
    state.hear("lights out")
    assert found(state, "ligh*") == ["lights out"]
    assert found(state, "ligh") == []


def test_better_hits_come_first_and_in_pages(state: State) -> None:
    state.hear("a light far away behind the old house near the river", 1.0)
    state.hear("light light light", 5.0)
    best = search(state.db, "light", SearchQuery(limit=1))
    assert best[0].record.text == "light light light"
    rest = search(state.db, "light", SearchQuery(limit=5, offset=1))
    assert [hit.score > best[0].score for hit in rest] == [True]


def test_hits_can_be_asked_for_by_time(state: State) -> None:
    state.hear("light one", 1.0)
    state.hear("light two", 5.0)
    assert found(state, "light", since=NOON + 3) == ["light two"]
    assert found(state, "light", until=NOON + 3) == ["light one"]


def test_a_snippet_marks_what_was_found(state: State) -> None:
    state.hear("turn on the light in the kitchen")
    assert search(state.db, "light", SearchQuery())[0].snippet == "turn on the [light] in the kitchen"


def test_only_what_was_believed_is_found(day: State) -> None:
    assert found(day, "watching") == []


@pytest.mark.parametrize("words", ["", "   ", "- ?", '"', "*", "()"])
def test_no_words_find_nothing(day: State, words: str) -> None:
    assert found(day, words) == []


@pytest.mark.parametrize(
    "words", ["light NOT on", "light AND", 'the" light', "text:light", "light -", "\udcff light", "light\0"]
)
def test_plain_words_are_no_operators(day: State, words: str) -> None:
    day.hear('light not on and text the "light" �', 20.0)
    assert day.db.conn.execute("SELECT count(*) FROM utterances").fetchone()[0] == 5
    assert isinstance(found(day, words), list)


def test_words_between_which_there_is_punctuation_are_still_found(day: State) -> None:
    assert found(day, "turn - on") == ["turn on the light"]


@given(words=st.text(max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_is_a_query(state: State, words: str) -> None:
    assert found(state, words) == []


def test_a_raw_query_uses_the_language_of_fts5(day: State) -> None:
    assert found(day, "light NOT kitchen", raw=True) == ["turn on the light"]


def test_a_raw_query_that_is_none_is_told(day: State) -> None:
    with pytest.raises(StoreError, match="is not a query") as caught:
        found(day, "light AND", raw=True)
    assert caught.value.code is ExitCode.USAGE


def test_phrases_are_quoted() -> None:
    assert as_phrases('say "hi" th* --') == '"say" """hi""" "th"*'


def test_a_follower_tells_of_what_is_settled_from_now_on(day: State) -> None:
    follower = Follower(day.db)
    assert follower.poll() == []
    new = day.hear("fresh", 20.0)
    waiting = day.add(25.0)
    assert follower.poll() == [new]
    assert follower.poll() == []
    late = day.store.settle(done(4, "late"))
    newest = day.store.settle(done(waiting, "newest"))
    assert follower.poll() == [late, newest]


def test_a_follower_that_wants_words_gives_a_text_when_they_are_there(day: State) -> None:
    follower, hasty = Follower(day.db, words=True), Follower(day.db)
    new = without_words(day, "fresh", 20.0)
    assert (follower.poll(), hasty.poll()) == ([], [new])
    found = (Word("fresh", 0, 10, 0.5),)
    assert day.store.add_words(new.utterance_id, found)
    assert [(record.words, record.confidence) for record in follower.poll()] == [(found, 0.5)]
    assert follower.poll() == []


def test_a_follower_waits_for_words_only_for_a_while(day: State) -> None:
    follower = Follower(day.db, words=True)
    day.hear(start=20.0, status=Status.FAILED)  # has no text, and will have no words
    assert [record.status for record in follower.poll()] == [Status.FAILED]
    new = without_words(day, "fresh", 25.0)
    assert [follower.poll() for _ in range(WORDS_POLLS)] == [[]] * WORDS_POLLS
    assert (follower.poll(), follower.poll()) == ([new], [])


def test_a_follower_leaves_out_what_was_shown_and_what_was_forgotten(day: State) -> None:
    follower = Follower(day.db)
    follower.leave_out(day.hear("shown", 20.0).utterance_id)
    follower.leave_out(4)
    day.store.settle(done(4))
    gone = day.add(25.0)
    assert follower.poll() == []
    day.db.conn.execute("DELETE FROM utterances WHERE id = ?", (gone,))
    assert follower.poll() == []


def test_a_follower_keeps_to_its_statuses(day: State) -> None:
    follower = Follower(day.db, (Status.REJECTED,))
    day.hear("fine", 20.0)
    wrong = day.hear("wrong", 25.0, Status.REJECTED)
    assert follower.poll() == [wrong]


def test_twenty_thousand_utterances_use_the_indexes(state: State) -> None:
    plans = [
        ("SELECT id FROM utterances WHERE started_at >= 1 ORDER BY started_at, id", "utterances_by_time"),
        ("SELECT id FROM utterances WHERE status = 'pending' AND id > 5 ORDER BY id", "utterances_by_status"),
    ]
    for sql, index in plans:
        plan = " ".join(row[3] for row in state.db.conn.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert index in plan
        assert "TEMP B-TREE" not in plan


def test_a_searched_database_may_be_read_only(day: State) -> None:
    reader = open_database(database_path(Path(day.path)), read_only=True)
    assert len(search(reader, "light", SearchQuery())) == 1
    reader.close()
