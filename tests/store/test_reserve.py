"""The reserve: space held for a full disk."""

import os
from pathlib import Path

import pytest

from tests.fakes.clocks import Clock
from voicebridge.store.reserve import CALM_SECONDS, NAME, Reserve, allocate, size_and_free_bytes, write_zeros

MB = 1_000_000
PLENTY = (100_000 * MB, 50_000 * MB)


class Disk:
    """A disk that says what it is told to."""

    def __init__(self, size: int = 1000 * MB, free: int = 900 * MB) -> None:
        self.size, self.free = size, free

    def __call__(self, _: Path) -> tuple[int, int]:
        return self.size, self.free


def test_the_reserve_really_takes_its_space(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, 2 * MB)
    assert reserve.keep(calm_seconds=0)
    found = (tmp_path / NAME).stat()
    assert found.st_size == 2 * MB
    assert found.st_blocks * 512 >= 2 * MB
    assert found.st_mode & 0o777 == 0o600
    assert reserve.held_bytes >= 2 * MB


def test_a_reserve_that_is_there_is_left_alone(tmp_path: Path) -> None:
    Reserve(tmp_path, MB).keep(calm_seconds=0)
    before = (tmp_path / NAME).stat().st_ino
    assert not Reserve(tmp_path, MB).keep(calm_seconds=0)
    assert (tmp_path / NAME).stat().st_ino == before


@pytest.mark.parametrize("size", [MB // 2, 2 * MB])
def test_a_reserve_of_another_size_is_made_anew(tmp_path: Path, size: int) -> None:
    Reserve(tmp_path, MB).keep(calm_seconds=0)
    assert Reserve(tmp_path, size).keep(calm_seconds=0)
    assert (tmp_path / NAME).stat().st_size == size


def test_a_reserve_with_holes_holds_nothing_and_is_made_anew(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(MB)
    assert Reserve(tmp_path, MB).keep(calm_seconds=0)
    assert (tmp_path / NAME).stat().st_blocks * 512 >= MB


def test_a_reserve_of_nothing_is_no_file(tmp_path: Path) -> None:
    Reserve(tmp_path, MB).keep(calm_seconds=0)
    assert not Reserve(tmp_path, 0).keep(calm_seconds=0)
    assert not (tmp_path / NAME).exists()
    assert not Reserve(tmp_path, 0).keep(calm_seconds=0)


def test_giving_up_frees_the_space_once(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, MB)
    reserve.keep(calm_seconds=0)
    assert reserve.give_up()
    assert not reserve.give_up()
    assert (reserve.given_up, reserve.held_bytes) == (1, 0)


def test_it_comes_back_when_there_has_been_space_for_a_minute(tmp_path: Path) -> None:
    clock, disk = Clock(), Disk(free=65 * MB)
    reserve = Reserve(tmp_path, MB, clock, disk)
    assert not reserve.keep()
    disk.free = 66 * MB
    assert not reserve.keep()
    clock.pass_(CALM_SECONDS - 1)
    assert not reserve.keep()
    clock.pass_(1)
    assert reserve.keep()


def test_space_that_goes_again_begins_the_minute_anew(tmp_path: Path) -> None:
    clock, disk = Clock(), Disk()
    reserve = Reserve(tmp_path, MB, clock, disk)
    reserve.keep()
    clock.pass_(CALM_SECONDS / 2)
    disk.free = MB
    reserve.keep()
    disk.free = 900 * MB
    clock.pass_(CALM_SECONDS / 2)
    assert not reserve.keep()


def test_on_a_small_disk_a_tenth_is_margin_enough(tmp_path: Path) -> None:
    assert not Reserve(tmp_path, MB, Clock(), Disk(size=100 * MB, free=12 * MB - 1)).keep(calm_seconds=0)
    assert Reserve(tmp_path, MB, Clock(), Disk(size=100 * MB, free=12 * MB)).keep(calm_seconds=0)


def test_a_disk_that_cannot_be_asked_gets_no_reserve(tmp_path: Path) -> None:
    def fails(_: Path) -> tuple[int, int]:
        raise OSError(5, "the disk fails")

    assert not Reserve(tmp_path, MB, Clock(), fails).keep(calm_seconds=0)


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "missing", MB, Clock(), Disk())
    assert not reserve.keep(calm_seconds=0)
    assert not reserve.give_up()


def test_what_is_no_file_is_no_reserve(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    reserve = Reserve(tmp_path, MB, Clock(), Disk())
    assert not reserve.keep(calm_seconds=0)
    assert not reserve.give_up()


def test_where_space_cannot_be_allocated_zeros_are_written(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_zeros(descriptor, 3 * MB)
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == bytes(3 * MB)


def test_a_disk_that_is_too_small_is_told(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match=r"No space|too large"):
        allocate(descriptor, 1 << 60)
    os.close(descriptor)


def test_the_disk_is_asked(tmp_path: Path) -> None:
    size, free = size_and_free_bytes(tmp_path)
    assert size > free > 0
