"""The machine under the figures."""

from pathlib import Path

import pytest

from tests.bench.runs import MACHINE
from voicebridge_bench.components.host import Meanwhile, class_of, is_busy, is_disturbed, look, unlike


def _root(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_this_machine_is_described() -> None:
    host = look(gpus=0)
    assert host.cores >= host.cores_usable >= 1
    assert host.memory_gib > 0
    assert host.versions["numpy"] != "none"
    assert len(host.fingerprint) == 16


def test_two_looks_are_alike() -> None:
    first, second = look(gpus=0), look(gpus=0)
    assert first.fingerprint == second.fingerprint
    assert unlike(first, second) == []


def test_a_pi_is_known_by_its_device_tree(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/cpuinfo": "processor : 0\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "etc/os-release": 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "run/systemd/container": "systemd-nspawn\n",
    }
    host = look(_root(tmp_path, files), gpus=0)
    assert class_of(host).name == "pi5"
    assert host.governor == "ondemand"
    assert host.system == "Debian GNU/Linux 12 (bookworm)"
    assert host.container == "systemd-nspawn"
    assert not host.virtual


def test_a_container_and_a_hypervisor_show(tmp_path: Path) -> None:
    host = look(_root(tmp_path, {"run/.containerenv": "", "proc/cpuinfo": "flags : fpu hypervisor\n"}), gpus=0)
    assert (host.container, host.virtual) == ("podman", True)


def test_a_machine_that_tells_nothing_is_still_described(tmp_path: Path) -> None:
    host = look(tmp_path, gpus=0)
    assert (host.machine, host.governor, host.container) == ("", "", "")
    assert host.cpu


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"gpus": 1, "machine": "Raspberry Pi 5"}, "gpu"),
        ({"machine": "Raspberry Pi 5 Model B", "architecture": "aarch64"}, "pi5"),
        ({}, "x86-2core"),
        ({"cores_usable": 16}, "x86-2core"),
        ({"cores_usable": 1}, ""),
        ({"architecture": "aarch64", "machine": "Raspberry Pi 4 Model B"}, ""),
    ],
)
def test_the_class_follows_from_the_machine(change: dict[str, object], expected: str) -> None:
    found = class_of(MACHINE.model_copy(update=change))
    assert found.name == expected
    assert found.reason


def test_what_others_used_is_what_was_not_idle_and_not_ours() -> None:
    machine, own, clock = iter([100.0, 130.0]), iter([5.0, 15.0]), iter([0.0, 10.0])
    meanwhile = Meanwhile(lambda: next(machine), lambda: next(own), lambda: next(clock))
    # 30 s of work in 10 s, 10 s of them ours.
    assert meanwhile.others_cores() == pytest.approx(2.0)


def test_others_never_use_less_than_nothing() -> None:
    own = iter([0.0, 1.0])
    assert Meanwhile(lambda: 0.0, lambda: next(own)).others_cores() == 0.0


def test_this_machine_tells_what_others_use() -> None:
    assert Meanwhile().others_cores() >= 0.0


def test_a_disturbed_run_is_called_disturbed() -> None:
    assert is_disturbed(0.1, 2) == ""
    assert "1.6 of 2 cores" in is_disturbed(1.6, 2)


def test_a_busy_machine_is_called_busy() -> None:
    assert is_busy(MACHINE) == ""
    assert "load 3.0 on 2 cores" in is_busy(MACHINE.model_copy(update={"load_average": (3.0, 1.0, 1.0)}))
