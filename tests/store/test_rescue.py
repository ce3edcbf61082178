"""The faces of the store with a way out: they do what they stand before, and help only where they can."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.fakes.states import State
from tests.fakes.utterances import NOON, done, ended, noise
from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.domain.errors import StoreFullError, StoreUnavailableError, UtteranceGoneError
from voicebridge.domain.events import StoreNotice, StoreNoticeKind
from voicebridge.domain.timeline import Anchor
from voicebridge.store.housekeeping import Housekeeping, Things
from voicebridge.store.rescue import Rescue, RescuedLog, RescuedSpool, RescuedUtterances
from voicebridge.store.reserve import Reserve
from voicebridge.store.sessions import SqliteSessionLog


@dataclass
class Rescued:
    state: State
    told: list[StoreNotice] = field(default_factory=list)

    def __post_init__(self) -> None:
        reserve = Reserve(self.state.path, 1_000_000)
        reserve.keep(calm_seconds=0)
        things = Things(self.state.db, self.state.spool, self.state.kept, self.state.path)
        self.rescue = Rescue(self.state.path, Housekeeping(things, reserve, 0, self.told.append), self.told.append)
        self.spool = RescuedSpool(self.state.spool, self.rescue)
        self.utterances = RescuedUtterances(self.state.store, self.rescue)
        self.log = RescuedLog(SqliteSessionLog(self.state.db, self.state.session_id), self.rescue)


@pytest.fixture
def rescued(state: State) -> Rescued:
    return Rescued(state)


class Refusing:
    """Fails so many times, then answers."""

    def __init__(self, error: Exception, times: int = 1) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "done"


def test_an_utterance_goes_its_whole_way(rescued: Rescued) -> None:
    utterance = ended()
    rescued.spool.append(utterance.key, NOON, noise(2))
    rescued.spool.seal(utterance.key, utterance.span.samples)
    assert np.array_equal(rescued.spool.read(utterance.key), noise(2))
    utterance_id = rescued.utterances.add_pending(utterance).utterance_id
    rescued.utterances.begin_attempt(utterance_id)
    rescued.utterances.begin_attempt(utterance_id)
    rescued.utterances.return_attempt(utterance_id)
    (pending,) = rescued.utterances.pending(0, 10)
    assert (pending.utterance_id, pending.attempts) == (utterance_id, 1)
    assert rescued.utterances.settle(done(utterance_id)).text == "turn on the light"
    rescued.spool.append(utterance.key, NOON, noise(2))
    rescued.spool.discard(utterance.key)
    assert rescued.state.files() == []


def test_the_log_takes_what_it_is_given(rescued: Rescued) -> None:
    rescued.log.add_gap(Gap(Span(0, 320), GapReason.OVERFLOW))
    rescued.log.add_event("kind", "detail")
    rescued.log.add_anchor(Anchor(0, 1.0, NOON))
    tables = ("gaps", "events", "anchors")
    assert [rescued.state.db.conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables] == [1, 1, 1]


def test_a_full_disk_is_tried_once_more_when_there_was_a_reserve(rescued: Rescued) -> None:
    action = Refusing(StoreFullError("full"))
    assert rescued.rescue.on_disk(action) == "done"
    assert (action.calls, rescued.rescue.rescued) == (2, 1)
    assert [notice.kind for notice in rescued.told] == [StoreNoticeKind.RESERVE_GIVEN_UP]


def test_a_disk_that_stays_full_says_so(rescued: Rescued) -> None:
    action = Refusing(StoreFullError("full"), times=5)
    for calls in (2, 3):
        with pytest.raises(StoreFullError):
            rescued.rescue.on_disk(action)
        assert action.calls == calls
    assert rescued.rescue.rescued == 0


@pytest.mark.parametrize("error", [StoreUnavailableError("read-only"), UtteranceGoneError("gone"), KeyError("fault")])
def test_what_room_does_not_help_is_not_tried_again(rescued: Rescued, error: Exception) -> None:
    action = Refusing(error)
    with pytest.raises(type(error)):
        rescued.rescue.on_disk(action)
    assert (action.calls, rescued.told) == (1, [])
