import math

from voicebridge_bench.claims import Claim, exactly, within, worst


def test_what_lies_within_what_was_seen_is_not_off() -> None:
    assert within(2, [1, 3]).off == 0
    assert Claim(4, 1, 3).off == 1
    assert Claim(0, 1, 3).off == 1


def test_the_worst_claim_makes_the_line() -> None:
    line = worst("figure", [exactly(1, 1), exactly(5_000, 2_000), exactly(2, 2)], bound=3, scale=1000)
    assert (line.told, line.low, line.off, line.compared) == (5, 2, 3, 3)
    assert line.ok


def test_of_equals_the_last_is_shown() -> None:
    assert worst("figure", [exactly(1, 1), exactly(2, 2)], bound=0).told == 2


def test_no_comparison_proves_nothing() -> None:
    assert not worst("figure", [], bound=math.inf).ok


def test_what_is_not_a_number_is_not_ok() -> None:
    assert not worst("figure", [exactly(1, 1), exactly(math.nan, 1), exactly(9, 1)], bound=math.inf).ok
