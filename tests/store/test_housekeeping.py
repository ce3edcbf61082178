"""What the store does of itself, and what it says of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.clocks import Clock
from tests.fakes.states import State
from tests.fakes.utterances import NOON, noise
from voicebridge.domain.events import StoreNotice, StoreNoticeKind
from voicebridge.domain.utterance import UtteranceKey
from voicebridge.store.housekeeping import LAST_RESORT_SECONDS, TOLD_AGAIN_SECONDS, Housekeeping, Things
from voicebridge.store.reserve import NAME, Reserve
from voicebridge.store.retention import KeptAudio, Retention
from voicebridge.store.strays import QUIET_SECONDS

MB = 1_000_000
DAY = 86_400.0
THIRTY_DAYS = Retention(keeps=True, days=30)


@dataclass
class House:
    """A state directory that is kept in order, with clocks that a test sets."""

    state: State
    wall: Clock = field(default_factory=lambda: Clock(NOON))
    elapsed: Clock = field(default_factory=Clock)
    told: list[StoreNotice] = field(default_factory=list)
    free: int = 500 * MB

    def keeping(self, max_bytes: int = 0, reserve_bytes: int = MB) -> Housekeeping:
        reserve = Reserve(self.state.path, reserve_bytes, self.elapsed, lambda _: (1000 * MB, self.free))
        reserve.keep(calm_seconds=0)
        things = Things(self.state.db, self.state.spool, self.state.kept, self.state.path)
        return Housekeeping(things, reserve, max_bytes, self.told.append, self.wall, self.elapsed)

    def pass_(self, seconds: float) -> None:
        self.wall.pass_(seconds)
        self.elapsed.pass_(seconds)

    @property
    def kinds(self) -> list[StoreNoticeKind]:
        return [notice.kind for notice in self.told]


@pytest.fixture
def house(state: State) -> House:
    state.kept = KeptAudio(state.path, THIRTY_DAYS)
    return House(state)


def test_what_has_expired_goes(house: House) -> None:
    house.state.hear()
    keeping = house.keeping()
    house.pass_(29 * DAY)
    assert keeping.purge() == 0
    house.pass_(2 * DAY)
    assert keeping.purge() == 1
    assert keeping.purged == 1
    assert house.state.files() == []
    assert house.told == []


def test_a_clock_a_year_ahead_deletes_nothing_and_is_told_once(house: House) -> None:
    house.state.hear()
    keeping = house.keeping()
    house.wall.pass_(365 * DAY)
    for _ in range(23):
        house.pass_(3600)
        assert keeping.purge() == 0
    assert house.kinds == [StoreNoticeKind.CLOCK_AHEAD]
    assert "8760.0 h ahead" in house.told[0].detail
    house.pass_(3600)
    assert keeping.purge() == 1


def test_a_box_that_was_switched_off_is_no_news(house: House) -> None:
    house.keeping().close()
    house.wall.pass_(10 * DAY)
    keeping = house.keeping()
    keeping.purge()
    assert house.told == []


def test_the_reserve_is_given_up_and_told_and_comes_back(house: House) -> None:
    keeping = house.keeping()
    assert keeping.make_room()
    assert not (house.state.path / NAME).exists()
    house.free = 0
    keeping.tidy()
    house.free = 500 * MB
    keeping.tidy()
    house.pass_(61)
    keeping.tidy()
    assert (house.state.path / NAME).stat().st_size == MB
    assert house.kinds == [StoreNoticeKind.RESERVE_GIVEN_UP, StoreNoticeKind.RESERVE_BACK]
    assert "1 MB was given up" in house.told[0].detail


def test_a_first_reserve_is_no_news(house: House) -> None:
    house.free = 0
    keeping = house.keeping()
    house.free = 500 * MB
    keeping.tidy()
    house.pass_(61)
    keeping.tidy()
    assert (house.state.path / NAME).exists()
    assert house.told == []


def test_without_a_reserve_what_has_expired_makes_room_at_most_once_a_minute(house: House) -> None:
    house.state.hear(start=1.0)
    keeping = house.keeping(reserve_bytes=0)
    assert not keeping.make_room()
    house.pass_(31 * DAY)
    assert keeping.make_room()
    house.state.now[0] = NOON
    house.state.hear(start=5.0)
    assert not keeping.make_room()
    house.pass_(LAST_RESORT_SECONDS)
    assert keeping.make_room()


def test_making_room_in_a_database_that_refuses_does_not_raise(house: House) -> None:
    house.state.hear()
    keeping = house.keeping(reserve_bytes=0)
    house.pass_(31 * DAY)
    house.state.db.conn.execute("PRAGMA query_only=ON")
    assert not keeping.make_room()
    house.state.db.conn.execute("PRAGMA query_only=OFF")


def test_the_bound_is_kept_and_told_once_a_day(house: House) -> None:
    keeping = house.keeping(max_bytes=1)
    for number in range(3):
        house.state.hear(start=5.0 * number)
        keeping.tidy()
        house.pass_(60)
    assert (keeping.shrunk.kept, house.kinds) == (3, [StoreNoticeKind.AUDIO_EXPIRED])
    house.pass_(TOLD_AGAIN_SECONDS)
    house.state.hear(start=50.0)
    keeping.tidy()
    assert house.kinds == [StoreNoticeKind.AUDIO_EXPIRED] * 2


def test_audio_that_nobody_decoded_is_always_told(house: House) -> None:
    keeping = house.keeping(max_bytes=1)
    for number in range(2):
        house.state.add(start=5.0 * number)
        keeping.purge()
    assert house.kinds == [StoreNoticeKind.AUDIO_DROPPED] * 2
    assert keeping.shrunk.pending == 2


def test_new_bounds_hold_from_the_next_round_on(house: House) -> None:
    house.state.hear()
    keeping = house.keeping(reserve_bytes=0)
    keeping.tidy()
    keeping.apply(max_bytes=1, reserve_bytes=2 * MB)
    keeping.tidy()
    house.pass_(61)
    keeping.tidy()
    assert house.state.files() == []
    assert (house.state.path / NAME).stat().st_size == 2 * MB


def test_strays_are_found_and_told(house: House) -> None:
    keeping = house.keeping()
    house.state.spool.append(UtteranceKey(house.state.session_id, 0), NOON, noise(1))
    keeping.purge()
    house.pass_(QUIET_SECONDS)
    keeping.purge()
    assert (keeping.strays, house.kinds) == (1, [StoreNoticeKind.STRAYS_FOUND])


def test_what_was_measured_is_told(house: House) -> None:
    keeping = house.keeping(max_bytes=10 * MB)
    house.state.hear()
    keeping.purge()
    assert keeping.usage.kept == 64_044
    assert keeping.reserve.held_bytes >= MB


def test_the_clocks_of_the_machine_are_the_default(house: House, tmp_path: Path) -> None:
    notices: list[StoreNotice] = []
    tell: Callable[[StoreNotice], None] = notices.append
    things = Things(house.state.db, house.state.spool, house.state.kept, house.state.path)
    keeping = Housekeeping(things, Reserve(house.state.path, 0), 0, tell)
    house.state.hear()  # settled long ago, by a clock of the test's
    assert keeping.purge() == 1
    assert notices == []
