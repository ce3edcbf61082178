"""Spans and frames."""

import numpy as np
import pytest

from voicebridge.domain.audio import Frame, Gap, GapReason, Span


def test_a_span_has_a_length_in_samples_and_seconds() -> None:
    span = Span(16_000, 24_000)
    assert (span.samples, span.seconds) == (8000, 0.5)


def test_a_span_may_be_empty() -> None:
    assert Span(5, 5).samples == 0


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (6, 5)])
def test_a_span_cannot_be_negative_or_backwards(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not a span of sample indices"):
        Span(start, end)


def test_spans_are_ordered_by_their_start() -> None:
    assert sorted([Span(5, 6), Span(0, 9), Span(0, 3)]) == [Span(0, 3), Span(0, 9), Span(5, 6)]


def test_equal_gaps_are_equal() -> None:
    assert Gap(Span(0, 5), GapReason.OVERRUN) == Gap(Span(0, 5), GapReason("overrun"))


def test_a_frame_ends_after_its_last_valid_sample() -> None:
    assert Frame(640, np.zeros(320, np.int16), valid=100).end == 740
