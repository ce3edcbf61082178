"""The installer, for real: one bare Debian is taken through the life of a device, in the order of this file."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box.conftest import BoxMaker
from tests.box.figures import Figures
from tests.box.image import ROOT, Image
from tests.box.machine import Box, Done
from tests.box.service import CHECKOUT, CONFIG, MODEL, STATE, UNIT, Service, put_checkout
from tests.box.sound import ONE_COMMAND, SOCKET, Sound, put_speech
from tests.box.wheels import wheels

SECURITY_BOUND = {"alsa": 1.5, "pulse": 1.1}
DOWN_SECONDS = 10.0
"""What "down for seconds" is taken to mean; under a second was measured."""
UNITS = (UNIT, "voicebridge-revive.service", "voicebridge-backup.service", "voicebridge-backup.timer")
MODEL_INSIDE = f"{CHECKOUT}/{MODEL.relative_to(ROOT)}"
BUNDLE = "/root/bundle.tar"
NEVER_READY = """
sed -i 's/^    address = environ.get/    states = tuple(state for state in states if state != "READY=1")\\n&/' \
  voicebridge/daemon/systemd.py
sed -i 's/^    return migrations$/    @migrations()\\n    def m999_more(db: "Database") -> None:\\n\
        db.execute("CREATE TABLE more (id INTEGER PRIMARY KEY)")\\n\\n&/' voicebridge/store/migrations.py
grep -q READY=1 voicebridge/daemon/systemd.py && grep -q m999_more voicebridge/store/migrations.py
"""
"""What makes of a checkout a release that changes the database and is never ready."""


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A Debian 12 with a sound server and a checkout, on which nothing is installed yet."""
    with Box(Image("bookworm"), "device", {"/srv/wheels": wheels("bookworm")}) as box:
        Sound(box).install()
        put_speech(box, tmp_path_factory.mktemp("speech"))
        put_checkout(box)
        yield Service(box)


def install(box: Box, *words: str, check: bool = True, before: str = "") -> Done:
    """Run the installer of the checkout."""
    return box.run(f"cd {CHECKOUT} && {before} ./install.sh {' '.join(words)}", timeout=600, check=check)


def sounding(*words: str) -> tuple[str, ...]:
    return (f"--sound pulse:{SOCKET}", f"--model {MODEL_INSIDE}", *words)


def exposure(box: Box) -> float:
    """Return what systemd-analyze says of the installed unit."""
    told = box.run("systemd-analyze", "security", "--no-pager", UNIT).stdout
    return float(re.findall(r"Overall exposure level.*: ([\d.]+)", told)[0])


def hear_one(service: Service) -> list[int]:
    """Play a command and wait for its transcript."""
    service.wait_hearing()
    cursor = service.box.cursor()
    Sound(service.box).play(ONE_COMMAND)
    return service.wait_announced(1, cursor)


def texts(service: Service) -> list[dict[str, object]]:
    return service.query("SELECT id, text FROM utterances WHERE status = 'done' ORDER BY id")


def changed(box: Box) -> None:
    box.run(f"echo '# another release' >> {CHECKOUT}/voicebridge/__init__.py")


def test_a_check_of_a_bare_device_changes_nothing(device: Service) -> None:
    done = install(device.box, "--check", *sounding())
    assert "build release" in done.text
    assert not device.box.exists("/opt/voicebridge")
    assert not device.box.exists(STATE)


def test_an_installed_service_is_ready_hears_and_is_locked_down(device: Service, figures: Figures) -> None:
    done = install(device.box, *sounding())
    assert "is installed and ready" in done.text
    assert hear_one(device)
    assert device.box.run("stat", "-c", "%a %U", STATE).stdout == "700 voicebridge\n"
    device.box.run("systemd-analyze", "verify", *UNITS)
    figure = exposure(device.box)
    within = figure <= SECURITY_BOUND["pulse"]
    figures.note("systemd-analyze security, sound socket, systemd 252", 1, f"{figure}", "1.1", within)
    assert within


def test_the_unit_for_alsa_is_locked_down_too(device: Service, figures: Figures) -> None:
    alsa = device.box.read(f"{CHECKOUT}/systemd/sound-alsa.conf")
    device.drop_in("sound", alsa)  # of the same name, and before the installed one
    figure = exposure(device.box)
    device.box.run("rm", "-rf", "/run/systemd/system/voicebridge.service.d")
    device.box.systemctl("daemon-reload")
    within = figure <= SECURITY_BOUND["alsa"]
    figures.note("systemd-analyze security, ALSA, systemd 252", 1, f"{figure}", "1.5", within)
    assert within


def test_a_second_run_restarts_nothing(device: Service) -> None:
    before = device.pid
    assert "Nothing new" in install(device.box).text
    assert device.pid == before


def test_an_upgrade_takes_the_service_down_for_seconds(device: Service, figures: Figures) -> None:
    device.box.write(CONFIG, device.box.read(CONFIG) + "\n# my own\n")
    changed(device.box)
    done = install(device.box)
    down = float(re.findall(r"down for ([\d.]+) s", done.text)[0])
    assert figures.note_seconds("upgrade: service down", [down], DOWN_SECONDS)
    assert device.box.read(CONFIG).endswith("# my own\n")
    assert hear_one(device)


def test_an_upgrade_that_does_not_get_ready_is_taken_back_with_its_database(device: Service, figures: Figures) -> None:
    before, heard = device.box.run("readlink", "/opt/voicebridge/current").stdout, texts(device)
    device.box.run(f"cp -a {CHECKOUT} /srv/broken && cd /srv/broken && {NEVER_READY}")
    done = device.box.run("cd /srv/broken && ./install.sh", timeout=600, check=False)
    assert done.rc == 1, done.text
    assert "did not get ready" in done.text
    assert device.box.run("readlink", "/opt/voicebridge/current").stdout == before
    assert texts(device)[: len(heard)] == heard
    assert not device.query("SELECT name FROM sqlite_master WHERE name = 'more'")
    assert hear_one(device)
    figures.note("failed upgrade: taken back by itself", 1, f"{len(heard)} utterances as before", "all", passed=True)


def test_what_is_uninstalled_leaves_settings_and_state(device: Service) -> None:
    done = install(device.box, "uninstall")
    assert STATE in done.text
    assert device.box.exists(f"{STATE}/voicebridge.db")
    assert device.box.exists(CONFIG)
    assert not device.box.exists("/opt/voicebridge")
    assert device.box.properties(UNIT, "LoadState") == {"LoadState": "not-found"}


def test_a_bundle_installs_without_a_network_and_finds_what_was_heard(device: Service, figures: Figures) -> None:
    heard = texts(device)
    assert len(heard) >= 3
    device.box.run(f"cd {CHECKOUT} && ./install.sh bundle --output {BUNDLE} --model {MODEL_INSIDE}", timeout=600)
    # A network namespace with nothing in it, not even a loopback that is up; systemd is reached through its sockets.
    done = install(device.box, f"--offline {BUNDLE} --sound pulse:{SOCKET}", before="unshare --net")
    assert "is installed and ready" in done.text
    assert hear_one(device)
    assert texts(device)[: len(heard)] == heard
    figures.note("offline install", 1, "ready and hearing, with an empty network namespace", "ready", passed=True)


def test_a_bundle_with_a_flipped_bit_is_refused(device: Service) -> None:
    before = device.pid
    size = int(device.box.run("stat", "-c", "%s", BUNDLE).stdout)
    device.box.run(f"printf 'X' | dd of={BUNDLE} bs=1 seek={size // 2} conv=notrunc status=none")
    done = install(device.box, f"--offline {BUNDLE}", check=False)
    assert done.rc == 69
    assert "damaged" in done.text
    assert device.pid == before


def test_a_purge_leaves_nothing(device: Service) -> None:
    device.box.run("/opt/voicebridge/current/share/voicebridge/install.sh", "uninstall", "--purge")
    left = "/opt /etc /var/lib /var/log /usr/local /run/voicebridge"
    found = device.box.run(f"find {left} -name '*voicebridge*' -not -path '*/journal/*' 2>/dev/null || true").stdout
    assert found == ""
    assert device.box.run("id", "voicebridge", check=False).rc != 0


def test_debian_13_installs_starts_and_hears(new_box: BoxMaker, figures: Figures, tmp_path: Path) -> None:
    with new_box("trixie") as box:
        Sound(box).install()
        put_speech(box, tmp_path)
        service = Service(box)
        seconds = service.install()
        service.restart()
        assert hear_one(service)
        box.run("systemd-analyze", "verify", *UNITS)
        figure = exposure(box)
        figures.note("install on Debian 13", 1, f"{seconds:.0f} s", "ready and hearing", passed=True)
        within = figure <= SECURITY_BOUND["pulse"]
        figures.note("systemd-analyze security, sound socket, systemd 257", 1, f"{figure}", "1.1", within)
        assert within
