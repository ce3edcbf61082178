from pathlib import Path

import pytest

from tests.pulse import PulseServer
from tests.system.daemon import DaemonProcess, transcribed
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece, write_playlist
from voicebridge_bench.speech_corpus import commands
from voicebridge_bench.words import normalised, words_right

SETTINGS = {"engine.kind": "whisper", "whisper.model": str(WHISPER_COMMANDS)}
ENOUGH = 0.95


@pytest.mark.pulse
@pytest.mark.slow
def test_the_words_heard_through_a_microphone_equal_those_of_the_file(pulse: PulseServer, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"
    placed = write_playlist(spoken, [Piece(clip.text, clip.samples) for clip in commands(8, seed=4)])
    daemon = DaemonProcess(tmp_path / "state", [], SETTINGS, pulse.environment)
    daemon.wait_until_hearing()

    pulse.play(spoken)
    daemon.wait_until_settled(len(placed))
    assert daemon.stop() == 0

    reference = transcribed(spoken, SETTINGS)
    right, words = words_right(reference, daemon.text)
    print(f"{right} of {words} words heard through PortAudio equal those of the file")
    assert words > 20, reference
    assert right / words >= ENOUGH, f"file: {normalised(reference)}\nmicrophone: {normalised(daemon.text)}"
    assert daemon.errors() == ""


@pytest.mark.pulse
def test_a_stuck_sound_server_does_not_keep_the_daemon_from_ending(pulse: PulseServer, tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path / "state", [], SETTINGS, pulse.environment)
    daemon.wait_until_hearing()
    pulse.freeze()
    try:
        assert daemon.stop(within_seconds=20) == 0
    finally:
        pulse.thaw()
