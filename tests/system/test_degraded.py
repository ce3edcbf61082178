"""Reasons provoked for real in a daemon that is fed through a pipe: seen in six places within ten seconds, both ways.

Each test prints when a reason was told everywhere, and gone everywhere, in seconds since it became true.
"""

import json
import resource
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.recordings import commands
from tests.system.provoked import (
    BLOCK_SAMPLES,
    MURMUR,
    Provoked,
    first_free_descriptor,
    frozen,
    require_root,
)
from tests.web.dashboard.browser import Page
from voicebridge.settings.paths import database_path
from voicebridge.store.checkpoints import FILE_NAME

pytestmark = pytest.mark.slow

DECODE_SECONDS = 14.0
SETTINGS = {
    "health.low_level_seconds": 2,
    "health.sign_of_life_seconds": 4,
    "health.listener_lag_seconds": 1,
    "health.backlog_seconds": 2,
    "capture.stall_seconds": 1,
    "store.busy_timeout_ms": 500,
    "engine.decode_deadline_seconds": DECODE_SECONDS,
}
CHECKPOINT_LATE_SECONDS = 1 + 5
FAINT = (np.arange(BLOCK_SAMPLES) % 2).astype("<i2").tobytes()
CLIPPED = np.where(np.arange(BLOCK_SAMPLES) % 160 < 80, 32767, -32768).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def fed(browser: Page) -> Iterator[Provoked]:
    require_root()
    folder = Path(tempfile.mkdtemp(prefix="vb-"))  # short: a socket's path has at most 107 characters
    fed = Provoked(folder, SETTINGS)
    try:
        fed.wait_until_ready()
        fed.places.open_page(browser)
        yield fed
        assert fed.stop() == 0, fed.told
    finally:
        fed.close()
        shutil.rmtree(folder)


def hear(fed: Provoked, block: bytes | None) -> Callable[[], None]:
    """Return what lets the daemon hear this from now on."""
    voice = fed.voice
    assert voice is not None

    def change() -> None:
        voice.block = block

    return change


def say(fed: Provoked, count: int) -> None:
    """Speak commands of two to three seconds."""
    assert fed.voice is not None
    fed.voice.say(*(recording // 2 for recording in commands()[:count]))


def status(fed: Provoked) -> Any:
    """Return its status as it is served."""
    return json.loads(fed.places.get("/api/status")[1])


def test_nothing_is_wrong_at_first(fed: Provoked) -> None:
    assert fed.places.readiness() == (True, set())
    assert not any(fed.places.seen().values())


def test_a_signal_that_is_too_low_is_seen_everywhere(fed: Provoked) -> None:
    fed.comes_and_goes(hear(fed, FAINT), hear(fed, MURMUR), low_level=2.0)


def test_an_input_that_brings_nothing_is_seen_everywhere(fed: Provoked) -> None:
    fed.comes_and_goes(hear(fed, None), hear(fed, MURMUR), no_frames=1.0)


def test_clipping_heat_a_disk_nearly_full_and_refused_options_are_all_seen_everywhere(fed: Provoked) -> None:
    clip, murmur = hear(fed, CLIPPED), hear(fed, MURMUR)

    def provoke() -> None:
        clip()
        fed.heat(95)
        fed.change(health__disk_free_mb=10**9, whisper__language="de")

    def mend() -> None:
        murmur()
        fed.heat(60)
        fed.change(health__disk_free_mb=0, whisper__language="en")

    fed.comes_and_goes(provoke, mend, clipping=0.0, thermal=0.0, disk_nearly_full=0.0, options_refused=0.0)


def test_a_muted_daemon_says_so_everywhere_and_is_ready_all_the_same(fed: Provoked) -> None:
    fed.process.send_signal(signal.SIGUSR1)
    fed.comes(time.monotonic(), muted=0.0)
    assert fed.places.readiness() == (True, {"muted"})
    fed.process.send_signal(signal.SIGUSR2)
    fed.goes(time.monotonic(), muted=0.0)


def test_a_database_that_others_hold_is_seen_everywhere_and_no_checkpoint_is_lost(fed: Provoked) -> None:
    path = fed.state / FILE_NAME
    before = len(path.read_text().splitlines())
    with closing(sqlite3.connect(database_path(fed.state), isolation_level=None)) as other:

        def hold() -> None:
            other.execute("BEGIN EXCLUSIVE")
            fed.change()  # the store is to note that settings were read again

        fed.comes_and_goes(
            hold,
            lambda: other.execute("ROLLBACK"),
            store_trouble=0.0,
            checkpoint_late=CHECKPOINT_LATE_SECONDS,
        )
    lines = [json.loads(line) for line in path.read_text().splitlines()][before:]
    gaps = np.diff([line["monotonic_seconds"] for line in lines])
    assert max(abs(gaps - 1.0)) < 0.5
    assert sum(line["missed"] for line in lines) == 0


def test_a_database_that_is_moved_away_and_put_back_is_seen_everywhere(fed: Provoked) -> None:
    path = database_path(fed.state)
    away = path.with_name("elsewhere")
    fed.comes_and_goes(lambda: path.rename(away), lambda: away.rename(path), database_lost=0.0)


def test_a_process_without_descriptors_says_so_everywhere(fed: Provoked) -> None:
    pid = fed.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    fed.comes_and_goes(
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free_descriptor(pid), before[1])),
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, before),
        descriptors_exhausted=0.0,
    )


def test_a_listener_that_hangs_is_seen_everywhere(fed: Provoked) -> None:
    with frozen(fed, "listener"):
        fed.comes(time.monotonic(), listener_late=1.0, thread_silent=4.0)
    fed.goes(time.monotonic(), listener_late=0.0, thread_silent=0.0)


def test_an_engine_that_does_not_come_back_in_time_is_seen_everywhere(fed: Provoked) -> None:
    fed.fault.write_text("wait")
    say(fed, 3)
    fed.await_(lambda: status(fed)["waiting"] > 0, 30)
    decode_began = time.monotonic()
    fed.await_(lambda: min(status(fed)["backlog_seconds"], status(fed)["oldest_waiting_seconds"]) >= 2, 30)
    fed.comes(time.monotonic(), backlog=0.0)
    fed.comes(decode_began, decode_late=DECODE_SECONDS / 2)
    fed.fault.unlink()
    fed.goes(time.monotonic(), backlog=0.0, decode_late=0.0)


def test_decodes_that_fail_one_after_the_other_are_seen_everywhere_until_one_succeeds(fed: Provoked) -> None:
    fed.fault.write_text("raise")
    say(fed, 1)
    fed.await_(lambda: status(fed)["counters"]["decode_errors"] >= 2, 30)
    fed.comes(time.monotonic(), decode_failures=0.0)
    fed.fault.unlink()
    done = status(fed)["done"]
    say(fed, 1)
    fed.await_(lambda: status(fed)["done"] > done, 30)
    fed.goes(time.monotonic(), decode_failures=0.0)
