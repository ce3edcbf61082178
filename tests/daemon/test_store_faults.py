"""Disks and databases that fail for a time, below notebook and store writer: all that was heard is committed."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.daemon.hearing import SECONDS, spoken, spooled
from tests.daemon.life import life
from tests.fakes.clocks import Clock
from tests.fakes.engine import FakeEngine
from tests.fakes.utterances import ended, noise
from voicebridge.daemon.notebook import Notebook, open_notebook
from voicebridge.daemon.store_watch import PATIENCE_SECONDS, StoreWatch
from voicebridge.domain.audio import Gap, GapReason, Samples, Span
from voicebridge.domain.errors import DatabaseLostError, ExitCode, StoreDamagedError
from voicebridge.domain.events import Event, StoreChanged, StoreNotice, StoreNoticeKind
from voicebridge.domain.utterance import EndedUtterance
from voicebridge.pipeline.store_writer import StoreWriter
from voicebridge.settings import Settings, StoreSettings
from voicebridge.settings.paths import database_path
from voicebridge.store.reserve import NAME, Reserve

SETTINGS = Settings(store=StoreSettings(busy_timeout_ms=20, reserve_mb=1))
HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


class Desk:
    """A notebook and the thread that writes to it."""

    def __init__(self, state: Path) -> None:
        self.told: list[StoreNotice] = []
        self.in_trouble = threading.Event()
        self.notebook = open_notebook(SETTINGS, state, "a microphone", self.told.append)
        self.writer = StoreWriter(self, max_audio_bytes=100_000_000)
        self.writer.start()
        self.heard = 0

    def publish(self, event: Event) -> None:
        if isinstance(event, StoreChanged) and not event.working:
            self.in_trouble.set()

    @property
    def kinds(self) -> list[StoreNoticeKind]:
        return [notice.kind for notice in self.told]

    def hear(self, count: int = 1) -> None:
        """Queue what the recorder queues for an utterance of two seconds."""
        for _ in range(count):
            self._hear(ended(3.0 * self.heard, 3.0 * self.heard + 2, self.notebook.session_id), noise(2, self.heard))
            self.heard += 1

    def _hear(self, utterance: EndedUtterance, audio: Samples) -> None:
        shelf = self.notebook.shelf
        for part in np.split(audio, 4):
            self.writer.offer(partial(shelf.spool.append, utterance.key, 0.0, part), 16_000)
        self.writer.offer(partial(shelf.spool.seal, utterance.key, utterance.span.samples))
        self.writer.offer(partial(shelf.utterances.add_pending, utterance))
        self.writer.offer(partial(shelf.log.add_gap, Gap(Span(0, 320), GapReason.OVERFLOW)))

    def everything_is_there(self) -> bool:
        """Wait until everything heard is committed, and say whether its audio is what was heard."""
        assert self.writer.drain(SECONDS)
        pending = self.notebook.shelf.utterances.pending(0, 1000)
        audio = [self.notebook.shelf.spool.read(one.ended.key) for one in pending]
        return len(pending) == self.heard and all(np.array_equal(a, noise(2, n)) for n, a in enumerate(audio))


@contextmanager
def at_work(state: Path) -> Iterator[Desk]:
    desk = Desk(state)
    try:
        yield desk
    finally:
        desk.writer.stop()
        desk.writer.join(SECONDS)
        with suppress(DatabaseLostError):
            desk.notebook.close("clean")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def eventually(good: Callable[[], bool]) -> bool:
    """Wait until it is so."""
    pause = threading.Event()
    return any(good() or pause.wait(0.01) for _ in range(int(SECONDS * 100)))


def fill(disk: Path) -> Path:
    """Fill a disk to the last byte; return what is to be deleted again."""
    path = disk / f"filler-{len(list(disk.glob('filler-*')))}"
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))
    return path


def test_on_a_full_disk_the_reserve_lets_it_go_on(small_disk: Path) -> None:
    with at_work(small_disk) as desk:
        fill(small_disk)
        desk.hear(3)
        assert desk.everything_is_there()
        assert desk.kinds == [StoreNoticeKind.RESERVE_GIVEN_UP]
        assert desk.notebook.counters["reserve_given_up"] == 1
        assert desk.notebook.counters["commits_rescued"] == 1
        assert not desk.in_trouble.is_set()
        assert not (small_disk / NAME).exists()


def test_what_is_heard_on_a_full_disk_is_committed_when_it_is_freed(small_disk: Path) -> None:
    with at_work(small_disk) as desk:
        fillers = [fill(small_disk)]
        desk.hear(20)  # more than the reserve holds
        assert desk.in_trouble.wait(SECONDS)
        for filler in fillers:
            filler.unlink()
        assert desk.everything_is_there()
        assert desk.writer.given_up == 0


def test_a_session_can_begin_on_a_full_disk(small_disk: Path) -> None:
    with at_work(small_disk) as desk:
        desk.hear()
        assert desk.everything_is_there()
    fill(small_disk)
    with at_work(small_disk) as desk:
        assert len(desk.notebook.recovery.pending) == 1
        assert not (small_disk / NAME).exists()


def test_a_disk_that_is_read_only_for_a_time_needs_nothing_by_hand(tmp_path: Path) -> None:
    pytest.importorskip("mfusepy", reason="the disk of this test is a FUSE file system", exc_type=ImportError)
    from tests.box.disk import ForgetfulDisk

    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root can mount a disk for others, and there must be /dev/fuse")
    with ForgetfulDisk(tmp_path / "disk") as disk, at_work(disk.mountpoint / "state") as desk:
        desk.hear()
        assert desk.everything_is_there()
        disk.tell("readonly on")
        desk.hear(5)
        assert desk.in_trouble.wait(SECONDS)
        disk.tell("readonly off")
        assert desk.everything_is_there()
        assert (desk.writer.given_up, desk.told) == (0, [])


def test_a_database_that_another_process_holds_for_a_time_loses_nothing(tmp_path: Path) -> None:
    with at_work(tmp_path) as desk:
        desk.hear()
        assert desk.writer.drain(SECONDS)
        command = [sys.executable, "-c", HOLD, str(database_path(tmp_path))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            desk.hear(5)
            assert desk.in_trouble.wait(SECONDS)
            # A kill would cost none of it.
            assert eventually(lambda: len(spooled(tmp_path)) == 6 and desk.writer.queued_audio_bytes == 0)
            holder.communicate()
        assert desk.everything_is_there()
        assert desk.told == []


def test_a_database_that_was_moved_is_noticed_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    path = database_path(tmp_path)
    with at_work(tmp_path) as desk:
        path.rename(tmp_path / "elsewhere.db")
        desk.hear(2)
        assert desk.in_trouble.wait(SECONDS)
        assert "was moved, deleted or replaced" in desk.notebook.alarm
        assert desk.kinds == [StoreNoticeKind.DATABASE_LOST]
        (tmp_path / "elsewhere.db").rename(path)
        assert desk.everything_is_there()
        assert desk.notebook.alarm == ""


@pytest.mark.parametrize("what", ["voicebridge.db", "voicebridge.db-wal"])
def test_what_was_heard_after_a_database_was_deleted_is_in_the_next_one(tmp_path: Path, what: str) -> None:
    with at_work(tmp_path) as desk:
        desk.hear()
        assert desk.everything_is_there()
        (tmp_path / what).unlink()
        desk.hear(3)
        assert desk.in_trouble.wait(SECONDS)
    (tmp_path / "voicebridge.db").unlink(missing_ok=True)
    with at_work(tmp_path) as desk:
        assert len(desk.notebook.recovery.pending) == 4
        audio = [desk.notebook.spool.read(one.ended.key) for one in desk.notebook.recovery.pending]
        assert all(np.array_equal(a, noise(2, n)) for n, a in enumerate(audio))


def damage(notebook: Notebook) -> None:
    """Damage the database under an open session, where the next commit looks."""
    notebook.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    page = notebook.db.conn.execute("SELECT rootpage FROM sqlite_master WHERE name = 'gaps'").fetchone()[0]
    with database_path(Path(str(notebook.spool.path.parent))).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    notebook.db.conn.execute("PRAGMA shrink_memory").fetchall()


def test_a_damage_that_is_met_is_told_and_the_next_start_sets_the_database_aside(tmp_path: Path) -> None:
    with at_work(tmp_path) as desk:
        desk.hear()
        assert desk.everything_is_there()
        damage(desk.notebook)
        gap = Gap(Span(0, 320), GapReason.OVERFLOW)
        with pytest.raises(StoreDamagedError):
            desk.writer.call(lambda: desk.notebook.shelf.log.add_gap(gap), SECONDS)
        assert desk.kinds == [StoreNoticeKind.DATABASE_DAMAGED]
        assert "is damaged" in desk.notebook.alarm
    with at_work(tmp_path) as desk:
        recovery = desk.notebook.recovery
        (aside,) = tmp_path.glob("voicebridge.db.corrupt-*Z")
        assert str(aside) in recovery.set_aside
        assert str(recovery).startswith(recovery.set_aside)
        assert [np.array_equal(desk.notebook.spool.read(one.ended.key), noise(2, 0)) for one in recovery.pending] == [
            True
        ]


def test_a_database_of_something_else_is_no_reason_not_to_hear(tmp_path: Path) -> None:
    with closing(sqlite3.connect(database_path(tmp_path))) as db, db:
        db.execute("CREATE TABLE recipes (flour TEXT)")
    with at_work(tmp_path) as desk:
        assert "are not ours (recipes). It is set aside as" in desk.notebook.recovery.set_aside


def test_reserve_of_the_settings_is_kept(tmp_path: Path) -> None:
    with at_work(tmp_path) as desk:
        assert (tmp_path / NAME).stat().st_size == 1_000_000
        desk.notebook.apply(StoreSettings(reserve_mb=0, max_bytes=5, retain_audio="30 days"))
        desk.writer.call(desk.notebook.tidy, SECONDS)
        assert not (tmp_path / NAME).exists()
        assert desk.notebook.kept.retention.days == 30
        assert Reserve(tmp_path, 0).held_bytes == 0


def test_the_daemon_leaves_when_its_database_stays_away_and_stays_when_it_comes_back(tmp_path: Path) -> None:
    clock = Clock()
    with life(tmp_path, spoken(), FakeEngine()) as lived:
        daemon, notebook = lived.daemon, lived.plan.notebook
        watch = StoreWatch(daemon, notebook, clock)
        database_path(tmp_path).rename(tmp_path / "elsewhere.db")
        for seconds in (0, PATIENCE_SECONDS - 1):
            with pytest.raises(DatabaseLostError):
                notebook.tidy()
            clock.pass_(seconds)
            watch.look()
        assert daemon.error is None
        (tmp_path / "elsewhere.db").rename(database_path(tmp_path))
        notebook.tidy()
        watch.look()
        database_path(tmp_path).rename(tmp_path / "elsewhere.db")
        with pytest.raises(DatabaseLostError):
            notebook.tidy()
        watch.look()
        assert daemon.error is None
        clock.pass_(PATIENCE_SECONDS)
        watch.look()
        assert daemon.exit_code == ExitCode.STORE
        assert "was moved, deleted or replaced" in str(daemon.error)
        (tmp_path / "elsewhere.db").rename(database_path(tmp_path))
