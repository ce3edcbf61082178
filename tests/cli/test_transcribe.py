"""`voicebridge transcribe`."""

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.children import (
    FIRST,
    SECOND,
    SPHINX,
    WHISPER,
    Home,
    complaint,
    silence,
    speech,
    wait_until,
    write_wav,
)
from tests.fakes.commands import Said, Transcribe
from voicebridge.domain.errors import ExitCode
from voicebridge_bench.models import WHISPER_COMMANDS


def test_the_text_is_printed_line_by_line(transcribe: Transcribe, two: Path) -> None:
    assert transcribe(two) == Said(ExitCode.OK, f"{FIRST}\n{SECOND}\n", "")


def test_a_fallback_is_told_once(transcribe: Transcribe, two: Path, tmp_path: Path) -> None:
    nowhere = ("-s", "whisper.model=/nowhere")
    missing, quiet = tmp_path / "missing.wav", write_wav(tmp_path / "quiet.wav", silence(1.0))
    said = transcribe(missing, quiet, quiet, before=nowhere)
    lines = said.err.splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == ["voicebridge: engine sphinx"]
    assert "because whisper cannot be used" in lines[1]


def test_scripts_are_not_told_that_whisper_was_taken(transcribe: Transcribe, two: Path) -> None:
    assert transcribe(two, before=("-s", f"whisper.model={WHISPER_COMMANDS}")).err == ""


def test_subtitles_say_when(transcribe: Transcribe, two: Path) -> None:
    said = transcribe("--srt", two)
    blocks = [block.splitlines() for block in said.out.strip().split("\n\n")]
    assert [(block[0], block[2]) for block in blocks] == [("1", FIRST), ("2", SECOND)]
    assert blocks[0][1].startswith("00:00:00,")
    assert transcribe("--vtt", two).out.startswith("WEBVTT\n\n00:00:00.")


def test_json_is_one_object_for_each_file(transcribe: Transcribe, two: Path, tmp_path: Path) -> None:
    quiet = write_wav(tmp_path / "quiet.wav", silence(1.0))
    said = transcribe("--json", two, quiet)
    told = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["file"], len(one["utterances"])) for one in told] == [(str(two), 2), (str(quiet), 0)]
    assert told[0]["seconds"] == pytest.approx(len(speech()) / 16_000, abs=0.02)


def test_json_has_words_with_their_times_and_a_confidence(transcribe: Transcribe, two: Path) -> None:
    for utterance in json.loads(transcribe("--json", two).out)["utterances"]:
        words = utterance["words"]
        assert [word["text"] for word in words] == utterance["text"].split()
        bounds = [utterance["start_sample"], *(word["start_sample"] for word in words), utterance["end_sample"]]
        assert bounds == sorted(bounds)
        assert utterance["confidence"] == pytest.approx(np.mean([word["probability"] for word in words]))


def test_playing_in_real_time_gives_the_identical_utterances(transcribe: Transcribe, tmp_path: Path) -> None:
    short = write_wav(tmp_path / "short.wav", speech()[: 16_000 * 3])

    def heard(*options: str) -> list[tuple[object, ...]]:
        utterances = json.loads(transcribe("--json", *options, short).out)["utterances"]
        return [(u["start_sample"], u["end_sample"], u["text"], u["end_reason"]) for u in utterances]

    assert heard("--realtime") == heard() != []


def test_each_file_gets_its_own_output(transcribe: Transcribe, two: Path, tmp_path: Path) -> None:
    quiet = write_wav(tmp_path / "quiet.wav", silence(1.0))
    out = tmp_path / "new" / "out"
    said = transcribe("--output", out, "--vtt", two, quiet)
    assert said == Said(ExitCode.OK, "", "")
    assert {file.name for file in out.iterdir()} == {"two.wav.vtt", "quiet.wav.vtt"}
    assert FIRST in (out / "two.wav.vtt").read_text()


def test_a_bad_file_does_not_keep_the_others_from_being_heard(
    transcribe: Transcribe, two: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio at all")
    said = transcribe("--output", tmp_path / "out", tmp_path / "nope.wav", bad, two)
    assert said.code == ExitCode.NO_INPUT  # of the first that failed
    assert [line.split(" ", 2)[0] for line in said.err.splitlines()] == ["voicebridge:", "voicebridge:"]
    assert "nope.wav does not exist" in said.err
    assert "bad.wav is no audio" in said.err
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["two.wav.txt"]


def test_an_earlier_output_stays_when_nothing_could_be_heard(transcribe: Transcribe, tmp_path: Path) -> None:
    earlier = tmp_path / "nope.wav.txt"
    earlier.write_text("what was said")
    assert transcribe("--output", tmp_path, tmp_path / "nope.wav").code == ExitCode.NO_INPUT
    assert earlier.read_text() == "what was said"


@pytest.mark.parametrize("form", ["--srt", "--vtt"])
def test_subtitles_of_several_files_need_several_outputs(transcribe: Transcribe, form: str) -> None:
    said = transcribe(form, "a.wav", "b.wav")
    assert said.code == ExitCode.USAGE
    assert "need --output DIRECTORY" in said.err


def test_outputs_of_one_name_are_refused_before_anything_is_heard(transcribe: Transcribe, tmp_path: Path) -> None:
    said = transcribe("--output", tmp_path / "out", "a/x.wav", "b/x.wav", "y.wav")
    assert said.code == ExitCode.USAGE
    assert "2 files are called x.wav" in said.err
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_told(transcribe: Transcribe, two: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = transcribe("--output", tmp_path / "file" / "out", two)
    assert said.code == ExitCode.STORE
    assert "The text cannot be written in" in complaint(said.err)


def test_rejected_utterances_are_counted(transcribe: Transcribe, two: Path) -> None:
    said = transcribe(two, before=(*WHISPER, "-s", "gate.avg_logprob=0"))
    assert (said.code, said.out) == (ExitCode.OK, "")
    assert said.err == f"{two}: 2 utterances were rejected (--json shows them and why)\n"


def test_a_state_directory_that_was_named_keeps_what_was_heard(
    transcribe: Transcribe, two: Path, tmp_path: Path
) -> None:
    named = (*WHISPER, "--state-dir", str(tmp_path / "kept"))
    assert transcribe(two, before=named).code == ExitCode.OK
    assert json.loads(transcribe("--json", two, before=named).out)["utterances"][0]["id"] == 3


def test_what_an_earlier_session_left_is_not_of_this_file(home: Home, transcribe: Transcribe, two: Path) -> None:
    with home.start(*SPHINX, "run", "--file", two, "--realtime") as process:
        wait_until(home.spooled, process)
        process.kill()
        process.communicate()
    quiet = write_wav(home.path / "quiet.wav", silence(1.0))
    said = transcribe("--json", quiet, before=(*WHISPER, "--state-dir", str(home.state)))
    assert said.code == ExitCode.OK
    assert json.loads(said.out)["utterances"] == []


# ---- as a process


def test_ctrl_c_prints_what_was_heard_and_says_so_by_its_status(home: Home, tmp_path: Path) -> None:
    # Long enough that it cannot come to its end before the signal.
    long = write_wav(tmp_path / "long.wav", np.tile(speech(), 50))
    with home.start(*WHISPER, "transcribe", long) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, error = process.communicate()
    assert (process.returncode, error) == (ExitCode.INTERRUPTED, "")
    assert {first, *rest.splitlines(keepends=True)} == {f"{FIRST}\n", f"{SECOND}\n"}


def test_an_interrupted_file_keeps_what_was_heard_in_its_output(home: Home, tmp_path: Path) -> None:
    long = write_wav(tmp_path / "long.wav", np.tile(speech(), 50))
    out = tmp_path / "out"
    with home.start(*WHISPER, "transcribe", "--output", out, long, "never.wav") as process:
        wait_until(lambda: any(file.stat().st_size for file in out.glob("*.partial")), process)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == ExitCode.INTERRUPTED
    (kept,) = out.iterdir()
    assert kept.name == "long.wav.txt"
    assert kept.read_text().startswith(FIRST)


def test_a_reader_that_has_enough_gets_no_traceback(home: Home, tmp_path: Path) -> None:
    long = write_wav(tmp_path / "long.wav", np.tile(speech(), 50))
    with home.start(*WHISPER, "transcribe", long) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"{FIRST}\n"
        process.stdout.close()
        assert process.wait(60) == ExitCode.FAILURE
        assert process.stderr.read() == ""


def test_a_full_disk_under_its_output_is_told(home: Home, two: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = home.run(*WHISPER, "transcribe", two, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == ExitCode.FAILURE
    assert "cannot be written out: No space left on device." in complaint(done.stderr)


def test_a_closed_standard_output_is_told(home: Home, two: Path) -> None:
    done = home.run(*WHISPER, "transcribe", two, prefix=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert done.returncode == ExitCode.FAILURE
    assert "Standard output is closed." in complaint(done.stderr)


def on_terminal(home: Home, *arguments: str | Path) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit status and everything that the terminal was sent."""
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                shown.append(data)
        except OSError:
            return  # the terminal's other end was closed

    reader = threading.Thread(target=read)
    with subprocess.Popen(
        home.call(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env={**home.environment, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        reader.start()
        process.wait(60)
    reader.join()
    os.close(ours)
    return process.returncode, b"".join(shown).decode()


def test_a_terminal_shows_how_far_it_is(home: Home, two: Path) -> None:
    code, shown = on_terminal(home, *WHISPER, "transcribe", two)
    assert code == ExitCode.OK
    assert "two.wav" in shown
    assert "%" in shown
    lines = [line.rpartition("\x1b[2K")[2] for line in shown.split("\r\n")]
    assert [line for line in lines if line.endswith((FIRST, SECOND))]
    assert "\x1b[?25l" not in shown.rpartition("\x1b[?25h")[2]  # the cursor is back


def test_the_bar_can_be_left_out(home: Home, two: Path) -> None:
    code, shown = on_terminal(home, *WHISPER, "transcribe", "--no-progress", two)
    assert (code, shown) == (ExitCode.OK, f"{FIRST}\r\n{SECOND}\r\n")


def test_a_terminal_is_told_which_engine_was_taken(home: Home, two: Path) -> None:
    _, shown = on_terminal(home, "-s", f"whisper.model={WHISPER_COMMANDS}", "transcribe", "--no-progress", two)
    told = shown.splitlines()[0]
    assert told == "voicebridge: engine whisper, because its model whisper-commands is on disk"


def test_what_is_kept_meanwhile_is_closed_to_others(home: Home, tmp_path: Path) -> None:
    long = write_wav(tmp_path / "long.wav", np.tile(speech(), 50))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    call = [sys.executable, "-m", "voicebridge", *WHISPER, "transcribe", str(long)]
    environment = {**home.environment, "TMPDIR": str(scratch)}
    with subprocess.Popen(call, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(scratch.glob("*/voicebridge.db")), process)
        (own,) = scratch.iterdir()
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert list(scratch.iterdir()) == []
