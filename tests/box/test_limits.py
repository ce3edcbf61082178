"""Descriptors and memory run out: a clear death or a clear alarm, a restart, nothing lost."""

import time

from tests.box.figures import Figures
from tests.box.service import Service

SETTLE_SECONDS = 60.0


def test_descriptors_that_run_out_lose_nothing(service: Service, speech: object, figures: Figures) -> None:
    box, cursor, pid = service.box, service.box.cursor(), service.pid
    service.wait_announced(1, cursor)
    open_now = len(box.run("ls", f"/proc/{pid}/fd").stdout.split())
    box.run("prlimit", f"--pid={pid}", f"--nofile={open_now}:{open_now}")
    began = time.monotonic()
    told = box.wait_until(
        lambda: service.status().get("trouble") or (service.pid != pid and "a restart") or None,
        "an alarm or a death",
        60,
    )
    took = time.monotonic() - began
    box.rest(5)
    if service.pid == pid:
        service.restart()
    service.wait_hearing()
    service.wait_announced(1, box.cursor(), SETTLE_SECONDS)
    lost = service.lost(cursor)
    figures.note("descriptors exhausted", 1, f"after {took:.1f} s: {told}; {len(lost)} lost", "clear, 0 lost", not lost)
    assert not lost


def test_memory_that_runs_out_loses_nothing(service: Service, speech: object, figures: Figures) -> None:
    box, cursor, pid = service.box, service.box.cursor(), service.pid
    service.wait_announced(1, cursor)
    size = int(box.run("ps", "-o", "vsz=", "-p", str(pid)).stdout) * 1024
    box.run("prlimit", f"--pid={pid}", f"--as={size}:{size}")
    began = time.monotonic()
    told = box.wait_until(
        lambda: service.status().get("trouble") or (service.pid != pid and "a restart") or None,
        "an alarm or a death",
        90,
    )
    took = time.monotonic() - began
    box.rest(5)
    if service.pid == pid:
        service.restart()
    service.wait_hearing()
    service.wait_announced(1, box.cursor(), SETTLE_SECONDS)
    lost = service.lost(cursor)
    figures.note("memory limit hit", 1, f"after {took:.1f} s: {told}; {len(lost)} lost", "clear, 0 lost", not lost)
    assert not lost


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
