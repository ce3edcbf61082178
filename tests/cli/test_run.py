"""`voicebridge run`, as a process of its own: what it prints, stores and how it ends."""

import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.children import (
    FIRST,
    SECOND,
    SPHINX,
    WAIT_SECONDS,
    WHISPER,
    Home,
    complaint,
    no_sound,
    silence,
    speech,
    wait_until,
    write_wav,
)
from voicebridge.domain.errors import ExitCode
from voicebridge.health.status import read_status
from voicebridge.settings.paths import database_path, status_paths
from voicebridge_bench.speech_corpus import say


def rows(home: Home, columns: str = "status, text", table: str = "utterances") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database_path(home.state))) as db:
        return db.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()


def test_what_is_heard_is_printed_and_stored(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "run", "--file", two)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    lines = done.stdout.splitlines()
    assert (
        lines[0] == "-- hearing two.wav; engine whisper with model whisper-commands, as engine.kind says; Ctrl-C ends"
    )
    assert [line.split("  ")[1] for line in lines if "[whisper]" in line] == [FIRST, SECOND]
    assert rows(home) == [("done", FIRST), ("done", SECOND)]


def test_it_ends_with_a_summary(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "run", "--file", two)
    assert [line.split() for line in done.stdout.splitlines()[-4:]] == [
        ["heard", "9.0", "s"],
        ["text", "2", "utterances"],
        ["gaps", "none"],
        ["database", str(database_path(home.state))],
    ]


def test_programs_read_one_object_a_line(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "run", "--file", two, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in told[:2]] == ["started", "engine_ready"]
    assert told[0]["engine_reason"].startswith("engine whisper")
    heard = [(one["id"], one["text"], one["engine"]) for one in told[2:] if "id" in one]
    assert heard == [(1, FIRST, "whisper"), (2, SECOND, "whisper")]
    assert done.stderr == ""


def on_a_terminal(home: Home, *arguments: str | Path) -> str:
    """Run a command on a terminal of 60 columns until it ends; return all that was written there."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    written = bytearray()
    with home.start(*arguments, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            select.select([ours], [], [], 1.0)
            try:
                written += os.read(ours, 65_536)
            except BlockingIOError:
                continue
            except OSError:  # the other end is closed: it has ended
                break
    os.close(ours)
    assert process.returncode == ExitCode.OK
    return written.decode()


def test_on_a_terminal_what_is_being_said_stands_in_the_last_line_until_its_text_is_there(home: Home) -> None:
    spoken = np.concatenate([silence(2.0), say(FIRST), silence(1.0)])
    path = write_wav(home.path / "spoken.wav", spoken)
    home.environment |= {"COLUMNS": "60", "TERM": "xterm"}
    paced = ("-s", "partials.every_ms=200", "-s", "partials.load_share=1")
    written = on_a_terminal(home, *WHISPER, *paced, "run", "--file", path, "--realtime")
    before, _, after = written.partition(f"  {FIRST}  ")
    passing = [part for part in before.split("\r\x1b[2K") if part.startswith("… ")]
    assert passing, written
    assert all("\n" not in part for part in passing)
    assert "… " not in after
    assert "\x1b[2K" not in after


def test_partials_are_printed_for_programs_that_ask(home: Home, two: Path) -> None:
    paced = ("-s", "partials.every_ms=200", "-s", "partials.load_share=1")
    done = home.run(*WHISPER, *paced, "run", "--file", two, "--realtime", "--json", "--partials")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = ["text" if "id" in one else one.get("event") for one in told]
    assert kinds.index("partial") < kinds.index("text") < kinds.index("words")
    partials = [one for one in told if one.get("event") == "partial"]
    assert all(isinstance(one["stable"], str) and isinstance(one["tentative"], str) for one in partials)


@pytest.mark.parametrize("options", [("--partials",), ("--partials", "--quiet"), ("--partials", "--service")])
def test_partials_that_nobody_would_see_are_refused(home: Home, two: Path, options: tuple[str, ...]) -> None:
    done = home.run(*WHISPER, "run", "--file", two, *options)
    assert done.returncode == ExitCode.USAGE
    assert "--partials needs a terminal, or --json." in done.stderr


@pytest.mark.parametrize("source", ["--file", "--stdin"])
def test_partials_of_what_is_read_faster_than_it_was_said_are_refused(home: Home, two: Path, source: str) -> None:
    done = home.run(*WHISPER, "run", source, *([two] if source == "--file" else []), "--json", "--partials")
    assert done.returncode == ExitCode.USAGE
    assert "--partials needs speech at the pace of time: add --realtime." in done.stderr
    assert not home.state.exists()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ((*WHISPER, "-s", "partials.mode=off"), "partials.mode is off."),
        (SPHINX, "with PocketSphinx they take too long"),
    ],
)
def test_why_no_partials_come_is_told_once(home: Home, settings: tuple[str, ...], why: str) -> None:
    short = write_wav(home.path / "short.wav", silence(0.5))
    done = home.run(*settings, "run", "--file", short, "--realtime", "--json", "--partials")
    assert done.returncode == ExitCode.OK
    assert done.stderr.count(f"no partials are made: {why}") == 1


def test_quiet_prints_nothing_and_stores_all_the_same(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "run", "--file", two, "--quiet")
    assert done.stdout == ""
    assert "Utterance 2 transcribed" in done.stderr
    assert FIRST not in done.stderr
    assert len(rows(home)) == 2


def test_nothing_heard_gets_into_the_journal(home: Home, two: Path) -> None:
    journal = home.path / "journal"
    with journal.open("wb") as file:
        about = os.fstat(file.fileno())
        named = {"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"}
        home.run(*WHISPER, "run", "--file", two, environment=named, capture_output=False, stdout=file)
    assert journal.read_text() == ""
    assert len(rows(home)) == 2


@pytest.mark.parametrize(("setting", "texts"), [("false", []), ("true", [FIRST, SECOND])])
def test_programs_find_texts_in_the_journal_only_where_they_are_wanted(
    home: Home, two: Path, setting: str, texts: list[str]
) -> None:
    journal = home.path / "journal"
    with journal.open("wb") as file:
        about = os.fstat(file.fileno())
        named = {"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"}
        asked = (*WHISPER, "-s", f"log.transcripts={setting}", "run", "--file", two, "--json")
        home.run(*asked, environment=named, capture_output=False, stdout=file)
    told = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [one["id"] for one in told if "id" in one] == [1, 2]
    assert [one["text"] for one in told if "text" in one] == texts


def test_a_fallback_is_logged_as_a_warning(home: Home, two: Path) -> None:
    done = home.run("-s", "whisper.model=/nowhere", "run", "--file", two, "--quiet", "--seconds", "0.1")
    started, fallback = done.stderr.splitlines()[:2]
    assert "started, session 1, hearing two.wav; engine sphinx, because whisper cannot be used: " in started
    assert " warning " in fallback
    assert "Decoding with less than whisper: engine sphinx, because" in fallback


def test_it_stops_after_so_many_seconds(home: Home, two: Path) -> None:
    done = home.run(*SPHINX, "run", "--file", two, "--realtime", "--seconds", "0.5")
    assert done.returncode == ExitCode.OK
    heard = next(line.split() for line in done.stdout.splitlines() if line.split()[0] == "heard")
    assert float(heard[1]) < 5


# ---- standard input


def as_bytes(rate: int, channels: int, kind: str) -> bytes:
    """Return the speech as raw PCM; a whole multiple of 16 kHz is made by repetition."""
    wide = np.repeat(np.repeat(speech(), rate // 16_000)[:, None], channels, axis=1)
    if kind == "f32le":
        return (wide / 32768).astype("<f4").tobytes()
    if kind == "u8":
        return (wide // 256 + 128).astype(np.uint8).tobytes()
    return wide.astype("<i2").tobytes()


@pytest.mark.parametrize(("rate", "channels", "kind"), [(16_000, 1, "s16le"), (48_000, 2, "f32le"), (32_000, 1, "u8")])
def test_raw_audio_on_standard_input_is_heard(home: Home, rate: int, channels: int, kind: str) -> None:
    shape = ["--rate", f"{rate}", "--channels", f"{channels}", "--format", kind]
    done = home.run(*WHISPER, "run", "--stdin", *shape, stdin=as_bytes(rate, channels, kind))
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert rows(home) == [("done", FIRST), ("done", SECOND)]


def test_a_wav_on_standard_input_is_heard(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "run", "--stdin", "--rate", "44100", stdin=two.read_bytes())
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert rows(home) == [("done", FIRST), ("done", SECOND)]


@pytest.mark.parametrize(
    "both", [["--stdin", "--device", "x"], ["--stdin", "--file", "x"], ["--file", "x", "--device", "y"]]
)
def test_there_is_one_source(home: Home, both: list[str]) -> None:
    done = home.run("run", *both)
    assert done.returncode == ExitCode.USAGE
    assert "--device, --file and --stdin exclude each other." in done.stderr


# ---- as a service


def test_a_service_begins_without_microphone_or_model_and_says_that_it_is_deaf(home: Home) -> None:
    nothing = ("-s", "engine.kind=whisper", "-s", "whisper.model=/nowhere", "-s", "health.status_seconds=0.5")
    home.environment["ALSA_CONFIG_PATH"] = str(no_sound(home.path))
    with home.start(*nothing, "run", "--service") as process:
        places = status_paths(home.state, home.environment)
        wait_until(lambda: (read_status(places) or {}).get("state") == "deaf", process)
        status = read_status(places)
        process.terminate()
        out, error = process.communicate()
    assert status is not None
    assert {reason["code"] for reason in status["reasons"]} >= {"device_lost", "engine_failed"}
    assert (process.returncode, out) == (ExitCode.OK, "")
    assert "Deaf: " in error
    assert rows(home, "ending", "sessions") == [("clean",)]


def test_a_service_prints_nothing_and_stores_what_it_hears(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "run", "--service", "--file", two)
    assert (done.returncode, done.stdout) == (ExitCode.OK, "")
    assert "Utterance 2 transcribed" in done.stderr
    assert rows(home) == [("done", FIRST), ("done", SECOND)]


@pytest.mark.parametrize("option", ["--json", "--live"])
def test_a_service_cannot_be_asked_to_print(home: Home, option: str) -> None:
    done = home.run("run", "--service", option)
    assert done.returncode == ExitCode.USAGE
    assert "--service prints nothing" in done.stderr


# ---- how it ends

LITTLE_BYTES = 1000
"""More than the header of a file in the spool, less than the first piece of audio."""


def hear_first_word(home: Home, two: Path, *options: str, engine: tuple[str, ...] = SPHINX) -> "subprocess.Popen[str]":
    """Start to hear at the pace of time; returns while the first utterance is open, with audio in the spool."""
    process = home.start(*engine, "run", "--file", two, "--realtime", *options)
    wait_until(
        lambda: any(file.stat().st_size > LITTLE_BYTES for file in (home.state / "spool").glob("*.pcm")), process
    )
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_open_utterance_stored(home: Home, two: Path, number: signal.Signals) -> None:
    with hear_first_word(home, two) as process:
        process.send_signal(number)
        out, error = process.communicate()
    assert (process.returncode, error) == (ExitCode.OK, "")
    assert "database" in out.splitlines()[-1]
    (first,) = rows(home, "end_reason, end_sample - start_sample")
    assert first[0] == "stopped"
    assert first[1] >= 6400  # pre-roll and the least that counts as speech
    assert rows(home, "ending", "sessions") == [("clean",)]


def test_what_was_cut_off_is_decoded_at_the_next_start(home: Home, two: Path) -> None:
    with hear_first_word(home, two) as process:
        process.kill()
        process.communicate()
    assert home.spooled()
    done = home.run(*WHISPER, "run", "--file", two, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["end_reason"] for one in told if "id" in one] == ["interrupted", "hangover", "hangover"]
    assert not home.spooled()


def test_what_waits_is_told_and_counted_apart_when_it_is_decoded(home: Home, two: Path) -> None:
    keep = ("-s", "engine.kind=whisper", "-s", "engine.required=false", "-s", "whisper.model=/nowhere")
    lines = home.run(*keep, "run", "--file", two, "--seconds", "5").stdout.splitlines()
    assert "   waiting  2 utterances, decoded at the next start" in lines
    lines = home.run(*WHISPER, "run", "--file", two).stdout.splitlines()
    assert "      text  2 utterances" in lines
    assert " recovered  2 utterances from an earlier run" in lines


def test_a_second_signal_ends_it_at_once(home: Home, two: Path) -> None:
    with hear_first_word(home, two) as process:
        # Stopped while both arrive, so that the second cannot come after an orderly end; of unlike kinds, because two
        # equal signals that wait are one.
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        _, error = process.communicate()
    assert (process.returncode, error) == (ExitCode.INTERRUPTED, "")
    assert home.spooled()


def test_a_reader_that_goes_ends_it_in_order(home: Home, two: Path) -> None:
    with hear_first_word(home, two, engine=WHISPER) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == ExitCode.FAILURE
        assert process.stderr.read() == ""
    assert rows(home, "ending", "sessions") == [("clean",)]
    assert rows(home)[0] in {("done", FIRST), ("pending", None)}  # what is not decoded in time waits for the next start


def test_a_full_disk_under_its_output_is_told(home: Home, two: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = home.run(*SPHINX, "run", "--file", two, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == ExitCode.FAILURE
    assert "cannot be written out: No space left on device." in complaint(done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(home: Home, two: Path, closed: str) -> None:
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    done = home.run(*WHISPER, "run", "--file", two, prefix=shell, stdin=subprocess.DEVNULL)
    assert done.returncode == ExitCode.OK
    assert "Traceback" not in done.stderr
    assert rows(home) == [("done", FIRST), ("done", SECOND)]
    assert home.run("doctor", "--no-microphone", "--json").returncode == ExitCode.OK


def test_letters_that_the_terminal_lacks_are_escaped(home: Home) -> None:
    western = {"PYTHONIOENCODING": "latin-1"}
    done = home.run("-s", "audio.device=\u65e5", "config", "show", "--changed", environment=western)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert '"\\u65e5"' in done.stdout


def test_a_second_one_names_the_first_and_leaves(home: Home, two: Path) -> None:
    with hear_first_word(home, two) as first:
        second = home.run(*SPHINX, "run", "--file", two)
        assert second.returncode == ExitCode.BUSY
        # Nothing else of its command line, in which there may be a secret.
        assert f"is in use by process {first.pid} (__main__.py run, since " in complaint(second.stderr)
        first.send_signal(signal.SIGINT)
        first.communicate()


# ---- status of a real one


def test_status_follows_its_life(home: Home, two: Path) -> None:
    assert home.run("status").returncode == ExitCode.NOT_RUNNING
    process = home.start(*SPHINX, "-s", "health.status_seconds=0.5", "run", "--file", two, "--realtime", "--quiet")
    with process:
        places = status_paths(home.state, home.environment)
        wait_until(lambda: (read_status(places) or {}).get("state") == "hearing", process)
        told = home.run("status", "--json")
        assert told.returncode == ExitCode.OK
        status = json.loads(told.stdout)
        assert (status["running"], status["status"]["pid"], status["status"]["source"]) == (
            True,
            process.pid,
            "two.wav",
        )
        process.kill()
        process.communicate()
    assert home.run("status").returncode == ExitCode.NOT_RUNNING
