"""The latency command against real daemons, and what it starts and ends."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path

import jsonschema
import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from voicebridge.domain.errors import VoicebridgeError
from voicebridge_bench.commands.latency import command
from voicebridge_bench.latency import results
from voicebridge_bench.latency.busy import busy
from voicebridge_bench.latency.child import Child
from voicebridge_bench.latency.paced import Paced
from voicebridge_bench.latency.script import arrange
from voicebridge_bench.playlist import Piece


def test_busy_processes_end_with_the_measurement() -> None:
    before = set(psutil.Process().children())
    with busy(2):
        # Not by their command: for a moment after it has begun a process has none to show.
        children = set(psutil.Process().children()) - before
        assert len(children) == 2
    assert not any(child.is_running() for child in children)


def test_the_paced_source_writes_the_script_whole_and_knows_when_it_was_spoken() -> None:
    class Pipe(io.BytesIO):
        pass

    pipe, room = Pipe(), Paced()
    piece = Piece("a", np.full(1600, 9000, np.int16))
    script = arrange([piece], 1, 100, seed=1)
    room.open(pipe)
    room.play(script)
    room.close()
    written = np.frombuffer(pipe.getvalue(), "<i2")
    (sample,) = room.session_samples() or []
    assert abs(int(written[sample - 1])) == 9000
    assert abs(int(written[sample])) < 10
    assert len(room.moments()) == 1


def test_a_daemon_that_cannot_start_is_one_clear_error(tmp_path: Path) -> None:
    options = ["--state-dir", str(tmp_path / "state"), "--set", "engine.kind=whisper", "--set", "whisper.model=none"]
    with (
        Child(options, ["--stdin", "--realtime"], os.environ, tmp_path / "log") as child,
        pytest.raises(VoicebridgeError, match="ended by itself with status 69") as error,
    ):
        child.wait_until_ready()
    assert "whisper model none is not on disk" in error.value.advice


def test_a_corpus_of_silence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(_silent_wav())
    (tmp_path / "a.txt").write_text("one")
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert isinstance(result.exception, VoicebridgeError)
    assert "nothing that can be played" in result.exception.message


@pytest.mark.slow
def test_an_interrupted_measurement_says_what_was_measured_until_then(tmp_path: Path) -> None:
    json_file = tmp_path / "latency.json"
    bench = str(Path(sys.executable).parent / "voicebridge-bench")
    call = [bench, "latency", "--source", "paced", "--pieces", "200", "--json", str(json_file)]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        deadline = time.monotonic() + 120
        while not _settled(tmp_path):
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=90)
    assert process.returncode == 130
    data = json.loads(json_file.read_text())
    assert data["interrupted"]
    assert 1 <= len(data["delays"]) < 100
    assert "Ended early" in told
    assert not list(tmp_path.glob("vb-latency-*"))


def _settled(folder: Path) -> bool:
    """Say whether the daemon of a measurement has settled two utterances; wait a little where not."""
    for database in folder.glob("vb-latency-*/state/voicebridge.db"):
        with (
            contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
            contextlib.suppress(sqlite3.OperationalError),
        ):
            (count,) = connection.execute("SELECT count(*) FROM utterances WHERE status = 'done'").fetchone()
            if count >= 2:
                return True
    threading.Event().wait(0.2)
    return False


def _silent_wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", "none"))
        writer.writeframes(bytes(16_000))
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["paced", "microphone"])
def test_delays_are_measured_through_a_whole_daemon(source: str, tmp_path: Path) -> None:
    json_file = tmp_path / "latency.json"
    arguments = ["--source", source, "--pieces", "2", "--load", "1", "--json", str(json_file)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    data = json.loads(json_file.read_text())
    jsonschema.validate(data, results.schema())
    assert result.exit_code == 0, result.output
    assert (data["source"]["name"], data["load_processes"], data["engine"]) == (source, 1, "whisper")
    for delay in data["delays"]:
        assert delay["total_ms"] > delay["hangover_ms"] == 700
    assert "beside 1 busy process" in result.output
    assert "p99 is not given" in result.output
