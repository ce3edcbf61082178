"""A service that is looked at: when it is gone and when it is back, and what its journal says."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.soak import service as fake
from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.soak.attached import Service
from voicebridge_bench.soak.journal import read_record
from voicebridge_bench.soak.judges.words import once
from voicebridge_bench.soak.judging import judge
from voicebridge_bench.soak.profiles import SPHINX_SECONDS, profile_named, profile_of
from voicebridge_bench.soak.record import JOURNAL, Entry, Happened, Heard
from voicebridge_bench.soak.running import Asked, attach
from voicebridge_bench.soak.unit_journal import Line, Reading, Unit, errors_of, unit_of

WAIT_SECONDS = 30.0
SECONDS = 1_000_000


class Box:
    """A machine on which the service is started and killed."""

    def __init__(self, folder: Path) -> None:
        self.socket, self.state = folder / "s", folder
        self.process: subprocess.Popen[bytes] | None = None
        self.session = 0

    def start(self, engine: str = "whisper") -> int:
        self.session += 1
        self.socket.unlink(missing_ok=True)
        words = [sys.executable, fake.__file__, str(self.socket), str(self.state), str(self.session), engine]
        self.process = subprocess.Popen(words)
        wait_until(self._answers)
        return self.process.pid

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def connect(self) -> Client:
        return Client(self.socket, 5.0)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except VoicebridgeError:
            return False
        return True


def wait_until(good: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
    while not good():
        assert time.monotonic() < deadline
        pause.wait(0.02)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    box.start()
    yield box
    box.kill()


@pytest.fixture
def seen() -> list[Entry]:
    return []


def kinds(seen: Sequence[Entry]) -> list[str]:
    return [entry.kind for entry in seen if isinstance(entry, Happened) and entry.kind != "state"]


def journal_of(seen: Sequence[Entry]) -> list[str]:
    return [entry.detail for entry in seen if isinstance(entry, Happened) and entry.kind == JOURNAL]


def unread(unit: Unit | None, since: float) -> Reading:
    del unit, since
    return Reading(fault="nobody may")


@pytest.fixture
def service(box: Box, seen: list[Entry]) -> Iterator[Service]:
    service = Service(box.connect, seen.append, unread)
    service.start()
    look(service)
    yield service
    service.leave()


def look(service: Service) -> None:
    service._next_look = 0.0
    service.look(0.0)


def test_one_that_is_gone_has_crashed_when_it_is_gone_and_not_when_it_is_back(
    box: Box, service: Service, seen: list[Entry]
) -> None:
    box.kill()
    look(service)
    look(service)
    assert kinds(seen) == ["started", "ready", "crashed"]
    assert service.pid is None
    pid = box.start()
    look(service)
    assert kinds(seen) == ["started", "ready", "crashed", "started", "ready"]
    assert service.pid == pid
    assert [entry.life for entry in seen if isinstance(entry, Happened) and entry.kind != "state"] == [1, 1, 1, 2, 2]


def test_one_that_is_gone_is_looked_for_more_often(box: Box, service: Service) -> None:
    box.kill()
    look(service)
    look(service)
    assert service._next_look < time.monotonic() + 1


def test_one_that_does_not_answer_and_lives_has_not_crashed(box: Box, seen: list[Entry]) -> None:
    service = Service(lambda: Client(box.socket, 0.2), seen.append, unread)
    service.start()
    assert box.process is not None
    box.process.send_signal(signal.SIGSTOP)
    try:
        look(service)
        look(service)
    finally:
        box.process.send_signal(signal.SIGCONT)
    assert "crashed" not in kinds(seen)

    def answers() -> bool:
        look(service)
        return bool(service.status)

    wait_until(answers)
    assert kinds(seen) == ["started", "ready"]
    service.leave()


def test_one_that_never_comes_back_was_not_available(box: Box, tmp_path: Path) -> None:
    stopping = threading.Event()
    killed = time.monotonic() + 1.0

    def show(_progress: object) -> None:
        if time.monotonic() > killed:
            box.kill()

    attach(box.connect, Asked(profile_named("office"), 5.0), tmp_path / "out", stopping, show)
    record = read_record(tmp_path / "out")
    found = {verdict.code: verdict for verdict in judge(record, profile_of(record.header)).verdicts}
    assert found["crashes"].figure == 1
    assert (found["availability"].figure or 0) < 60


def test_the_heap_of_a_process_that_is_gone_is_not_that_of_the_next(box: Box, service: Service) -> None:
    assert service.heap_bytes is None
    service.new_checkpoints()
    assert service.heap_bytes == 1000
    box.kill()
    look(service)
    box.start()
    look(service)
    assert service.heap_bytes is None
    service.new_checkpoints()
    assert service.heap_bytes == 2000


def test_the_delay_is_judged_by_the_engine_of_the_service(box: Box, tmp_path: Path) -> None:
    box.kill()
    box.start("sphinx")
    attach(box.connect, Asked(profile_named("office"), 0.5), tmp_path / "out", threading.Event(), lambda _: None)
    header = read_record(tmp_path / "out").header
    assert header.settings == {"engine.kind": "sphinx"}
    assert profile_of(header).bounds.delay_p95_seconds == SPHINX_SECONDS


def test_what_was_heard_before_and_after_an_end_is_not_the_same(box: Box, seen: list[Entry]) -> None:
    service = Service(box.connect, seen.append, unread)  # no checkpoint is read while the first one lives
    service.start()
    look(service)
    box.kill()
    look(service)
    box.start()
    box.kill()  # unseen
    box.start()
    service.finish()
    service.leave()
    heard = [entry for entry in seen if isinstance(entry, Heard)]
    assert [(each.session, each.life) for each in heard] == [(1, 1), (2, -2), (3, 2)]
    assert once(heard) == sorted(heard, key=lambda each: each.life)


def test_what_a_session_before_the_soak_has_heard_is_left_out(box: Box, seen: list[Entry]) -> None:
    box.kill()
    box.start()
    service = Service(box.connect, seen.append, unread)
    service.start()
    look(service)
    service.finish()
    service.leave()
    assert [entry.session for entry in seen if isinstance(entry, Heard)] == [2]


def test_lines_of_error_are_those_of_the_life_that_wrote_them(box: Box, seen: list[Entry]) -> None:
    began = time.monotonic()
    asked: list[tuple[Unit | None, float]] = []

    def read(unit: Unit | None, since: float) -> Reading:
        asked.append((unit, since))
        return Reading([Line(since + 0.001, "first"), Line(time.monotonic(), "second")])

    service = Service(box.connect, seen.append, read)
    service.start()
    box.kill()
    look(service)
    box.start()
    look(service)
    service.finish()
    service.leave()
    errors = [(entry.life, entry.detail) for entry in seen if isinstance(entry, Happened) and entry.kind == "error"]
    assert errors == [(1, "first"), (2, "second")]
    assert began <= asked[0][1] <= time.monotonic()
    assert journal_of(seen) == ["read"]


def test_why_the_journal_was_not_read_is_written_down(service: Service, seen: list[Entry]) -> None:
    service.finish()
    assert journal_of(seen) == ["nobody may"]


@pytest.mark.parametrize(
    ("group", "unit"),
    [
        ("0::/system.slice/voicebridge.service", Unit("voicebridge.service")),
        ("1:name=systemd:/system.slice/voicebridge.service\n0::/", Unit("voicebridge.service")),
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/mine.service", Unit("mine.service", of_user=True)),
        ("0::/user.slice/user-1.slice/session-3.scope", None),
        ("4:memory:/system.slice/voicebridge.service", None),
        ("0::/system.slice/--evil=x y.service", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_unit_of_a_process_is_told_by_its_control_group(tmp_path: Path, group: str, unit: Unit | None) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(group + "\n")
    assert unit_of(7, tmp_path) == unit
    assert unit_of(8, tmp_path) is None


def journalctl(folder: Path, script: str) -> str:
    """Return a command that does what a script says in the place of journalctl."""
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


UNIT = Unit("voicebridge.service")


def entry(at: float, text: str) -> str:
    return f'{{"__MONOTONIC_TIMESTAMP": "{int(at * SECONDS)}", "MESSAGE": {text}, "PRIORITY": "3"}}'


def test_errors_since_the_soak_began_are_read(tmp_path: Path) -> None:
    lines = [
        entry(9.5, '"before"'),
        entry(10.5, '"the disk is full\\nTraceback"'),
        entry(11, "[255, 1]"),
        "no json",
        "7",
        '{"MESSAGE": "timeless"}',
    ]
    (tmp_path / "lines").write_text("\n".join(lines) + "\n")
    found = errors_of(UNIT, 10.0, journalctl(tmp_path, f'echo "$@" >> {tmp_path}/asked; cat {tmp_path}/lines'))
    assert found == Reading([Line(10.5, "the disk is full"), Line(11.0, "a line that is no text")])
    asked = (tmp_path / "asked").read_text().splitlines()
    assert all("--unit voicebridge.service" in each and "--boot" in each for each in asked)
    assert "--priority err" in asked[-1]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 0", "no line of voicebridge.service is to be seen"),
        ("echo No journal files were opened >&2; exit 1", "journalctl says: No journal files were opened"),
        ("exit 3", "status 3"),
    ],
)
def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path, script: str, why: str) -> None:
    found = errors_of(UNIT, 0.0, journalctl(tmp_path, script))
    assert not found.lines
    assert why in found.fault


def test_without_a_journal_or_a_unit_that_is_told(tmp_path: Path) -> None:
    assert "does not run" in errors_of(UNIT, 0.0, str(tmp_path / "none")).fault
    assert "no service" in errors_of(None, 0.0).fault
    assert unit_of(os.getpid(), tmp_path) is None
