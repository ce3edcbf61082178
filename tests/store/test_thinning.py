"""What gathers by itself stays bounded."""

from tests.fakes.states import INFO, State
from tests.fakes.utterances import NOON
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.timeline import Anchor
from voicebridge.store.retention import SECONDS_PER_DAY
from voicebridge.store.sessions import SqliteSessionLog, begin_session, end_session
from voicebridge.store.thinning import EVENT_DAYS, FULL_ANCHOR_DAYS, SESSION_DAYS, thin_out

HOUR = 3600
BEGAN = NOON - NOON % HOUR
"""The beginning of an hour."""


def add_anchors(state: State, session_id: int, minutes: int) -> None:
    """Commit one anchor a minute, in one transaction."""
    rows = [(session_id, 960_000 * minute, 60.0 * minute, BEGAN + 60 * minute) for minute in range(minutes)]
    state.db.conn.executemany(
        "INSERT INTO anchors (session_id, sample_index, monotonic_seconds, realtime_seconds) VALUES (?, ?, ?, ?)", rows
    )


def anchors(state: State) -> list[tuple[int, float]]:
    """Return session and wall time of every anchor, in seconds after the first."""
    rows = state.db.conn.execute("SELECT session_id, realtime_seconds FROM anchors ORDER BY id").fetchall()
    return [(session_id, wall - BEGAN) for session_id, wall in rows]


def test_old_anchors_are_thinned_to_one_an_hour_in_each_session(state: State) -> None:
    other = begin_session(state.db, INFO, NOON)
    add_anchors(state, state.session_id, 180)
    add_anchors(state, other, 30)
    now = BEGAN + FULL_ANCHOR_DAYS * SECONDS_PER_DAY + 2 * HOUR
    assert thin_out(state.db, now) == 59 + 59 + 29
    recent = [(state.session_id, 2.0 * HOUR + 60 * minute) for minute in range(60)]
    assert anchors(state) == [(state.session_id, 0), (state.session_id, HOUR), *recent, (other, 0)]
    assert thin_out(state.db, now) == 0


def test_the_anchors_of_a_week_are_all_kept(state: State) -> None:
    SqliteSessionLog(state.db, state.session_id).add_anchor(Anchor(0, 0.0, BEGAN))
    SqliteSessionLog(state.db, state.session_id).add_anchor(Anchor(960_000, 60.0, BEGAN + 60))
    assert thin_out(state.db, BEGAN + FULL_ANCHOR_DAYS * SECONDS_PER_DAY) == 0


def test_events_go_after_a_year_and_gaps_stay(state: State) -> None:
    moments = iter((NOON - 1, NOON, NOON))
    log = SqliteSessionLog(state.db, state.session_id, lambda: next(moments))
    log.add_event("capture_lost", "old")
    log.add_event("capture_back", "new")
    log.add_gap(Gap(Span(0, 320), GapReason.OVERFLOW))
    assert thin_out(state.db, NOON + EVENT_DAYS * SECONDS_PER_DAY) == 1
    assert state.db.conn.execute("SELECT detail FROM events").fetchall() == [("new",)]
    assert state.db.conn.execute("SELECT count(*) FROM gaps").fetchone() == (1,)


def test_a_session_in_which_nothing_was_heard_goes_after_a_year(state: State) -> None:
    year = SESSION_DAYS * SECONDS_PER_DAY
    old, heard, young, running = (begin_session(state.db, INFO, NOON) for _ in range(4))
    SqliteSessionLog(state.db, old, lambda: NOON + 2 * year).add_event("stopped", "and its events with it")
    for session_id, ended_at in ((old, NOON), (heard, NOON), (young, NOON + 10)):
        end_session(state.db, session_id, "clean", ended_at)
    state.db.conn.execute("UPDATE utterances SET session_id = ? WHERE id = ?", (heard, state.hear().utterance_id))
    assert thin_out(state.db, NOON + year + 5) == 1
    assert [row[0] for row in state.db.conn.execute("SELECT id FROM sessions")] == [1, heard, young, running]
    assert state.db.conn.execute("SELECT count(*) FROM events").fetchone() == (0,)
