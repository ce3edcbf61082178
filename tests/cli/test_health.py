"""`voicebridge health`, and what the status falls back to."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_status import WELL, write
from tests.daemon.control_room import room_on
from tests.fakes.commands import Said, on_state
from tests.fakes.states import INFO, State, state_in
from voicebridge.cli.health import BARS, PLAIN_BARS, shown, sparkline
from voicebridge.cli.latest import span_of
from voicebridge.cli.status import keep_showing
from voicebridge.daemon.control_client import Client
from voicebridge.domain.errors import ExitCode
from voicebridge.health.checkpoint import Delay
from voicebridge.store.checkpoints import CheckpointLog, Row
from voicebridge.store.lock import StateLock
from voicebridge.store.sessions import begin_session, end_session

Run = Callable[..., Said]


def record(at: float, **more: Any) -> dict[str, Any]:
    return {
        "at": at,
        "session_id": 1,
        "uptime_seconds": 60.0,
        "missed": 0,
        "state": "hearing",
        "reasons": [],
        "delay_interval_ms": {
            "count": 2,
            "still_waiting": 0,
            "p50": 900.0,
            "p95": 1200.0,
            "p99": 1300.0,
            "max": 1300.0,
        },
        "backlog_seconds": 0.0,
        "real_time_factor": 0.25,
        "level": {"rms_dbfs": -40.0, "peak_dbfs": -9.0, "clipped_share": 0.0, "speech_share": 0.5},
        "cpu": {"share": 0.123},
        "memory": {"rss_bytes": 200_000_000},
        "gaps": {"interval_count": 0, "interval_seconds": 0.0},
        **more,
    }


def keep(state: State, *records: dict[str, Any]) -> None:
    log = CheckpointLog(state.db, state.path, 1_000_000)
    for told in records:
        log.add(Row(told["session_id"], told["at"], told["state"], 1.0, 0.0, None, None, None, told))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with state_in(tmp_path / "state") as state:
        yield state


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return on_state(tmp_path / "state", capsys)


def test_each_checkpoint_is_a_line_and_each_figure_a_curve(state: State, run: Run) -> None:
    now = time.time()
    keep(state, record(now - 10), record(now - 5, cpu={"share": 0.5}), record(now))
    lines = run("health").lines
    head = "time state p50 p95 max waiting rtf level speech cpu memory gaps"
    assert " ".join(lines[0].split()) == head
    assert lines[1].split()[2:] == [
        "hearing",
        "0.90",
        "1.20",
        "1.30",
        "0",
        "s",
        "0.25",
        "-9",
        "50%",
        "12.3%",
        "200",
        "MB",
        "-",
    ]
    assert "     cpu %  ▁█▁  12.3 to 50" in lines


def test_the_newest_so_many_of_a_time_are_shown(state: State, run: Run) -> None:
    now = time.time()
    keep(state, *(record(now - age) for age in (500, 50, 30, 20)))
    found = [json.loads(line) for line in run("health", "--json", "-n", "2", "--since", "1m").lines]
    assert [round(now - told["at"]) for told in found] == [30, 20]
    assert len(run("health", "--json", "--until", "40s").lines) == 2


def test_what_happened_between_is_told(state: State) -> None:
    reason = {"code": "backlog", "sentence": "Much\x1b waits."}
    told = list(
        shown(
            [
                record(1000.0),
                record(2000.0, missed=3, gaps={"interval_count": 1, "interval_seconds": 2.5}, reasons=[reason]),
                record(3000.0, session_id=2, delay_interval_ms={"p50": None, "p95": None, "max": None}),
            ]
        )
    )
    assert told[2] == "-- 3 missing"
    assert told[3].endswith("2.5 s")
    assert told[4].strip() == "Much  waits."
    assert told[5].startswith("-- session 2 began ")
    assert "-       -       -" in told[6]


def test_without_a_checkpoint_it_says_when_there_will_be_one(state: State, run: Run) -> None:
    said = run("health")
    assert (said.code, said.out) == (ExitCode.OK, "")
    assert "health.interval_seconds" in said.err


def test_without_a_database_it_says_so(run: Run) -> None:
    assert run("health").code == ExitCode.NO_INPUT


@pytest.mark.parametrize(
    ("values", "curve"),
    [
        ([0, 7], "▁█"),
        ([5, 5, 5], "▁▁▁"),
        ([1, None, 2], "▁ █"),
        ([], ""),
        ([None], " "),
        ([0.0] * 60 + [1.0] + [0.0] * 59, "▁" * 30 + "█" + "▁" * 29),
    ],
)
def test_a_sparkline_goes_from_the_lowest_to_the_highest(values: list[float | None], curve: str) -> None:
    assert sparkline(values, BARS) == curve


def test_a_terminal_without_blocks_gets_letters() -> None:
    assert sparkline([0, 7], PLAIN_BARS) == "_#"


def test_a_daemon_tells_its_checkpoints_to_those_who_may_not_read_its_database(tmp_path: Path) -> None:
    with state_in(tmp_path / "state") as state, room_on(tmp_path / "control", state.path):
        keep(state, *(record(float(at)) for at in range(5)))
        with Client(tmp_path / "control") as client:
            found = client.ask("checkpoints", since=1.0, until=4.0, limit=2)["records"]
    assert [told["at"] for told in found] == [2.0, 3.0]


def test_without_a_daemon_the_status_shows_the_last_checkpoint_with_its_age(state: State, run: Run) -> None:
    reason = {"code": "backlog", "sentence": "Much waits."}
    keep(state, record(time.time() - 3700, state="degraded", reasons=[reason], backlog_seconds=70.0))
    said = run("status")
    assert said.code == ExitCode.NOT_RUNNING
    waited = "1 min 10 s of audio waited; 200 MB of memory"
    assert said.lines[-1] == f"last checkpoint, 1 h 1 min ago: degraded: Much waits; {waited}"
    assert json.loads(run("status", "--json").out)["checkpoint"]["state"] == "degraded"


def test_a_database_that_cannot_be_read_leaves_the_file_of_checkpoints(state: State, run: Run) -> None:
    keep(state, record(time.time() - 61))
    (state.path / "voicebridge.db").write_bytes(b"x" * 5000)
    assert "last checkpoint, 1 min 1 s ago: hearing" in run("status").out


def test_a_daemon_that_does_not_answer_is_shown_as_it_was_last(state: State, run: Run) -> None:
    keep(state, record(time.time() - 30))
    with StateLock(state.path):
        assert "last checkpoint, 30 s ago" in run("status").lines[1]
        write(state.path, replace(WELL, written_at=time.time() - 100))
        assert "last checkpoint, 30 s ago" in run("status").lines[-1]


def test_the_status_shows_delays_memory_disk_uptime_and_the_last_words(state: State, run: Run) -> None:
    begin_session(state.db, INFO, 0.0)
    state.hear("turn on\x1b the light")
    delay, old = Delay(4, 1, 900.0, 1500.0, 1500.0, 2000.0), Delay(400, 0, 90.0, 90.0, 90.0, 90.0)
    measured = replace(WELL, rss_bytes=200_000_000, uss_bytes=150_000_000, disk_free_bytes=5_500_000_000)
    with StateLock(state.path):
        write(state.path, replace(measured, delay_ms=old, delay_hour_ms=delay, uptime_seconds=90_000.0))
        told = dict(line.strip().split("  ", 1) for line in run("status").lines)
    assert told["uptime"] == "1 d 1 h"
    assert told["delay"] == "median 0.90 s, p95 1.50 s, max 2.00 s in the last hour, 1 of 4 still waiting"
    assert told["memory"] == "200 MB, 150 MB of it its own"
    assert told["disk"] == "5.5 GB free"
    assert told["last words"].endswith("#1  turn on  the light")


def test_without_a_delay_in_the_last_hour_that_of_the_session_is_shown_and_called_so(state: State, run: Run) -> None:
    with StateLock(state.path):
        write(state.path, replace(WELL, delay_ms=Delay(400, 0, 90.0, 90.0, 90.0, 90.0)))
        assert "max 0.09 s since it started, none for an hour" in run("status").out


def test_what_it_uses_alone_is_never_more_than_what_it_uses(state: State, run: Run) -> None:
    with StateLock(state.path):
        write(state.path, replace(WELL, rss_bytes=169_000_000, uss_bytes=190_000_000))
        assert "169 MB, 169 MB of it its own" in run("status").out


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("clean", "ended in order, 1 min 0 s ago"),
        ("error: The disk is full.", "ended with an error: The disk is full, 1 min 0 s ago"),
        ("crashed", "did not end in order: it was killed, crashed, or lost its power, 1 min 0 s ago"),
        (None, "did not end in order: it was killed, crashed, or lost its power"),
    ],
)
def test_without_a_daemon_the_status_says_how_the_last_session_ended(
    state: State, run: Run, ending: str | None, told: str
) -> None:
    session = begin_session(state.db, INFO, 0.0)
    if ending is not None:
        end_session(state.db, session, ending, time.time() - 60)
    assert run("status").lines[1] == f"last session, {session}, {told}"
    assert json.loads(run("status", "--json").out)["session"]["ending"] == (ending or "crashed")


@pytest.mark.parametrize(
    ("seconds", "told"), [(59.9, "59 s"), (60, "1 min 0 s"), (3661, "1 h 1 min"), (200_000, "2 d 7 h")]
)
def test_a_length_of_time_is_told_to_two_units(seconds: float, told: str) -> None:
    assert span_of(seconds) == told


def test_a_watched_status_is_shown_until_ctrl_c_and_its_last_state_is_the_exit_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    looks = iter([(ExitCode.OK, "It hears."), (ExitCode.DEAF, "It is deaf.")])
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    assert keep_showing(lambda: next(looks), plain=True, pause=pause) == ExitCode.DEAF
    assert pauses == [2.0, 2.0]
    assert capsys.readouterr().out == "It hears.\nIt is deaf.\n"


class Screen(StringIO):
    """A terminal that remembers what is on it."""

    def isatty(self) -> bool:
        return True


def test_the_screen_is_cleared_only_when_there_is_something_new_to_show(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()

    def look() -> tuple[ExitCode, str]:
        assert screen.getvalue().count("\x1b[2J") == screen.getvalue().count("It hears.")
        return ExitCode.OK, "It hears."

    def pause(_: float) -> None:
        if screen.getvalue().count("It hears.") == 2:
            raise KeyboardInterrupt

    with redirect_stdout(screen):
        keep_showing(look, plain=False, pause=pause)
    assert screen.getvalue() == "\x1b[2J\x1b[1;1HIt hears.\n" * 2
