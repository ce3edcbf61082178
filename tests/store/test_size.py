"""Retention by size: what goes first, and what never goes."""

import pytest

from tests.fakes.clocks import Clock
from tests.fakes.states import State
from tests.fakes.utterances import NOON, noise
from voicebridge.domain.utterance import Status, UtteranceKey
from voicebridge.store.retention import SECONDS_PER_DAY
from voicebridge.store.search import find
from voicebridge.store.size import FAILED_DAYS, GROWTH_BYTES_PER_SECOND, REASON, Shrunk, SizeBound, Usage, measure

ONE = 64_000
"""Bytes of two seconds of audio; with its header a file has some more."""
LATE = NOON + (FAILED_DAYS + 1) * SECONDS_PER_DAY


def bound(state: State, max_bytes: int, clock: Clock | None = None) -> SizeBound:
    return SizeBound(state.db, state.spool, state.kept, state.path, max_bytes, clock or Clock())


def database_bytes(state: State) -> int:
    return measure(state.path).database


def status_of(state: State, utterance_id: int) -> tuple[Status, tuple[str, ...]]:
    record = find(state.db, utterance_id)
    assert record is not None
    return record.status, record.reasons


def test_what_is_there_is_measured(keeping: State) -> None:
    keeping.hear()
    keeping.add(5.0)
    usage = measure(keeping.path)
    assert usage.spool == ONE + 32
    assert usage.kept == ONE + 44
    assert usage.database > 50_000
    assert usage.total == usage.database + usage.spool + usage.kept


def test_within_the_bound_nothing_goes(keeping: State) -> None:
    keeping.hear()
    keeper = bound(keeping, 10_000_000)
    assert keeper.keep(LATE) == Shrunk()
    assert keeper.usage == measure(keeping.path)
    assert len(keeping.files()) == 1


def test_without_a_bound_nothing_goes(keeping: State) -> None:
    keeping.hear()
    assert bound(keeping, 0).keep(LATE, measure_anew=True) == Shrunk()
    assert len(keeping.files()) == 1


def test_the_oldest_kept_audio_goes_first_and_its_text_stays(keeping: State) -> None:
    old, middle, new = (keeping.hear(f"word{n}", 10.0 * n + 1).utterance_id for n in range(3))
    keeper = bound(keeping, database_bytes(keeping) + 2 * ONE)
    assert keeper.keep(NOON) == Shrunk(kept=2)
    assert keeping.files() == [f"audio/{new:08d}.wav"]
    for utterance_id in (old, middle, new):
        record = find(keeping.db, utterance_id)
        assert record is not None
        assert (record.text, record.audio_path is None) == (f"word{utterance_id - 1}", utterance_id != new)
    assert keeper.usage.total <= keeper.max_bytes


def test_audio_of_a_lost_database_goes_before_what_is_known(keeping: State) -> None:
    known = keeping.hear().utterance_id
    keeping.kept.write(99, noise(2))
    assert bound(keeping, database_bytes(keeping) + ONE + 10_000).keep(NOON).kept == 1
    assert keeping.files() == [f"audio/{known:08d}.wav"]


def test_many_are_deleted_page_by_page(keeping: State) -> None:
    with keeping.db.atomic():
        for number in range(1, 251):
            keeping.db.conn.execute(
                "INSERT INTO utterances (session_id, status, start_sample, end_sample, speech_start, speech_end, "
                "speech_ratio, end_reason, started_at, ended_at) VALUES (1, 'done', ?, ?, 0, 0, 1, 'gap', ?, ?)",
                (number, number, NOON + number, NOON + number),
            )
            path = keeping.kept.write(number, noise(0.01))
            keeping.db.conn.execute("INSERT INTO audio VALUES (?, ?, 160, NULL)", (number, path))
    assert bound(keeping, database_bytes(keeping) // 2).keep(NOON).kept == 250
    assert keeping.files() == []


def test_then_the_audio_of_old_failed_ones_goes(state: State) -> None:
    first = state.hear(start=1.0, status=Status.FAILED).utterance_id
    second = state.hear(start=5.0, status=Status.FAILED).utterance_id
    keeper = bound(state, database_bytes(state) + ONE + 10_000)
    assert keeper.keep(NOON) == Shrunk()
    assert keeper.keep(LATE, measure_anew=True) == Shrunk(failed=1)
    assert status_of(state, first) == (Status.FAILED, ("too quiet", REASON))
    assert status_of(state, second) == (Status.FAILED, ("too quiet",))
    assert len(state.files()) == 1


def test_failed_ones_without_audio_are_passed_over(state: State) -> None:
    state.hear(start=1.0, status=Status.FAILED)
    state.spool.discard(UtteranceKey(state.session_id, 16_000))
    state.hear(start=5.0, status=Status.FAILED)
    assert bound(state, 1).keep(LATE) == Shrunk(failed=1)


def test_what_waits_stays_as_long_as_it_alone_is_within_the_bound(state: State) -> None:
    state.add()
    assert bound(state, ONE + 100).keep(LATE) == Shrunk()
    assert len(state.store.pending(0, 10)) == 1


def test_when_what_waits_is_too_much_the_oldest_is_failed_and_says_why(state: State) -> None:
    ids = [state.add(start, seed=int(start)) for start in (1.0, 5.0, 9.0)]
    keeper = bound(state, 2 * ONE + 1000)
    assert keeper.keep(LATE) == Shrunk(
        pending=2
    )  # below the bound by a little, so that it is not the same again at once
    assert [pending.utterance_id for pending in state.store.pending(0, 10)] == ids[2:]
    assert status_of(state, ids[0]) == (Status.FAILED, (REASON,))
    assert len(state.files()) == 1


def test_what_cannot_have_grown_over_the_bound_is_not_measured_again(keeping: State) -> None:
    clock = Clock()
    keeper = bound(keeping, database_bytes(keeping) + 100 * GROWTH_BYTES_PER_SECOND, clock)
    keeper.keep(NOON)
    before = keeper.usage
    keeping.hear()
    clock.pass_(90)
    keeper.keep(NOON)
    assert keeper.usage == before
    clock.pass_(20)
    keeper.keep(NOON)
    assert keeper.usage.kept == ONE + 44


def test_counts_add_up() -> None:
    total = Shrunk(1, 2, 3)
    total.add(Shrunk(10, 20, 30))
    assert total == Shrunk(11, 22, 33)
    assert Usage(1, 2, 3).total == 6


@pytest.mark.parametrize("folder", ["spool", "audio"])
def test_a_folder_that_is_not_there_takes_nothing(state: State, folder: str) -> None:
    assert not (state.path / "audio").exists()
    assert measure(state.path).kept == 0
