"""Descriptors and memory run out: a clear death or a clear alarm, a restart, nothing lost."""

import re
import time

from tests.box.figures import Figures
from tests.box.service import Service

SETTLE_SECONDS = 60.0
NAMES = {"--nofile": "Max open files", "--as": "Max address space"}
"""What the kernel calls them in /proc/PID/limits."""


def _starve(service: Service, figures: Figures, what: str, limit: str) -> None:
    """Set a soft limit of the running process to what it uses, see what happens, and lift it again."""
    box, cursor, pid = service.box, service.box.cursor(), service.pid
    service.wait_announced(1, cursor)
    # As the service's own user: this machine may lack the capability for others.
    prlimit = ["runuser", "--user", "voicebridge", "--", "prlimit", f"--pid={pid}"]
    kind = limit.split("=", maxsplit=1)[0]
    table = box.run("cat", f"/proc/{pid}/limits").stdout
    hard = re.findall(rf"^{NAMES[kind]}\s+\S+\s+(\S+)", table, re.MULTILINE)[0]
    box.run(*prlimit, f"{limit}:{hard}")
    began = time.monotonic()
    told = box.wait_until(
        lambda: _trouble(service) or ("" if service.pid == pid else "a restart"), "alarm or death", 90
    )
    took = time.monotonic() - began
    box.rest(5)
    if service.pid == pid:
        box.run(*prlimit, f"{kind}={hard}:{hard}")
    healed = _healed(service, SETTLE_SECONDS)
    lost = service.lost(cursor)
    end = f"{'well' if healed else 'NOT well'} by itself afterwards, {len(lost)} lost"
    figures.note(what, 1, f"after {took:.1f} s: {told}; {end}", "clear, well again, 0 lost", healed and not lost)
    assert healed
    assert not lost


def _trouble(service: Service) -> str:
    return str(service.status().get("trouble", ""))


def _healed(service: Service, seconds: float) -> bool:
    """Say whether it transcribes again, without anybody's help, within some time."""
    try:
        service.wait_hearing(seconds)
        service.wait_announced(1, service.box.cursor(), seconds)
    except AssertionError:
        return False
    return True


def test_descriptors_that_run_out_lose_nothing(service: Service, speech: object, figures: Figures) -> None:
    open_now = len(service.box.run("ls", f"/proc/{service.pid}/fd").stdout.split())
    _starve(service, figures, "descriptors exhausted", f"--nofile={open_now}")


def test_memory_that_runs_out_loses_nothing(service: Service, speech: object, figures: Figures) -> None:
    used = int(service.box.run("ps", "-o", "vsz=", "-p", str(service.pid)).stdout) * 1024
    _starve(service, figures, "memory limit hit (RLIMIT_AS)", f"--as={used}")


def test_a_start_without_enough_memory_does_not_end_the_service_for_ever(service: Service, figures: Figures) -> None:
    cursor = service.box.cursor()
    service.drop_in("memory", "[Service]\nLimitAS=120M\n")
    service.box.systemctl("restart", "voicebridge.service", check=False)
    service.box.rest(5)
    service.box.run("rm", "-rf", "/run/systemd/system/voicebridge.service.d")
    service.box.systemctl("daemon-reload")
    began = time.monotonic()
    service.wait_hearing(90)
    took, said = time.monotonic() - began, service.box.journal("-u", "voicebridge", "-p", "err", after=cursor)
    told = f"hearing {took:.0f} s after the limit was lifted; {len(said)} error lines meanwhile"
    figures.note("start under LimitAS=120M, then lifted", 1, told, "hearing within 90 s, no operator", passed=True)
