"""The journal is stopped, standard output is blocked: hearing does not wait for either."""

import fcntl
import json
import subprocess

from tests.box.figures import Figures
from tests.box.machine import Box
from tests.box.service import MODEL_NAME, STATE, Service
from tests.box.sound import MICROPHONE, SOCKET

JOURNAL = ["systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service"]
SMALLEST_PIPE = 4096
LONGEST_LAG_MS = 1000.0
FILLS = 8
"""So many transcribed utterances are more than the pipe takes."""


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
    seen = [
        _with_blocked_output(service.box, f"/var/tmp/blocked{number}", figures) for number in range(figures.several)
    ]
    heard, seconds, lag, done = (sum(one[place] for one in seen) for place in range(4))
    told = (
        f"heard {heard:.1f} s of {seconds:.1f} s, lag at most {max(one[2] for one in seen):.0f} ms, {done} transcribed"
    )
    passed = all(abs(one[0] - one[1]) < 2 and one[3] for one in seen) and lag < LONGEST_LAG_MS * len(seen)
    figures.note("standard output blocked", len(seen), told, "no stall", passed)
    assert passed


def _with_blocked_output(box: Box, state: str, figures: Figures) -> tuple[float, float, float, int]:
    """Return the seconds heard and passed while nobody read, the lag in ms, and what was transcribed; no gap."""
    settings = {
        "audio.device": MICROPHONE,
        "whisper.model": f"{STATE}/models/{MODEL_NAME}",
        "health.status_seconds": "0.5",
        "http.enabled": "false",
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
        full = box.wait_until(lambda: status() if status().get("done", 0) >= FILLS else None, "a full pipe", 120)
        box.rest(figures.times(10, 60))
        after = status()
    finally:
        box.run("kill", "-9", str(int(status()["pid"])))
        daemon.communicate(timeout=30)
        box.run("rm", "-rf", state)
    assert not after["gaps"]
    heard, seconds = (after[key] - full[key] for key in ("heard_seconds", "written_at"))
    return heard, seconds, after["listener_lag_ms"], int(after["done"] - full["done"])
