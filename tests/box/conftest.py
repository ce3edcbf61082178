"""Fixtures of the system suite. Collected only by tests/box/run, which says in which form."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.box.disk import ForgetfulDisk
from tests.box.figures import Figures
from tests.box.image import BUILD, Image
from tests.box.machine import Box
from tests.box.service import Service
from tests.box.sound import SPEECH, Sound, put_speech
from tests.box.wheels import wheels

FORM = os.environ.get("VOICEBRIDGE_BOX", "")
collect_ignore_glob = [] if FORM else ["test_*.py"]


class BoxMaker(Protocol):
    """Boots a bare box of a release when it is entered."""

    def __call__(self, suite: str) -> Box: ...


@pytest.fixture(scope="session")
def figures() -> Figures:
    return _figures


_figures = Figures(FORM == "full")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _figures.taken:
        _figures.write(BUILD, session.testsfailed)


@pytest.fixture
def new_box() -> BoxMaker:
    """A bare box with the wheels, to be entered with ``with``."""
    return lambda suite: Box(Image(suite), suite, {"/srv/wheels": wheels(suite)})


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgetfulDisk]:
    """A disk that does as it is told, seen in the box as /srv/disk."""
    with ForgetfulDisk(tmp_path_factory.mktemp("disk")) as disk:
        yield disk


@pytest.fixture(scope="session")
def installed(
    figures: Figures, disk: ForgetfulDisk, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Sound]]:
    """The one box of all tests of faults: Debian 12 with sound server and service."""
    shared = {"/srv/disk": disk.mountpoint}
    with Box(Image("bookworm"), "faults", {"/srv/wheels": wheels("bookworm")}, shared) as box:
        sound, service = Sound(box), Service(box)
        sound.install()
        seconds = service.install()
        figures.note("install on Debian 12", 1, f"{seconds:.0f} s", "ready and hearing", passed=True)
        put_speech(box, tmp_path_factory.mktemp("speech"))
        service.put_right()
        yield service, sound


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the operations guide come last: its commands show what happened in the tests before."""
    items.sort(key=lambda item: item.path.name == "test_operations.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the box had to say of a test that failed, in build/box/failures."""
    report = yield
    installed = getattr(item, "funcargs", {}).get("installed")
    if report.failed and installed:
        service = installed[0]
        folder = BUILD / "failures"
        folder.mkdir(parents=True, exist_ok=True)
        told = service.box.run("journalctl -b --no-pager -n 400 -o short-monotonic", check=False).stdout
        (folder / f"{item.name}.log").write_text(f"{report.longreprtext}\n\n{service.status()}\n\n{told}")
    return report


@pytest.fixture
def service(installed: tuple[Service, Sound], request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service, hearing; it is put right again afterwards."""
    service, sound = installed
    if not (service.active and sound.well):
        sound.put_right()  # the test before this one failed
        service.put_right()
    service.wait_hearing()
    yield service
    sound.hush()
    if service.disturbed:
        service.put_right()


@pytest.fixture
def sound(installed: tuple[Service, Sound]) -> Sound:
    """The sound server of the box."""
    return installed[1]


@pytest.fixture
def speech(installed: tuple[Service, Sound], service: Service) -> Iterator[Path]:
    """Somebody speaks without end: commands with pauses of 1.2 s."""
    installed[1].loop(SPEECH)
    yield Path(SPEECH)
    installed[1].hush()
