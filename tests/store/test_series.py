"""Checkpoints as a series."""

from tests.fakes.states import State
from tests.fakes.utterances import NOON
from voicebridge.store.checkpoints import MAX_RECORDS, CheckpointLog, Row
from voicebridge.store.series import Series, count, records


def filled(box: State, *times: float, **record: object) -> None:
    log = CheckpointLog(box.db, box.path, 1_000_000)
    for at in times:
        log.add(Row(1, at, "hearing", at - NOON, 0.0, None, None, None, {"at": at, **record}))


def times(state: State, since: float, until: float, limit: int) -> list[float]:
    return [record["at"] - NOON for record in records(state.db, Series(NOON + since, NOON + until, limit))]


def test_more_than_asked_for_are_spread_evenly_with_the_newest_among_them(state: State) -> None:
    filled(state, *(NOON + second for second in range(100)))
    assert times(state, 0, 100, 10) == [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]
    assert len(times(state, 0, 100, MAX_RECORDS)) == 100
    assert times(state, 500, 600, 10) == []


def test_all_of_a_time_are_counted_whatever_the_limit(state: State) -> None:
    filled(state, *(NOON + second for second in range(20)))
    assert count(state.db, Series(NOON + 5, NOON + 15, 2)) == 10


def test_some_fields_come_alone_and_in_their_places(state: State) -> None:
    filled(state, NOON, state="deaf", muted=True, memory={"rss_bytes": 5, "uss_bytes": 4}, heat={"celsius": None})
    wanted = Series(NOON, NOON + 1, 10, ("muted", "memory.rss_bytes", "heat.celsius"))
    assert list(records(state.db, wanted)) == [
        {"at": NOON, "muted": True, "memory": {"rss_bytes": 5}, "heat": {"celsius": None}}
    ]


def test_what_a_record_does_not_have_is_null_in_its_place(state: State) -> None:
    filled(state, NOON, state="deaf")
    wanted = Series(NOON, NOON + 1, 10, ("memory.rss_bytes", "state.code", "share_by_thread.health-keeper"))
    assert list(records(state.db, wanted)) == [
        {
            "at": NOON,
            "memory": {"rss_bytes": None},
            "state": {"code": None},
            "share_by_thread": {"health-keeper": None},
        }
    ]


def test_a_field_inside_another_that_is_asked_for_does_no_harm(state: State) -> None:
    filled(state, NOON, memory={"rss_bytes": 5, "uss_bytes": 4}, state="deaf")
    wanted = Series(NOON, NOON + 1, 10, ("memory.rss_bytes", "state.code.x", "memory", "state", "at"))
    assert list(records(state.db, wanted)) == [
        {"at": NOON, "memory": {"rss_bytes": 5, "uss_bytes": 4}, "state": "deaf"}
    ]
