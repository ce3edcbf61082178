"""Faults are made when their time has come, taken away again, and recovery is measured by frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from voicebridge_bench.soak.faults import GIVE_UP_SECONDS, Filling, Injector, Stepping
from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.record import Fault
from voicebridge_bench.soak.trouble import Planned


@dataclass
class Daemon:
    """Implements Patient."""

    life: int = 1
    hears: bool = True
    answer: tuple[int, float] | None = (1, 100.0)
    status: Mapping[str, Any] = field(default_factory=lambda: {"state": "hearing"})
    asked_again: int = 0

    def heard(self) -> tuple[int, float] | None:
        return self.answer

    def ask_again(self) -> None:
        self.asked_again += 1


@dataclass
class Blow:
    """Implements Body."""

    calls: list[str] = field(default_factory=list)
    done: bool = False

    def begin(self) -> None:
        self.calls.append("begin")

    def over(self) -> bool:
        return self.done

    def end(self) -> None:
        self.calls.append("end")


class Stage:
    """An injector with a clock that is moved by hand."""

    def __init__(self, *planned: Planned) -> None:
        self.now = 1000.0
        self.daemon, self.blow = Daemon(), Blow()
        self.faults: list[Fault] = []
        self.injector = Injector(
            planned, {"blow": lambda: self.blow}, self.daemon, self.faults.append, lambda: self.now
        )

    def at(self, elapsed: float) -> None:
        self.now = 1000.0 + elapsed
        self.injector.look(elapsed)


PLANNED = Planned("blow", 20.0, 5.0, 3.0)


@pytest.fixture
def stage() -> Stage:
    return Stage(PLANNED)


def test_a_fault_waits_for_its_time(stage: Stage) -> None:
    stage.at(19.9)
    assert stage.blow.calls == []
    stage.at(20.0)
    assert stage.blow.calls == ["begin"]


def test_a_fault_waits_for_a_daemon_that_hears(stage: Stage) -> None:
    stage.daemon.hears = False
    stage.at(30)
    assert stage.blow.calls == []
    stage.daemon.hears = True
    stage.at(31)
    assert stage.blow.calls == ["begin"]


def test_it_is_taken_away_after_its_time(stage: Stage) -> None:
    stage.at(20)
    stage.at(24.9)
    assert stage.blow.calls == ["begin"]
    stage.at(25)
    assert stage.blow.calls == ["begin", "end"]


def test_one_that_is_over_by_itself_ends_at_once(stage: Stage) -> None:
    stage.at(20)
    stage.blow.done = True
    stage.at(20.1)
    assert stage.blow.calls == ["begin", "end"]


def test_one_that_is_a_moment_ends_when_it_begins_and_recovery_counts_from_there(stage: Stage) -> None:
    stage.blow.done = True
    stage.at(20)
    assert stage.blow.calls == ["begin", "end"]
    stage.daemon.life, stage.daemon.answer = 2, (2, 0.02)
    stage.at(20.7)
    [fault] = stage.faults
    assert (fault.began, fault.ended, fault.recovered) == (1020.0, 1020.0, 1020.7)


def test_recovered_means_more_frames_than_at_its_end(stage: Stage) -> None:
    stage.at(20)
    stage.at(25)
    stage.at(25.2)
    stage.at(26)
    assert not stage.faults
    stage.daemon.answer = (1, 100.5)
    stage.at(26.5)
    [fault] = stage.faults
    assert (fault.began, fault.ended, fault.recovered) == (1020.0, 1025.0, 1026.5)
    assert (fault.life, fault.allowance_seconds, fault.detail) == (1, 3.0, "state hearing")


def test_another_life_has_recovered_with_its_first_frame(stage: Stage) -> None:
    stage.at(20)
    stage.at(25)
    stage.daemon.answer = None
    stage.at(25.2)
    stage.daemon.life, stage.daemon.answer = 2, (2, 0.0)
    stage.at(25.5)
    assert not stage.faults
    stage.daemon.answer = (2, 0.02)
    stage.at(26)
    assert stage.faults[0].recovered == 1026.0
    assert stage.faults[0].life == 1


def test_a_daemon_that_never_hears_again_has_not_recovered(stage: Stage) -> None:
    stage.at(20)
    stage.at(25)
    stage.daemon.answer = None
    stage.at(25 + GIVE_UP_SECONDS)
    assert stage.faults[0].recovered is None


def test_the_next_fault_waits_for_the_recovery() -> None:
    stage = Stage(PLANNED, Planned("blow", 26.0, 0.0, 3.0))
    stage.at(20)
    stage.at(25)
    stage.at(25.2)
    stage.at(28)
    assert stage.injector.made == 1
    stage.daemon.answer = (1, 101.0)
    stage.at(28.5)
    stage.at(29)
    assert stage.injector.made == 2


def test_what_cannot_be_done_here_is_left_out() -> None:
    stage = Stage(Planned("flood", 1.0, 1.0, 1.0), PLANNED)
    stage.at(20)
    assert stage.injector.made == 1
    assert stage.blow.calls == ["begin"]


def test_the_end_of_the_soak_takes_away_what_is_being_made(stage: Stage) -> None:
    stage.at(20)
    stage.injector.stop()
    assert stage.blow.calls == ["begin", "end"]
    assert (stage.faults[0].recovered, stage.faults[0].detail) == (None, "the soak ended first")
    stage.injector.stop()
    assert len(stage.faults) == 1


def test_orders_are_seen_by_who_has_the_same_file(tmp_path: Path) -> None:
    here, there = Orders(tmp_path / "orders"), Orders(tmp_path / "orders")
    here.clock_seconds, here.disk_full, here.hang = -3600, 1, 1
    assert (there.clock_seconds, there.disk_full, there.hang) == (-3600, 1, 1)
    there.hang = 0
    assert here.hang == 0
    here.withdraw()
    assert (there.clock_seconds, there.disk_full, there.hang) == (0, 0, 0)


def test_a_full_disk_and_a_wrong_clock_are_ordered_and_taken_back(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "orders")
    for body in (Filling(orders), Stepping(orders, -3600)):
        body.begin()
        assert not body.over()
        body.end()
    assert (orders.clock_seconds, orders.disk_full) == (0, 0)
