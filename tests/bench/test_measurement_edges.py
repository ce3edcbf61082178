"""Where measurements meet the machine: no sound server, no room on the disk, an early end."""

import os
import signal
from pathlib import Path

import click
import numpy as np
import pytest

from voicebridge.domain.audio import GapReason
from voicebridge.domain.errors import DeviceError, VoicebridgeError
from voicebridge.settings import Settings
from voicebridge_bench import output
from voicebridge_bench.corpora.audio_file import Collector
from voicebridge_bench.corpora.levels import frame_powers
from voicebridge_bench.latency.child import bound_to_us
from voicebridge_bench.latency.measuring import find_room
from voicebridge_bench.latency.paced import Paced
from voicebridge_bench.rates.hearing import detector_of, way_of
from voicebridge_bench.recording.manifest import Folder


def test_without_pulseaudio_the_paced_source_is_taken_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    room, reason = find_room("auto")
    assert room.name == "paced"
    assert "There is no pulseaudio (package pulseaudio)" in reason


def test_a_microphone_that_was_asked_for_and_cannot_be_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="There is no pulseaudio"):
        find_room("microphone")


def test_without_setpriv_a_child_is_started_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bound_to_us(["daemon", "run"]) == ["daemon", "run"]


def test_before_anything_was_played_nothing_is_known_of_it() -> None:
    room = Paced()
    assert (room.moments(), room.session_samples(), room.environment()) == ([], None, {})
    room.close()


def test_a_file_is_kept_up_to_a_bound_and_counted_beyond_it() -> None:
    collector = Collector(100)
    for _ in range(3):
        collector.write(np.ones(60, np.int16))
    collector.write_gap(5, GapReason.OVERFLOW)
    assert len(collector.all()) == 100
    assert (collector.samples, collector.lost_samples) == (185, 5)
    assert collector.wait_for_room(10, 0.1)


def test_lost_audio_becomes_zeros_in_its_place() -> None:
    collector = Collector(100)
    collector.write(np.ones(2, np.int16))
    collector.write_gap(3, GapReason.OVERFLOW)
    assert collector.all().tolist() == [1, 1, 0, 0, 0]


def test_the_last_frame_may_be_shorter() -> None:
    powers = frame_powers(np.concatenate((np.full(320, 2, np.int16), np.full(10, 3, np.int16))))
    assert powers.tolist() == [4.0, 9.0]


@pytest.mark.parametrize("mode", ["webrtc", "silero", "cascade"])
def test_every_detector_can_be_had(mode: str) -> None:
    assert not detector_of(mode, Settings()).is_speech(np.zeros(320, np.int16))  # type: ignore[arg-type]
    assert way_of(mode, Settings()) is not way_of("none", Settings())  # type: ignore[arg-type]


def test_a_result_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    output.write(tmp_path / "result.json", "{}")
    assert (tmp_path / "result.json").read_text() == "{}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    with pytest.raises(VoicebridgeError, match="cannot be written"):
        output.write(tmp_path / "none" / "result.json", "{}")


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    output.write(pipe, "result")
    assert os.read(reading, 100) == b"result\n"
    os.close(reading)
    assert pipe.is_fifo()


def test_where_nothing_can_be_written_is_told_at_once(tmp_path: Path) -> None:
    output.require_writable(None, output.STANDARD_OUTPUT, tmp_path / "new.json")
    with pytest.raises(click.UsageError, match="cannot be written"):
        output.require_writable(tmp_path / "none" / "new.json")


def test_sigterm_ends_a_measurement_as_ctrl_c_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), output.sigterm_interrupts():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(VoicebridgeError, match="cannot be written"):
        Folder(tmp_path / "file", "kitchen")
