from collections import namedtuple
from pathlib import Path

import pytest

from voicebridge.health.machine import CPU_THROTTLED, PI_THROTTLED, Machine, read_machine

Sensor = namedtuple("Sensor", "label current high critical")


def read(tmp_path: Path, *sensors: Sensor) -> Machine:
    groups = {"some": list(sensors)} if sensors else {}
    return read_machine(tmp_path, tmp_path / "a.db", lambda: groups, tmp_path / "sys")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_machine_that_tells_nothing_is_known_by_its_disk_alone(tmp_path: Path) -> None:
    machine = read(tmp_path)
    assert machine.disk_free is not None
    assert machine.disk_free > 0
    assert machine == Machine(disk_free=machine.disk_free, database=0, wal=0)


def test_a_directory_that_is_gone_has_no_free_space_that_could_be_told(tmp_path: Path) -> None:
    machine = read_machine(tmp_path / "gone", tmp_path / "file" / "a.db", dict, tmp_path)
    assert machine.disk_free is None


def test_the_database_and_its_log_are_measured(tmp_path: Path) -> None:
    write(tmp_path / "a.db", "x" * 10)
    write(tmp_path / "a.db-wal", "x" * 3)
    machine = read(tmp_path)
    assert (machine.database, machine.wal) == (10, 3)


@pytest.mark.parametrize(
    ("text", "throttled", "detail"),
    [
        ("0\n", False, ""),
        ("50000\n", False, ""),  # it was so once, and is not now
        ("50005\n", True, "the voltage is too low, the processor is throttled"),
        ("0x8", True, "the soft temperature limit is reached"),
        ("nonsense", None, ""),
    ],
)
def test_a_raspberry_pi_says_what_slows_it_down(tmp_path: Path, text: str, throttled: bool | None, detail: str) -> None:
    write(tmp_path / "sys" / PI_THROTTLED, text)
    machine = read(tmp_path)
    assert (machine.throttled, machine.detail) == (throttled, detail)


def test_an_intel_processor_counts_its_throttlings(tmp_path: Path) -> None:
    write(tmp_path / "sys" / CPU_THROTTLED, "12\n")
    assert read(tmp_path).throttlings == 12


def test_the_sensor_nearest_to_what_is_critical_for_it_counts(tmp_path: Path) -> None:
    disk, core = Sensor("disk", 60.0, 65.0, 70.0), Sensor("core", 80.0, None, 100.0)
    machine = read(tmp_path, disk, core, Sensor("board", 90.0, None, None))
    assert (machine.celsius, machine.limit_celsius) == (60.0, 65.0)


def test_memory_above_what_it_calls_high_is_no_trouble(tmp_path: Path) -> None:
    machine = read(tmp_path, Sensor("dimm", 60.0, 55.0, 85.0))
    assert (machine.celsius, machine.limit_celsius) == (60.0, 80.0)


def test_a_processor_without_a_limit_counts_beside_disks_that_have_one(tmp_path: Path) -> None:
    groups = {"nvme": [Sensor("", 40.0, 81.0, 84.0)], "k10temp": [Sensor("Tctl", 84.0, None, None)]}
    machine = read_machine(tmp_path, tmp_path / "a.db", lambda: groups, tmp_path)
    assert (machine.celsius, machine.limit_celsius) == (84.0, None)


def test_a_disk_that_answers_with_errors_hides_its_sizes_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.db").symlink_to(tmp_path / "a.db")  # ELOOP stands for EIO and ESTALE
    assert read(tmp_path).database is None


def test_without_limits_the_hottest_counts(tmp_path: Path) -> None:
    machine = read(tmp_path, Sensor("", 40.0, None, None), Sensor("", 55.0, 0.0, 0.0), Sensor("", 0.0, None, None))
    assert (machine.celsius, machine.limit_celsius) == (55.0, None)


def test_a_sensor_that_answers_nonsense_is_no_sensor(tmp_path: Path) -> None:
    def broken() -> dict[str, list[Sensor]]:
        raise ValueError("could not convert string to float")

    assert read_machine(tmp_path, tmp_path / "a.db", broken, tmp_path).celsius is None
