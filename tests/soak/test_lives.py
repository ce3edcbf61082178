"""How a life of the daemon ended, and what of that is a crash: real processes, that do no more than leave."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from voicebridge.domain.errors import ExitCode
from voicebridge_bench.soak.daemon import ERRORS_TOLD, LATER_ERRORS_SECONDS, Errors
from voicebridge_bench.soak.faults import NO_DECODE_SECONDS, Hanging, Killing
from voicebridge_bench.soak.feed import Feed
from voicebridge_bench.soak.home import Home, Way, make_home
from voicebridge_bench.soak.inside.orders import Orders
from voicebridge_bench.soak.lives import Lives
from voicebridge_bench.soak.playing import Programme
from voicebridge_bench.soak.profiles import Load
from voicebridge_bench.soak.record import Entry, Happened

WAIT_SECONDS = 30.0
LEAVES_WHEN_TOLD = "import sys; sys.exit(int(sys.stdin.readline()))"


@dataclass(frozen=True)
class Script(Way):
    """Starts a few lines of Python in place of the daemon."""

    code: str = LEAVES_WHEN_TOLD

    def call(self) -> list[str]:
        return [sys.executable, "-c", self.code]


class Stage:
    """The lives of a process that leaves with the status that it is told."""

    def __init__(self, home: Home, code: str = LEAVES_WHEN_TOLD) -> None:
        self.happened: list[Happened] = []
        self.lives = Lives(
            Script(home, {}, True, {}, code), Feed(Programme(Load(), [], 1), "whisper", 1, self.heed), self.heed
        )
        self.orders = Orders(home.folder / "orders")

    def heed(self, entry: Entry) -> None:
        if isinstance(entry, Happened):
            self.happened.append(entry)

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.happened]

    def look_until(self, good: Callable[[], bool]) -> None:
        deadline, pause = time.monotonic() + WAIT_SECONDS, threading.Event()
        while not good():
            assert time.monotonic() < deadline
            self.lives.look(time.monotonic())
            pause.wait(0.02)

    def leave(self, status: int) -> None:
        """Have the process leave, and see how that is told."""
        child = self.lives.child
        assert child is not None
        assert child._process.stdin is not None
        child._process.stdin.write(b"%d\n" % status)
        child._process.stdin.flush()
        self.look_until(lambda: self.lives.child is not child)

    def end(self) -> None:
        if self.lives.child is not None:
            self.lives.child.send(signal.SIGKILL)
            self.lives.child.wait(WAIT_SECONDS)
            self.lives.child.bury()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    home = make_home(tmp_path)
    stage = Stage(home)
    stage.look_until(lambda: stage.lives.child is not None)
    yield stage
    stage.end()
    home.leave()


@pytest.mark.parametrize(("status", "kind"), [(ExitCode.STUCK, "killed"), (ExitCode.INTERNAL, "crashed")])
def test_a_decode_that_was_made_hang_explains_no_end_but_that_of_its_deadline(
    stage: Stage, status: int, kind: str
) -> None:
    Hanging(stage.lives, stage.orders).begin()
    stage.leave(status)
    assert stage.kinds == ["started", "fed", kind]


def test_a_process_that_left_by_itself_before_it_could_be_killed_has_crashed(stage: Stage) -> None:
    child = stage.lives.child
    assert child is not None
    assert child._process.stdin is not None
    child._process.stdin.write(b"70\n")
    child._process.stdin.flush()
    assert child.wait(WAIT_SECONDS)
    Killing(stage.lives).begin()
    stage.look_until(lambda: stage.lives.child is None)
    assert stage.kinds[-1] == "crashed"


def test_a_process_that_was_killed_has_not_crashed(stage: Stage) -> None:
    Killing(stage.lives).begin()
    stage.look_until(lambda: stage.lives.child is None)
    assert stage.kinds[-1] == "killed"


def test_an_end_that_did_not_come_explains_none_of_the_next_life(stage: Stage) -> None:
    Hanging(stage.lives, stage.orders).begin()
    stage.leave(ExitCode.INTERNAL)
    stage.look_until(lambda: stage.lives.life == 2)
    stage.leave(ExitCode.STUCK)
    assert stage.kinds.count("crashed") == 2


def test_where_no_decode_comes_none_is_made_hang_and_the_next_end_is_a_crash(stage: Stage) -> None:
    now = 1000.0
    hanging = Hanging(stage.lives, stage.orders, clock=lambda: now)
    hanging.begin()
    now += NO_DECODE_SECONDS
    assert not hanging.over()
    now += 0.1
    assert hanging.over()
    hanging.end()
    assert stage.orders.hang == 0
    stage.leave(ExitCode.STUCK)
    assert stage.kinds[-1] == "crashed"


def test_a_decode_that_hangs_is_waited_for(stage: Stage) -> None:
    now = 1000.0
    hanging = Hanging(stage.lives, stage.orders, clock=lambda: now)
    hanging.begin()
    stage.orders.hang = 0  # as the daemon does when a decode begins
    now += NO_DECODE_SECONDS + 5
    assert not hanging.over()
    stage.leave(ExitCode.STUCK)
    assert hanging.over()


def test_one_that_was_ended_before_it_heard_anything_has_not_crashed(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    stage = Stage(home, "import sys; sys.stdin.read(); sys.exit(66)")
    stage.look_until(lambda: stage.lives.child is not None)
    stage.lives.finish()
    assert stage.kinds[-1] == "stopped"
    home.leave()


def test_one_that_left_by_itself_just_before_it_was_to_end_has_crashed(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    stage = Stage(home, "import sys; sys.exit(66)")
    stage.look_until(lambda: stage.lives.child is not None)
    child = stage.lives.child
    assert child is not None
    assert child.wait(WAIT_SECONDS)
    stage.lives.finish()
    assert stage.kinds[-1] == "crashed"
    home.leave()


def test_a_flood_of_errors_does_not_hide_what_comes_after_it() -> None:
    told: list[tuple[float, str]] = []
    errors = Errors(lambda at, said: told.append((at, said)))
    for number in range(ERRORS_TOLD + 1000):
        errors.take("flood", number / 1000)
    errors.take("later", 100.0)
    assert len(told) == ERRORS_TOLD + 1
    assert told[-1] == (100.0, "later (and 1000 others since the line before)")
    errors.take("the last", 100.0 + LATER_ERRORS_SECONDS / 2)
    errors.end()
    errors.end()
    assert told[-1] == (100.0 + LATER_ERRORS_SECONDS / 2, "the last")
    assert len(told) == ERRORS_TOLD + 2
