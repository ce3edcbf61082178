from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.domain.audio import Gap, GapReason, Span
from voicebridge.pipeline.gap_limit import BURST_ROWS, ROW_SAMPLES, SUMMARY_SAMPLES, GapLimit

SECOND = 16_000


def gap(start: int, samples: int = 320, reason: GapReason = GapReason.OVERFLOW) -> Gap:
    return Gap(Span(start, start + samples), reason)


def test_gaps_that_come_now_and_then_have_their_own_rows() -> None:
    limit = GapLimit()
    gaps = [gap(second * SECOND) for second in range(0, 3600, 2)]
    assert [row for each in gaps for row in limit.add(each)] == gaps
    assert limit.merged == 0
    assert not limit.busy
    assert limit.finish() == ([], "")


def test_what_comes_after_the_burst_within_a_second_shares_a_row_with_the_outer_bounds() -> None:
    limit = GapLimit(burst_rows=1)
    assert limit.add(gap(0)) == [gap(0)]
    assert limit.add(gap(1000)) == []
    assert limit.add(gap(3000)) == []
    assert limit.due(SECOND - 1) == ([], "")
    rows, told = limit.due(SECOND + 320)
    assert rows == [Gap(Span(1000, 3320), GapReason.OVERFLOW)]
    assert told == ""
    assert limit.merged == 2


def test_a_shared_row_has_the_reason_of_the_longest_of_its_gaps() -> None:
    limit = GapLimit(burst_rows=1)
    limit.add(gap(0))
    limit.add(gap(1000, 10))
    limit.add(gap(2000, 800, GapReason.OVERRUN))
    limit.add(gap(3000, 10))
    assert limit.finish()[0] == [Gap(Span(1000, 3010), GapReason.OVERRUN)]


def test_a_long_gap_in_a_storm_has_a_row_of_its_own() -> None:
    limit = GapLimit(burst_rows=2)
    for start in (0, 1000, 2000, 3000):
        limit.add(gap(start))
    long = gap(4000, 10 * SECOND, GapReason.DEVICE_LOST)
    assert limit.add(long) == [Gap(Span(2000, 3320), GapReason.OVERFLOW), long]


def test_what_shared_rows_hide_is_told_once_a_minute() -> None:
    limit, told = GapLimit(burst_rows=1), []
    for start in range(0, 3 * SUMMARY_SAMPLES, SECOND // 10):
        limit.add(gap(start, 160))
        told.append(limit.due(start + 1600)[1])
    sentences = [text for text in told if text]
    assert len(sentences) <= 3
    assert sentences[0] == (
        "599 gaps with 5.99 s lost in all share 60 rows, within 59.81 s from sample 1600 on; "
        "what lies between them was heard"
    )
    limit.finish()
    assert not limit.busy


def test_a_single_gap_that_was_held_back_is_exact_and_nothing_is_told_of_it() -> None:
    limit = GapLimit(burst_rows=1)
    limit.add(gap(0))
    limit.add(gap(1000))
    assert limit.busy
    assert limit.due(SECOND + 320) == ([gap(1000)], "")
    assert limit.due(2 * SUMMARY_SAMPLES) == ([], "")
    assert not limit.busy
    assert limit.merged == 0


@pytest.mark.parametrize("every_samples", [320, 640, 1600, 5000])
def test_a_storm_of_hours_writes_no_more_than_its_burst_and_a_row_a_second(every_samples: int) -> None:
    limit, rows, seconds = GapLimit(), 0, 1200
    for start in range(0, seconds * SECOND, every_samples):
        rows += len(limit.add(gap(start, 160)))
        rows += len(limit.due(start + every_samples)[0])
    assert rows <= BURST_ROWS + seconds * SECOND // ROW_SAMPLES + 1


steps = st.lists(
    st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 2 * SECOND), st.sampled_from(GapReason)), max_size=60
)


@settings(max_examples=80, deadline=None)
@given(steps, st.integers(1, 4))
def test_rows_are_in_order_and_hold_every_lost_sample_and_begin_and_end_with_gaps(
    given_steps: Sequence[tuple[int, int, GapReason]], burst_rows: int
) -> None:
    limit = GapLimit(burst_rows)
    gaps: list[Gap] = []
    rows: list[Gap] = []
    position = 0
    for heard, lost, reason in given_steps:
        position += heard
        rows += limit.due(position)[0]
        gaps.append(gap(position, lost, reason))
        rows += limit.add(gaps[-1])
        position += lost
    rows += limit.finish()[0]
    assert all(before.span.end <= after.span.start for before, after in pairwise(rows))
    assert {row.span.start for row in rows} <= {each.span.start for each in gaps}
    assert {row.span.end for row in rows} <= {each.span.end for each in gaps}
    assert all(any(r.span.start <= g.span.start and g.span.end <= r.span.end for r in rows) for g in gaps)
    assert sum(row in gaps for row in rows) == len(gaps) - limit.merged
    assert len(rows) <= burst_rows + position // SECOND + 1
