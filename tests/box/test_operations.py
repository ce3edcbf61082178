"""Every journalctl command of the operations guide is run for real; the unit's exposure is scored."""

import re

import pytest

from tests.box.figures import Figures
from tests.box.image import ROOT
from tests.box.service import UNIT, Service
from tests.box.sound import THREE_COMMANDS, Sound

GUIDE = ROOT / "docs/operations.md"
FEWEST = 20
SOCKET_SCORE = 1.1
ALSA_SCORE = 1.5


def commands_of_the_guide() -> list[str]:
    """Return its indented or fenced lines that begin with journalctl, continued ones joined."""
    joined = re.sub(r"(\||\\)\n\s+", lambda found: " | " if found[1] == "|" else " ", GUIDE.read_text())
    lines = (line.strip().removeprefix("$ ").removeprefix("sudo ") for line in joined.splitlines())
    return sorted({line for line in lines if re.match(r"journalctl\s", line)})


@pytest.fixture(scope="module")
def eventful(installed: tuple[Service, Sound]) -> Service:
    """A service that has had an outage and heard something."""
    service, sound = installed
    cursor = service.box.cursor()
    sound.kill()
    service.wait_event("capture_lost", cursor, 20)
    sound.start()
    sound.wait()
    service.wait_event("capture_back", cursor, 20)
    sound.play(THREE_COMMANDS)
    service.wait_announced(1, cursor, 30)
    service.box.systemctl("start", "voicebridge-backup.service")
    return service


def test_every_journalctl_command_of_the_guide_runs_and_shows_something(eventful: Service, figures: Figures) -> None:
    failed, empty, commands = [], [], commands_of_the_guide()
    for command in commands:
        # A command that follows is ended after a moment; what it has shown until then counts.
        follows = re.search(r"\s(-\w*f\w*|--follow)\b", command) is not None
        done = eventful.box.run("bash", "-c", f"timeout 2 {command}" if follows else command, check=False)
        shown = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("-- ")]
        if done.rc not in ({0, 124} if follows else {0}):
            failed.append(f"{command}: {done.stderr.strip()[:200]}")
        elif not shown and not follows:
            empty.append(command)
    told = f"{len(commands) - len(failed)} run, {len(empty)} with nothing to show: {'; '.join(empty) or 'none'}"
    passed = not failed and len(commands) >= FEWEST
    figures.note(
        "journalctl commands of the guide", len(commands), told.replace("|", "¦"), f"all of {FEWEST} or more", passed
    )
    assert not failed
    assert len(commands) >= FEWEST


def _score(service: Service) -> float:
    last = service.box.run("systemd-analyze", "security", "--no-pager", UNIT).stdout.strip().splitlines()[-1]
    found = re.search(r":\s+([\d.]+)", last)
    assert found, last
    return float(found[1])


def test_the_unit_is_locked_down(service: Service, figures: Figures) -> None:
    socket = _score(service)
    alsa_lines = (ROOT / "systemd/sound-alsa.conf").read_text()
    own = service.box.run("systemctl", "show", UNIT, "--property=DropInPaths", "--value").stdout.split()
    sound_conf = next(path for path in own if path.endswith("/sound.conf"))
    before = service.box.run("cat", sound_conf).stdout
    service.box.run("cp", "/dev/stdin", sound_conf, given=alsa_lines)
    service.box.systemctl("daemon-reload")
    alsa = _score(service)
    service.box.run("cp", "/dev/stdin", sound_conf, given=before)
    service.box.systemctl("daemon-reload")
    passed = socket <= SOCKET_SCORE and alsa <= ALSA_SCORE
    told = f"{socket} with a sound server's socket, {alsa} with ALSA"
    figures.note("systemd-analyze security", 1, told, f"{SOCKET_SCORE} and {ALSA_SCORE}", passed)
    assert passed
