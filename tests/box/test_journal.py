"""The journal is stopped, standard output is blocked: hearing does not wait for either."""

import fcntl
import json
import subprocess

from tests.box.figures import Figures
from tests.box.service import MODEL_NAME, STATE, Service
from tests.box.sound import MICROPHONE, SOCKET

JOURNAL = ["systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service"]
SMALLEST_PIPE = 4096
LONGEST_LAG_MS = 1000.0


def test_a_stopped_journal_stalls_nothing(service: Service, speech: object, figures: Figures) -> None:
    box, pid, gaps, lag, done = service.box, service.pid, service.newest("gaps"), 0.0, 0
    heard, time_passed = list[float](), list[float]()
    for _ in range(figures.several):
        box.systemctl("stop", *JOURNAL)
        box.systemctl("mask", "--runtime", *JOURNAL)
        try:
            before = service.status()
            for _ in range(figures.times(10, 60)):
                box.rest(1)
                lag = max(lag, service.status()["listener_lag_ms"])
            after = service.status()
        finally:
            box.systemctl("unmask", "--runtime", *JOURNAL)
            box.systemctl("start", *JOURNAL)
        service.wait_announced(1, box.cursor(), 30)
        heard.append(after["heard_seconds"] - before["heard_seconds"])
        time_passed.append(after["written_at"] - before["written_at"])
        done += after["done"] - before["done"]
    told = f"heard {sum(heard):.1f} s of {sum(time_passed):.1f} s, worst lag {lag:.0f} ms, {done} transcribed"
    stalled = any(abs(one - other) >= 2 for one, other in zip(heard, time_passed, strict=True))
    passed = not stalled and lag < LONGEST_LAG_MS and done >= len(heard)
    passed = passed and service.pid == pid and not service.gaps_after(gaps)
    figures.note("journald stopped", len(heard), told, "no stall; told again afterwards", passed)
    assert passed


def test_a_blocked_standard_output_stalls_nothing(service: Service, speech: object, figures: Figures) -> None:
    box = service.box
    state = "/var/tmp/blocked"
    settings = {
        "audio.device": MICROPHONE,
        "whisper.model": f"{STATE}/models/{MODEL_NAME}",
        "health.status_seconds": "0.5",
    }
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    environment = f"PULSE_SERVER=unix:{SOCKET} ALSA_CONFIG_PATH=/etc/asound.conf RUNTIME_DIRECTORY={state}"
    box.run("mkdir", "-p", "-m", "700", state)
    daemon = box.popen(
        *("voicebridge", "--state-dir", state, *options, "run", "--json"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert daemon.stdout is not None
    fcntl.fcntl(daemon.stdout, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)

    def status() -> dict[str, float]:
        for path in (box.root / state.lstrip("/")).glob("voicebridge-status*.json"):
            content: dict[str, float] = json.loads(path.read_text())
            return content
        return {}

    try:
        full = box.wait_until(lambda: status() if status().get("done", 0) >= 8 else None, "eight utterances", 120)
        box.rest(figures.times(10, 60))
        after = status()
        heard, passed_seconds = (after[key] - full[key] for key in ("heard_seconds", "written_at"))
    finally:
        box.run("kill", "-9", str(int(status()["pid"])))
        daemon.communicate(timeout=30)
    told = f"heard {heard:.1f} s of {passed_seconds:.1f} s, lag {after['listener_lag_ms']:.0f} ms, {after['done']} done"
    passed = abs(heard - passed_seconds) < 2 and after["done"] > full["done"] and not after["gaps"]
    figures.note("standard output blocked", 1, told, "no stall", passed)
    assert passed
