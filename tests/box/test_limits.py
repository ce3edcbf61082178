"""Descriptors and memory run out: a clear death or a clear alarm, a restart, nothing lost."""

import time

from tests.box.figures import Figures
from tests.box.service import DROP_INS, UNIT, Service
from tests.box.sound import SPEECH, Sound

ALARM_SECONDS = 10.0
SETTLE_SECONDS = 60.0
ENOUGH_DESCRIPTORS = 1024
TIGHT = 0.85
"""Share of what a healthy process has mapped."""


def _trouble(service: Service) -> str:
    return str(service.status().get("trouble", ""))


def _restarts(service: Service) -> str:
    return f"{service.restarts} restarts" if service.restarts else ""


def _healed(service: Service, seconds: float) -> bool:
    """Say whether it transcribes again, without anybody's help, within some time."""
    try:
        service.wait_hearing(seconds)
        service.wait_announced(1, service.box.cursor(), seconds)
    except AssertionError:
        return False
    return True


def test_descriptors_that_run_out_lose_nothing(service: Service, speech: object, figures: Figures) -> None:
    """It tells so from what it held back, and is well again by itself when there are others."""
    box, cursor, pid, took, told = service.box, service.box.cursor(), service.pid, [], ""
    service.wait_announced(1, cursor)
    for _ in range(figures.several):
        open_now = len(box.run("ls", f"/proc/{pid}/fd").stdout.split())
        box.run(*_prlimit(pid), f"--nofile={open_now - 6}:")  # fewer than it has: some numbers may be free below
        began = time.monotonic()
        told = box.wait_until(lambda: _trouble(service), "an alarm", ALARM_SECONDS)
        took.append(time.monotonic() - began)
        box.rest(5)
        assert service.pid == pid, "it died of it"
        box.run(*_prlimit(pid), f"--nofile={ENOUGH_DESCRIPTORS}:")
        service.wait_status(lambda status: status["state"] == "hearing", "well again", SETTLE_SECONDS)
    figures.note_seconds("descriptors exhausted: alarm", took, ALARM_SECONDS)
    _judge(service, figures, "descriptors exhausted", len(took), told, cursor)


def test_memory_that_runs_out_loses_nothing(service: Service, sound: Sound, figures: Figures) -> None:
    """Under a limit at which the service can hear and not load its model; it is lifted while the process runs."""
    box, cursor, told = service.box, service.box.cursor(), ""
    mapped = int(box.run("ps", "-o", "vsz=", "-p", str(service.pid)).stdout) * 1024
    service.set(engine__load_retry_seconds="2")
    for _ in range(figures.several):
        before = service.newest("utterances")
        service.drop_in("memory", f"[Service]\nLimitAS={int(mapped * TIGHT)}:infinity\n")
        box.systemctl("restart", UNIT, check=False)
        told = box.wait_until(lambda: _trouble(service) or _restarts(service), "alarm or death", 60)
        sound.loop(SPEECH)
        box.rest(5)
        pid = service.pid
        box.run("rm", "-rf", DROP_INS)
        box.systemctl("daemon-reload")
        if pid:
            box.run(*_prlimit(pid), "--as=unlimited:", check=False)  # it may be gone by now
        service.wait_hearing(SETTLE_SECONDS)
        sound.hush()
        assert service.newest("utterances") > before
    sound.loop(SPEECH)
    _judge(service, figures, "memory limit hit (RLIMIT_AS)", figures.several, told, cursor)


def _prlimit(pid: int) -> list[str]:
    """Change soft limits as the service's own user: this machine may lack the capability to do so for others."""
    return ["runuser", "--user", "voicebridge", "--", "prlimit", f"--pid={pid}"]


def _judge(service: Service, figures: Figures, fault: str, count: int, told: str, cursor: str) -> None:
    """Note whether it transcribes again by itself, and what of the announced is missing."""
    healed = _healed(service, SETTLE_SECONDS)
    lost = service.lost(cursor)
    end = f"{'well' if healed else 'NOT well'} by itself afterwards, {len(lost)} lost"
    figures.note(fault, count, f"{told}; {end}", "clear, well again, 0 lost", healed and not lost)
    assert healed
    assert not lost


def test_a_start_without_enough_memory_does_not_end_the_service_for_ever(service: Service, figures: Figures) -> None:
    box, took, said = service.box, [], 0
    for _ in range(figures.several):
        cursor = box.cursor()
        service.drop_in("memory", "[Service]\nLimitAS=120M\n")
        box.systemctl("reset-failed", UNIT, check=False)
        box.systemctl("restart", UNIT, check=False)
        box.rest(5)
        box.run("rm", "-rf", DROP_INS)
        box.systemctl("daemon-reload")
        began = time.monotonic()
        service.wait_hearing(90)
        took.append(time.monotonic() - began)
        said += len(box.journal("-u", "voicebridge", "-p", "err", after=cursor))
    told = f"hearing at most {max(took):.0f} s after the limit was lifted; {said} error lines meanwhile"
    bound = "hearing within 90 s, no operator"
    figures.note("start under LimitAS=120M, then lifted", len(took), told, bound, passed=True)
    assert said
