import errno

import pytest

from voicebridge.health.keeper import Duty, Keeper


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_duty_is_done_when_it_is_due_and_not_before() -> None:
    clock, done = Clock(), list[float]()
    keeper = Keeper([Duty(10.0, lambda: done.append(clock.now))], clock)
    assert keeper.tick() == 10.0
    clock.now = 9.9
    keeper.tick()
    assert done == []
    clock.now = 10.0
    assert keeper.tick() == 10.0
    assert done == [10.0]


def test_a_duty_that_was_missed_often_is_done_once() -> None:
    clock, done = Clock(), list[float]()
    keeper = Keeper([Duty(1.0, lambda: done.append(clock.now))], clock)
    clock.now = 50.0
    keeper.tick()
    keeper.tick()
    assert done == [50.0]


def test_the_nearest_duty_says_how_long_to_wait() -> None:
    clock = Clock()
    keeper = Keeper([Duty(10.0, lambda: None), Duty(3.0, lambda: None)], clock)
    assert keeper.tick() == 3.0
    clock.now = 3.0
    assert keeper.tick() == 3.0
    clock.now = 8.0
    assert keeper.tick() == 1.0


def test_a_duty_may_be_due_at_once() -> None:
    clock, done = Clock(), list[float]()
    keeper = Keeper([Duty(10.0, lambda: done.append(clock.now), at_once=True)], clock)
    assert keeper.tick() == 10.0
    assert done == [0.0]


def test_lateness_does_not_add_up() -> None:
    clock, done = Clock(), list[float]()
    keeper = Keeper([Duty(5.0, lambda: done.append(clock.now))], clock)
    for now in (5.3, 10.4, 15.0):
        clock.now = now
        keeper.tick()
    assert done == [5.3, 10.4, 15.0]
    assert keeper.tick() == 5.0


def test_moments_that_were_missed_are_left_out() -> None:
    clock, done = Clock(), list[float]()
    keeper = Keeper([Duty(5.0, lambda: done.append(clock.now))], clock)
    clock.now = 17.0
    assert keeper.tick() == 3.0
    assert done == [17.0]


def test_duties_of_intervals_that_go_into_one_another_fall_due_together_however_late_each_was() -> None:
    clock, wakes = Clock(), 0

    def slowly() -> None:
        clock.now += 0.003

    keeper = Keeper([Duty(0.5, slowly), *(Duty(every, slowly, at_once=True) for every in (1.0, 1.0, 2.0))], clock)
    while clock.now < 10:
        left = keeper.tick()
        clock.now += left + 0.0002
        wakes += 1
    assert wakes == 20


def test_a_duty_for_which_no_file_can_be_opened_is_left_for_the_next_time() -> None:
    clock, done = Clock(), list[str]()

    def starved() -> None:
        if clock.now < 2.0:
            raise OSError(errno.EMFILE, "Too many open files")
        done.append("starved")

    keeper = Keeper([Duty(1.0, starved, at_once=True), Duty(1.0, lambda: done.append("other"), at_once=True)], clock)
    keeper.tick()
    assert done == ["other"]
    assert keeper.counters() == {"duties_left_out": 1}
    clock.now = 2.0
    keeper.tick()
    assert done == ["other", "starved", "other"]


def test_any_other_fault_of_a_duty_is_none_to_bear() -> None:
    def broken() -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        Keeper([Duty(1.0, broken, at_once=True)], Clock()).tick()
