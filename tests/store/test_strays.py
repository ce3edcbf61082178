"""Audio that no row tells of is made pending while the daemon runs."""

import pytest

from tests.fakes.clocks import Clock
from tests.fakes.states import State
from tests.fakes.utterances import NOON, ended, noise
from voicebridge.domain.utterance import EndReason, UtteranceKey
from voicebridge.store.strays import QUIET_SECONDS, Strays


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def strays(state: State, clock: Clock) -> Strays:
    return Strays(state.db, state.spool, clock, lambda: NOON + 5000)


def test_what_lies_there_for_ten_minutes_without_a_row_is_pending(state: State, strays: Strays, clock: Clock) -> None:
    state.spool.append(UtteranceKey(state.session_id, 16_000), NOON + 1, noise(2))
    assert strays.recover() == 0
    clock.pass_(QUIET_SECONDS - 1)
    assert strays.recover() == 0
    clock.pass_(1)
    assert strays.recover() == 1
    (pending,) = state.store.pending(0, 10)
    assert (pending.ended.key, pending.ended.span.seconds) == (UtteranceKey(state.session_id, 16_000), 2.0)
    assert pending.ended.reason is EndReason.INTERRUPTED
    assert pending.recovered
    clock.pass_(QUIET_SECONDS)
    assert strays.recover() == 0


def test_an_utterance_that_grows_is_open(state: State, strays: Strays, clock: Clock) -> None:
    key = UtteranceKey(state.session_id, 16_000)
    for _ in range(3):
        state.spool.append(key, NOON + 1, noise(0.5))
        assert strays.recover() == 0
        clock.pass_(QUIET_SECONDS)


def test_what_has_a_row_is_no_stray(state: State, strays: Strays, clock: Clock) -> None:
    state.add()
    strays.recover()
    clock.pass_(QUIET_SECONDS)
    assert strays.recover() == 0
    assert len(state.store.pending(0, 10)) == 1


def test_one_that_is_committed_in_time_is_left_as_it_is(state: State, strays: Strays, clock: Clock) -> None:
    utterance = ended(1.0, 3.0)
    state.spool.append(utterance.key, NOON + 1, noise(2))
    strays.recover()
    state.store.add_pending(utterance)
    clock.pass_(QUIET_SECONDS)
    assert strays.recover() == 0
    assert state.store.pending(0, 10)[0].ended == utterance


def test_audio_of_a_session_that_was_lost_gets_one(state: State, strays: Strays, clock: Clock) -> None:
    state.spool.append(UtteranceKey(77, 0), NOON, noise(1))
    strays.recover()
    clock.pass_(QUIET_SECONDS)
    assert strays.recover() == 1
    assert state.db.conn.execute("SELECT ending FROM sessions WHERE id = 77").fetchone() == ("crashed",)


def test_what_is_too_short_or_not_ours_is_left_for_the_next_start(state: State, strays: Strays, clock: Clock) -> None:
    state.spool.append(UtteranceKey(state.session_id, 0), NOON, noise(0.05))
    state.spool.file_of(UtteranceKey(5, 0)).write_bytes(b"x" * 10_000)
    strays.recover()
    clock.pass_(QUIET_SECONDS)
    assert strays.recover() == 0
