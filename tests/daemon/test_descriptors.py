"""When no file can be opened any more, the process can still tell so."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicebridge.daemon.alarms import Alarms
from voicebridge.daemon.descriptors import CODE, HELD, DescriptorReserve
from voicebridge.health.probes import RULES


@pytest.fixture
def spare() -> Iterator[tuple[DescriptorReserve, Alarms]]:
    alarms = Alarms()
    held = DescriptorReserve(alarms)
    yield held, alarms
    held.close()


@pytest.fixture
def no_more() -> Iterator[None]:
    """Let the process open no more files: each number below the new limit is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_while_there_are_others_they_are_held(spare: tuple[DescriptorReserve, Alarms]) -> None:
    reserve, alarms = spare
    reserve.look()
    assert not alarms.standing
    assert reserve.counters() == {"descriptors_given_up": 0}


def test_with_no_other_left_they_are_given_up_and_it_is_told(
    spare: tuple[DescriptorReserve, Alarms], no_more: None
) -> None:
    reserve, alarms = spare
    with pytest.raises(OSError, match="Too many open files"):
        os.open(os.devnull, os.O_RDONLY)
    reserve.look()
    assert "limit" in alarms.standing[CODE]
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(HELD)]  # what it gave up can be used
    reserve.look()
    for descriptor in taken:
        os.close(descriptor)
    assert CODE in alarms.standing
    assert reserve.counters() == {"descriptors_given_up": 1}


def test_it_comes_back_when_there_are_others_again(spare: tuple[DescriptorReserve, Alarms]) -> None:
    reserve, alarms = spare
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        reserve.look()
        # Those that were given up are free, and are all there are: taken back, they would be given up again.
        reserve.look()
        assert CODE in alarms.standing
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    reserve.look()
    assert not alarms.standing
    assert reserve.counters() == {"descriptors_given_up": 1}


def test_the_alarm_has_a_rule() -> None:
    assert CODE in {rule.code for rule in RULES}


def test_it_leaks_nothing() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    reserve = DescriptorReserve(Alarms())
    reserve.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
