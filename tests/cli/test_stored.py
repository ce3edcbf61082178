"""The commands on what is stored: history, search, export, forget, retry."""

import csv
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.commands import Said, on_state
from tests.fakes.states import FOR_EVER, INFO, State, bytes_in, equal, state_in
from tests.fakes.utterances import NOON, noise
from voicebridge.cli.history import follow_along
from voicebridge.cli.shown import json_line
from voicebridge.domain.errors import ExitCode, StoreBusyError
from voicebridge.domain.utterance import Status, UtteranceRecord
from voicebridge.settings.paths import database_path
from voicebridge.store.database import open_database
from voicebridge.store.lock import StateLock
from voicebridge.store.search import Follower
from voicebridge.store.sessions import begin_session

Run = Callable[..., Said]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with state_in(tmp_path / "state", FOR_EVER) as state:
        state.hear("turn on the light", 1.0)
        state.hear("thanks for watching", 5.0, Status.REJECTED)
        state.hear(start=10.0, status=Status.FAILED)
        yield state


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return on_state(tmp_path / "state", capsys)


@pytest.mark.parametrize(
    "arguments", [["history"], ["search", "x"], ["export"], ["forget", "--all", "--yes"], ["retry", "1"]]
)
def test_without_a_database_each_says_so_and_makes_none(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    said = run(*arguments)
    assert said.code == ExitCode.NO_INPUT
    assert "There is no database at" in said.err
    assert not (tmp_path / "state").exists()


def test_history_shows_time_number_and_text(state: State, run: Run) -> None:
    lines = run("history").lines
    assert [line.split("  ", 1)[1] for line in lines] == [
        "#1  turn on the light",
        "#2  thanks for watching (rejected: too quiet)",
        "#3  (failed: too quiet)",
    ]
    assert lines[0].startswith("2023-11-1")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--rejected"], [2]),
        (["--rejected", "--failed"], [2, 3]),
        (["--done"], [1]),
        (["--pending"], []),
        (["--limit", "2"], [2, 3]),
        (["--session", "1"], [1, 2, 3]),
        (["--session", "2"], []),
        (["--since", "2023-11-14T22:13:24Z"], [2, 3]),
        (["--until", "2023-11-14T22:13:24Z"], [1]),
        (["--since", "1h"], []),
    ],
)
def test_history_can_be_narrowed(state: State, run: Run, options: list[str], ids: list[int]) -> None:
    assert [json.loads(line)["id"] for line in run("history", "--json", *options).lines] == ids


def test_a_history_that_is_empty_says_so(run: Run, tmp_path: Path) -> None:
    with state_in(tmp_path / "state", FOR_EVER):
        said = run("history")
        assert (said.code, said.out, said.err) == (ExitCode.OK, "", "Nothing was heard yet.\n")
        assert run("history", "--failed").err == "Nothing like that was heard.\n"


def test_history_as_json_holds_everything_in_utc(state: State, run: Run) -> None:
    first = json.loads(run("history", "--json").lines[0])
    assert (first["started_at"], first["status"]) == ("2023-11-14T22:13:21.000Z", "done")
    assert (first["session"], first["audio"], first["engine"]) == (1, "audio/00000001.wav", "whisper")
    assert [word["text"] for word in first["words"]] == ["turn", "on", "the", "light"]


def test_no_text_can_steer_the_terminal(state: State, run: Run) -> None:
    state.hear("red \x1b[31m \u202e alert \x9b2J", 20.0)
    for arguments in (["history"], ["history", "--json"], ["search", "alert"], ["export", "--format", "csv"]):
        out = run(*arguments).out
        assert "alert" in out
        assert not any(sign in out for sign in "\x1b\u202e\x9b")
    assert json.loads(run("history", "--json").lines[3])["text"] == "red \x1b[31m \u202e alert \x9b2J"


def test_json_keeps_the_letters_of_every_language() -> None:
    assert json_line({"text": "schön 日本 \U000e0001"}) == '{"text": "schön 日本 \\udb40\\udc01"}'


@pytest.mark.parametrize("bad", ["sometime", "25:00", "2023-13-01", "10 parsecs"])
def test_a_time_that_is_none_is_told(state: State, run: Run, bad: str) -> None:
    said = run("history", "--since", bad)
    assert said.code == ExitCode.USAGE
    assert "is not a time such as 10m" in said.err


def test_following_shows_what_is_settled_until_ctrl_c(state: State) -> None:
    shown: list[UtteranceRecord] = []
    moments = iter(["light", "busy", "end"])
    reader = open_database(database_path(state.path), read_only=True)

    def pause(_: float) -> None:
        if next(moments) == "end":
            raise KeyboardInterrupt
        state.hear("more light", 20.0)

    follow_along(Follower(reader), shown.append, pause)
    reader.close()
    assert [record.text for record in shown] == ["more light"]


def test_following_goes_on_after_what_is_stored_and_ends_well(state: State, tmp_path: Path) -> None:
    config = tmp_path / "voicebridge.toml"
    config.touch()
    arguments = ["--config", str(config), "--state-dir", str(state.path), "history", "--follow", "--done"]
    command = [sys.executable, "-c", "from voicebridge.cli import main; main()", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "turn on the light" in process.stdout.readline()
        state.hear("something new", 20.0)
        assert "#4  something new" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_following_bears_a_database_that_is_busy() -> None:
    class Busy(Follower):
        """A follower of a database that is busy at first."""

        def __init__(self) -> None:
            self.polls = 0

        def poll(self) -> list[UtteranceRecord]:
            self.polls += 1
            if self.polls == 1:
                raise StoreBusyError("busy")
            raise KeyboardInterrupt

    follower = Busy()
    follow_along(follower, lambda _: None, lambda _: None)
    assert follower.polls == 2


def test_search_shows_the_best_first(state: State, run: Run) -> None:
    state.hear("light light light", 20.0)
    said = run("search", "light")
    assert [line.split("  ", 1)[1] for line in said.lines] == ["#4  light light light", "#1  turn on the light"]
    assert json.loads(run("search", "light", "--json", "-n", "1").lines[0])["snippet"] == "[light] [light] [light]"


def test_search_that_finds_nothing_says_so(state: State, run: Run) -> None:
    said = run("search", "elephant", "watching")
    assert (said.code, said.out, said.err) == (ExitCode.FAILURE, "", "Nothing was found.\n")


def test_a_raw_search_that_is_no_query_is_told(state: State, run: Run) -> None:
    said = run("search", "--raw", "light AND")
    assert said.code == ExitCode.USAGE
    assert "is not a query" in said.err


def test_export_writes_what_was_believed(state: State, run: Run) -> None:
    assert [json.loads(line)["text"] for line in run("export").lines] == ["turn on the light"]
    assert len(run("export", "--rejected", "--done").lines) == 2


def test_a_table_is_read_back_as_it_was(state: State, run: Run, tmp_path: Path) -> None:
    state.hear('he said "one, two"', 20.0)
    assert run("export", "--format", "csv", "-o", str(tmp_path / "a.csv")).err == "2 utterances written.\n"
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == ["turn on the light", 'he said "one, two"']
    assert (rows[0]["seconds"], rows[0]["started_at"], rows[0]["audio"]) == (
        "2.000",
        "2023-11-14T22:13:21.000Z",
        "audio/00000001.wav",
    )
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "  =cmd"])
def test_no_cell_is_a_formula(state: State, run: Run, text: str) -> None:
    state.hear(text, 20.0)
    rows = list(csv.DictReader(run("export", "--format", "csv").lines))
    assert rows[1]["text"].startswith("'")


def test_subtitles_are_timed_from_the_start_of_the_session(state: State, run: Run) -> None:
    state.hear("one --> two\n\nthree", 3661.5)
    assert run("export", "--format", "srt").out == (
        "1\n00:00:01,000 --> 00:00:03,000\nturn on the light\n\n2\n01:01:01,500 --> 01:01:03,500\none -> two three\n\n"
    )


def test_subtitles_of_two_files_follow_each_other(state: State, run: Run) -> None:
    state.hear("one hour later", 3600.0)
    state.session_id = begin_session(state.db, INFO, NOON)  # the first file was heard in a moment
    state.hear("of another file", 3605.0)
    stamps = [line for line in run("export", "--format", "srt").lines if "-->" in line]
    assert stamps == [
        "00:00:01,000 --> 00:00:03,000",
        "01:00:00,000 --> 01:00:02,000",
        "02:00:07,000 --> 02:00:09,000",
    ]


def test_audio_is_copied_where_it_was_kept(state: State, run: Run, tmp_path: Path) -> None:
    said = run("export", "--done", "--failed", "--audio", str(tmp_path / "copies"), "-o", str(tmp_path / "a.jsonl"))
    assert said.err == "2 utterances written, 1 with audio, 1 without.\n"
    (copy,) = (tmp_path / "copies").iterdir()
    assert copy.read_bytes() == (state.path / "audio" / "00000001.wav").read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_file_is_written_over_only_by_force(state: State, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("precious")
    said = run("export", "-o", str(target))
    assert (said.code, target.read_text()) == (ExitCode.FAILURE, "precious")
    assert "add --force" in said.err
    assert run("export", "-o", str(target), "--force").code == 0
    assert json.loads(target.read_text())["id"] == 1


def test_a_place_that_cannot_be_written_is_told(state: State, run: Run, tmp_path: Path) -> None:
    said = run("export", "-o", str(tmp_path / "nowhere" / "a"))
    assert said.code == ExitCode.STORE
    assert "cannot be written" in said.err


def test_forget_deletes_by_number_and_says_what_backups_hold(state: State, run: Run) -> None:
    said = run("forget", "1", "--yes")
    assert said.code == 0
    assert said.lines[0] == "1 utterance forgotten, 1 with audio."
    assert "backups" in said.lines[1]
    assert b"turn on the light" not in bytes_in(state.path)
    assert len(run("history").lines) == 2


@pytest.mark.parametrize(
    ("options", "left"),
    [(["--all"], 0), (["--since", "2023-11-14T22:13:28Z"], 2), (["--until", "2023-11-14T22:13:24Z"], 2)],
)
def test_forget_deletes_by_time(state: State, run: Run, options: list[str], left: int) -> None:
    assert run("forget", "--yes", *options).code == 0
    assert len(run("history").lines) == left


def test_forget_the_last_minutes_leaves_what_is_older(state: State, run: Run) -> None:
    said = run("forget", "--last", "10m", "--yes")
    assert (said.code, len(run("history").lines)) == (ExitCode.FAILURE, 3)
    assert said.lines[0] == "0 utterances forgotten, 0 with audio."


def test_forget_says_what_stays_of_a_session(state: State, run: Run) -> None:
    said = run("forget", "--all", "--yes")
    assert said.lines[1] == (
        "1 session is left without utterances: times and machine are kept, the name of the source is not."
    )
    assert "name of its source" in run("forget", "--help").out


def test_forgetting_everything_of_sessions_that_heard_nothing_is_something_done(state: State, run: Run) -> None:
    run("forget", "--all", "--yes")
    begin_session(state.db, INFO, NOON)
    assert run("forget", "--all", "--yes").code == 0
    assert run("forget", "--all", "--yes").code == ExitCode.FAILURE


def test_forget_asks_first(state: State, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    said = run("forget", "--all")
    assert said.code == ExitCode.INTERRUPTED
    assert "Delete 3 utterances for good?" in said.err
    assert len(run("history").lines) == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run("forget", "--all").code == 0


@pytest.mark.parametrize("arguments", [[], ["1", "--all"], ["--last", "1h", "--since", "1h"]])
def test_forget_wants_one_way_of_saying_what(state: State, run: Run, arguments: list[str]) -> None:
    assert run("forget", "--yes", *arguments).code == ExitCode.USAGE


@pytest.mark.parametrize("bad", ["ten", "10", "-5m", "9999999999w"])
def test_a_duration_that_is_none_is_told(state: State, run: Run, bad: str) -> None:
    said = run("forget", "--yes", f"--last={bad}")
    assert said.code == ExitCode.USAGE
    assert "is not a duration such as" in said.err


def test_forget_tells_of_what_is_being_heard_just_now(state: State, run: Run) -> None:
    from voicebridge.domain.utterance import UtteranceKey

    state.spool.append(UtteranceKey(1, 900_000), NOON + 56, noise(1))
    with StateLock(state.path):
        said = run("forget", "--all", "--yes")
    assert "being heard just now is not deleted" in said.err
    assert equal(state.spool.read(UtteranceKey(1, 900_000)), noise(1))


def test_forget_beside_a_reader_says_that_it_is_not_done_yet(state: State, run: Run) -> None:
    reader = open_database(database_path(state.path), read_only=True)
    reader.conn.execute("BEGIN")
    reader.conn.execute("SELECT * FROM utterances").fetchone()
    said = run("forget", "--all", "--yes")
    assert said.code == ExitCode.FAILURE
    assert "Then run this again" in said.err
    reader.close()


def test_retry_queues_and_says_when_it_is_decoded(state: State, run: Run) -> None:
    assert run("retry", "2", "3").lines == ["2 utterances queued; decoded when `voicebridge run` is started."]
    assert [pending.utterance_id for pending in state.store.pending(0, 10)] == [2, 3]


def test_retry_beside_the_daemon_says_that_it_is_soon(state: State, run: Run) -> None:
    with StateLock(state.path):
        assert run("retry", "3").lines == ["1 utterance queued; decoded shortly, by the daemon that runs."]


def test_retry_of_what_is_done_or_not_there_is_told(state: State, run: Run) -> None:
    assert run("retry", "1").code == ExitCode.FAILURE
    said = run("retry", "99")
    assert said.code == ExitCode.FAILURE
    assert "no utterance 99" in said.err


def test_a_number_beyond_every_id_is_told(state: State, run: Run) -> None:
    assert run("retry", "99999999999999999999").code == ExitCode.USAGE
