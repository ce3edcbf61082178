"""Reasons of the disk and the database that only a new process gets over, and an engine that comes later.

One daemon on a disk of its own goes through all of them, and is started again in between: seen in all six places.
"""

import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.system.provoked import Provoked, require_root
from tests.web.dashboard.browser import Page
from voicebridge.settings.paths import database_path
from voicebridge.store.checkpoints import FILE_NAME
from voicebridge_bench.models import WHISPER_COMMANDS

pytestmark = pytest.mark.slow

DISK_MB = 24
SETTINGS = {
    "engine.required": False,
    "engine.load_retry_seconds": 1,
    "store.reserve_mb": 4,
    "health.disk_free_mb": 9,
}
PAGE_BYTES = 4096
LEAVES_SECONDS = 20.0
"""A damaged database is seen for ten seconds, before the process ends in order."""


@pytest.fixture(scope="module")
def boxed(browser: Page) -> Iterator[Provoked]:
    """A daemon on a small disk, whose model is not there yet."""
    require_root()
    folder = Path(tempfile.mkdtemp(prefix="vb-"))
    state = folder / "state"
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "none", str(state)], check=True)
    boxed = Provoked(folder, {**SETTINGS, "whisper.model": str(folder / "model")})
    try:
        boxed.wait_until_ready(lambda _, reasons: "engine_failed" in reasons)
        boxed.places.open_page(browser)
        yield boxed
    finally:
        boxed.close()
        subprocess.run(["umount", "--lazy", str(state)], check=True)
        shutil.rmtree(folder)


def fill(disk: Path) -> Path:
    """Fill a disk to the last byte; return what is to be deleted again."""
    path = disk / "filler"
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(65_536))
    return path


def damage(state: Path) -> None:
    """Damage the tables of a database that is in use, and have its user read them anew."""
    path = database_path(state)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        pages = other.execute("SELECT rootpage FROM sqlite_master WHERE name IN ('checkpoints', 'events')").fetchall()
        other.execute("CREATE TABLE disturbance (a)")
        other.execute("DROP TABLE disturbance")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            for (page,) in pages:
                file.seek((page - 1) * PAGE_BYTES)
                file.write(b"\xa5" * PAGE_BYTES)


def start_again(boxed: Provoked, browser: Page) -> float:
    """Start the next process, and wait for its first checkpoint; return when it was started."""
    began = time.monotonic()
    boxed.start()
    boxed.wait_until_ready(lambda *_: (boxed.state / FILE_NAME).exists())
    boxed.places.open_page(browser)
    return began


def test_an_engine_that_cannot_be_had_is_seen_everywhere_until_it_can(boxed: Provoked) -> None:
    boxed.comes(time.monotonic(), engine_failed=0.0)
    model = boxed.folder / "model"
    shutil.copytree(WHISPER_COMMANDS, model.with_name("copy"))
    model.with_name("copy").rename(model)
    boxed.goes(time.monotonic(), engine_failed=0.0)


def test_a_full_disk_is_seen_everywhere_and_the_next_process_has_a_reserve_again(
    boxed: Provoked, browser: Page
) -> None:
    began = time.monotonic()
    filler = fill(boxed.state)
    boxed.comes(began, disk_nearly_full=0.0, reserve_given_up=1.0)
    began = time.monotonic()
    filler.unlink()
    boxed.goes(began, disk_nearly_full=0.0)
    assert "reserve_given_up" in boxed.places.readiness()[1]
    assert boxed.stop() == 0
    boxed.goes(start_again(boxed, browser), reserve_given_up=0.0)


def test_a_damage_is_seen_everywhere_and_then_that_the_database_was_set_aside(boxed: Provoked, browser: Page) -> None:
    began = time.monotonic()
    damage(boxed.state)
    boxed.comes(began, database_damaged=1.0)
    assert boxed.process.wait(LEAVES_SECONDS) != 0
    boxed.stop()
    began = start_again(boxed, browser)
    boxed.comes(began, database_set_aside=0.0)
    boxed.goes(began, database_damaged=0.0)
    assert boxed.stop() == 0
    boxed.goes(start_again(boxed, browser), database_set_aside=0.0)
    assert boxed.stop() == 0
