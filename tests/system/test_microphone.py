"""A real microphone through PortAudio, ALSA and PulseAudio: the null sink of a private server."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audio.audio_files import tone, write_wav
from tests.pulse import PulseServer
from tests.system.daemon import DaemonProcess
from tests.system.ears import hearing
from voicebridge.domain.audio import Samples
from voicebridge.domain.errors import ExitCode
from voicebridge.settings.paths import database_path

pytestmark = pytest.mark.pulse

HERTZ = 1013.0
"""No whole number of waves fits into 20 ms, so that a lost block shows in the phase."""


def phase_jumps(audio: Samples) -> int:
    """Return at how many places a heard sine, once it has begun and until it ends, loses its phase."""
    window = 160
    pieces = audio[: len(audio) // window * window].reshape(-1, window).astype(float)
    turning = np.exp(-2j * np.pi * HERTZ * np.arange(pieces.size) / 16_000).reshape(-1, window)
    parts = (pieces * turning).mean(axis=1)
    loud = np.flatnonzero(np.abs(parts) > np.abs(parts).max() / 2)
    angles = np.unwrap(np.angle(parts[loud[0] + 2 : loud[-1] - 2]))
    return int(np.count_nonzero(np.abs(np.diff(angles)) > 0.2))


@pytest.mark.parametrize("shape", [{}, {"rate": 16_000, "channels": 1}, {"rate": 48_000, "channels": 2}])
def test_what_is_played_is_heard_without_a_gap(pulse: PulseServer, tmp_path: Path, shape: dict[str, int]) -> None:
    wav = write_wav(tmp_path / "tone.wav", tone(32_000, hertz=HERTZ))
    with hearing(pulse, tmp_path, **shape) as ears:
        assert ears.wait_for("hearing")["hearing"]
        pulse.play(wav)
        last = ears.stop()
    audio = ears.audio()
    loud = np.flatnonzero(np.abs(audio) > 4000)
    assert (loud[-1] - loud[0]) / 16_000 == pytest.approx(2.0, abs=0.05)
    # Of each wave or so, not of all: one click of a hurried player is not the loudness of what was heard.
    peaks = (
        np.abs(audio[loud[0] : loud[-1]].astype(int))[: (loud[-1] - loud[0]) // 320 * 320].reshape(-1, 320).max(axis=1)
    )
    assert np.median(peaks) == pytest.approx(8000, rel=0.05)
    assert phase_jumps(audio) == 0
    assert ears.gaps == []
    assert last["error"] == ""
    assert last["samples"] == len(audio)


def test_a_microphone_that_vanishes_comes_back_with_a_gap_of_that_length(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, rate=16_000, retry_max_seconds=0.5) as ears:
        assert ears.wait_for("hearing")["hearing"]
        pulse.kill()
        gone = ears.wait_for("hearing")
        gone_at = time.monotonic()
        assert not gone["hearing"]
        assert "is gone" in gone["detail"]
        pulse.start()
        assert ears.wait_for("hearing")["hearing"]
        away_seconds = time.monotonic() - gone_at
        ears.stop()
    (gap,) = ears.gaps
    assert gap["reason"] == "device_lost"
    assert gap["gap"] / 16_000 == pytest.approx(away_seconds, abs=0.6)


def test_a_microphone_that_does_not_come_back_until_the_stop_leaves_a_gap(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, rate=16_000, retry_max_seconds=0.5) as ears:
        assert ears.wait_for("hearing")["hearing"]
        pulse.kill()
        gone_at = time.monotonic()
        assert not ears.wait_for("hearing")["hearing"]
        with pytest.raises(subprocess.TimeoutExpired):  # it goes on while it hears nothing
            ears.process.wait(3)
        away_seconds = time.monotonic() - gone_at
        last = ears.stop()
    assert last["error"] == ""
    (gap,) = ears.gaps
    assert gap["reason"] == "device_lost"
    assert gap["gap"] / 16_000 == pytest.approx(away_seconds, abs=0.6)
    assert gap["start"] + gap["gap"] == last["samples"]


def test_the_daemon_tells_of_an_outage_while_it_lasts_and_keeps_it_when_it_is_stopped(
    pulse: PulseServer, tmp_path: Path
) -> None:
    daemon = DaemonProcess(tmp_path, [], {"engine.kind": "sphinx"}, pulse.environment)
    assert daemon.wait_until_hearing()["deaf_seconds"] == 0
    pulse.kill()
    gone_at = time.monotonic()
    deaf = daemon.wait_until(lambda status: status["deaf_seconds"] > 5)
    assert deaf["state"] == "deaf"
    assert deaf["trouble"].startswith("Nothing can be heard from default for ")
    away_seconds = time.monotonic() - gone_at
    assert daemon.stop() == 0
    with closing(sqlite3.connect(database_path(tmp_path))) as db:
        ((seconds, reason),) = db.execute("SELECT (end_sample - start_sample) / 16000.0, reason FROM gaps").fetchall()
    assert reason == "device_lost"
    assert seconds == pytest.approx(away_seconds, abs=0.8)
    (told,) = daemon.gaps
    assert told["gap"] == "device_lost"


def test_a_stuck_sound_server_is_noticed_and_does_not_hold_the_end(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, rate=16_000) as ears:
        assert ears.wait_for("hearing")["hearing"]
        pulse.freeze()
        gone = ears.wait_for("hearing")
        assert not gone["hearing"]
        assert "nothing came" in gone["detail"] or "stream ended" in gone["detail"]
        began = time.monotonic()
        last = ears.stop()
        assert time.monotonic() - began < 3
        assert "does not let itself be closed" in last["error"]
    pulse.kill()


def test_a_part_of_the_name_is_enough(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, device="WINDOW") as ears:
        assert ears.wait_for("hearing")["detail"] == "Hearing 'kitchen_window'."


@pytest.mark.parametrize(
    ("settings", "refused", "advice"),
    [
        ({"device": "kit"}, "More than one microphone is called 'kit'.", "0 (kitchen), 1 (kitchen_window)"),
        ({"device": "bathroom"}, "There is no microphone 'bathroom'.", "2 (default)"),
        ({"device": "17"}, "There is no microphone '17'.", "0 (kitchen)"),
        ({"rate": 500}, "The microphone 'default' refuses a rate of 500 Hz.", "16000, 44100, 48000"),
        ({"channels": 40}, "The microphone 'default' does not offer 40 channels.", "at most 32"),
    ],
)
def test_a_device_that_cannot_be_had_is_told(
    pulse: PulseServer, tmp_path: Path, settings: dict[str, Any], refused: str, advice: str
) -> None:
    with hearing(pulse, tmp_path, **settings) as ears:
        line = ears.wait_for("refused")
    assert line["refused"] == refused
    assert advice in line["advice"]


def test_a_server_that_is_gone_is_told(pulse: PulseServer, tmp_path: Path) -> None:
    pulse.kill()
    with hearing(pulse, tmp_path) as ears:
        assert "microphone" in ears.wait_for("refused")["refused"]


def test_a_device_that_vanishes_after_it_was_listed_is_told(pulse: PulseServer, tmp_path: Path) -> None:
    with hearing(pulse, tmp_path, "list", device="kitchen") as ears:
        assert "kitchen" in ears.wait_for("listed")["listed"]
        pulse.kill()
        began = time.monotonic()
        ears.say("open")
        line = ears.wait_for("refused")
        assert time.monotonic() - began < 5
    assert line["refused"].startswith("The microphone 'kitchen' cannot be opened: ")
    assert "It may have been unplugged" in line["advice"]


LISTS_AND_RUNS = """
from voicebridge.audio.devices import list_inputs
print([device.name for device in list_inputs()], flush=True)
input()
from voicebridge.cli import main
main()
"""


def test_run_ends_with_unavailable_when_its_device_vanishes_after_it_was_listed(
    pulse: PulseServer, tmp_path: Path
) -> None:
    arguments = ["--state-dir", str(tmp_path), "--set", "engine.kind=sphinx", "run", "--device", "kitchen"]
    with subprocess.Popen(
        [sys.executable, "-c", LISTS_AND_RUNS, *arguments],
        env=pulse.environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert "kitchen" in process.stdout.readline()
        pulse.kill()
        out, errors = process.communicate("open\n", timeout=20)
    assert process.returncode == ExitCode.UNAVAILABLE
    assert errors.count("The microphone 'kitchen' cannot be opened: ") == 1
    assert "Traceback" not in out + errors


def voicebridge(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from voicebridge.cli import main; main()", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_devices_lists_microphones_for_people_and_programs(pulse: PulseServer) -> None:
    table = voicebridge(pulse.environment, "devices")
    assert table.returncode == 0
    assert "kitchen_window" in table.stdout
    assert "dBFS" not in table.stdout
    assert table.stderr == ""
    rows = json.loads(voicebridge(pulse.environment, "devices", "--json").stdout)
    assert [row["name"] for row in rows] == ["kitchen", "kitchen_window", "default"]
    assert [row["is_default"] for row in rows] == [False, False, True]


def test_devices_without_a_microphone_says_so(tmp_path: Path) -> None:
    (tmp_path / "asound.conf").write_text("pcm.missing { type hw card 31 }\n")
    result = voicebridge({**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}, "devices")
    assert result.returncode == ExitCode.UNAVAILABLE
    assert "There is no microphone. Connect one" in result.stderr
    assert "Traceback" not in result.stderr


def test_devices_shows_the_level_on_a_terminal(pulse: PulseServer) -> None:
    command = f"{sys.executable} -c 'from voicebridge.cli import main; main()' devices --level 1"
    result = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        env={**pulse.environment, "TERM": "xterm", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0
    assert "dBFS, peak" in result.stdout
    assert "default: loudest" in result.stdout


def test_a_missing_portaudio_is_told_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n')
    result = voicebridge({**os.environ, "PYTHONPATH": str(tmp_path)}, "devices")
    assert result.returncode == ExitCode.UNAVAILABLE
    assert "PortAudio library not found. Install it: apt install libportaudio2" in result.stderr
    assert "Traceback" not in result.stderr
