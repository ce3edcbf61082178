from hypothesis import given, settings
from hypothesis import strategies as st

from voicebridge.health.hysteresis import Hold, Hysteresis


def held(after: float = 0.0, lingers: float = 0.0) -> Hysteresis[str]:
    return Hysteresis(lambda _: Hold(after, lingers))


def test_without_a_hold_it_tells_what_it_finds() -> None:
    hysteresis = held()
    assert hysteresis.settle({"a": "now"}, 0.0) == {"a": "now"}
    assert hysteresis.settle({}, 0.0) == {}


def test_what_has_not_held_long_enough_is_not_told() -> None:
    hysteresis = held(after=2.0)
    assert hysteresis.settle({"a": "1"}, 10.0) == {}
    assert hysteresis.settle({"a": "2"}, 11.9) == {}
    assert hysteresis.settle({"a": "3"}, 12.0) == {"a": "3"}


def test_a_break_begins_the_wait_anew() -> None:
    hysteresis = held(after=2.0, lingers=5.0)
    hysteresis.settle({"a": "1"}, 10.0)
    hysteresis.settle({}, 11.0)
    assert hysteresis.settle({"a": "2"}, 12.5) == {}
    assert hysteresis.settle({"a": "2"}, 14.5) == {"a": "2"}


def test_what_is_gone_lingers_as_it_was_last_found() -> None:
    hysteresis = held(lingers=3.0)
    hysteresis.settle({"a": "first"}, 10.0)
    hysteresis.settle({"a": "last"}, 11.0)
    assert hysteresis.settle({}, 13.9) == {"a": "last"}
    assert hysteresis.settle({}, 14.0) == {}


def test_what_comes_back_while_it_lingers_never_went() -> None:
    hysteresis = held(after=5.0, lingers=3.0)
    hysteresis.settle({"a": "1"}, 0.0)
    assert hysteresis.settle({"a": "1"}, 5.0) == {"a": "1"}
    assert hysteresis.settle({}, 7.0) == {"a": "1"}
    assert hysteresis.settle({"a": "2"}, 7.5) == {"a": "2"}


def test_what_lingers_is_still_told_and_what_waits_is_not_yet() -> None:
    hysteresis = held(after=2.0, lingers=3.0)
    hysteresis.settle({"a": "1"}, 0.0)
    assert not hysteresis.tells("a")
    hysteresis.settle({"a": "1"}, 2.0)
    hysteresis.settle({}, 3.0)
    assert hysteresis.tells("a")
    hysteresis.settle({}, 5.0)
    assert not hysteresis.tells("a")


@settings(max_examples=100)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 4), st.integers(0, 4))
def test_it_follows_the_truth_within_its_holds_both_ways(truth: list[bool], after: int, lingers: int) -> None:
    hysteresis = held(after, lingers)
    for second, holds in enumerate(truth):
        told = bool(hysteresis.settle({"a": "x"} if holds else {}, second))
        lately = truth[max(0, second - after) : second + 1]
        if len(lately) > after and all(lately):
            assert told
        if not any(truth[max(0, second - lingers) : second + 1]):
            assert not told
