from pathlib import Path

import pytest

from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece, write_playlist
from voicebridge_bench.speech_corpus import commands
from voicebridge_bench.survival import Kills

KILLS = 5
"""The short form; `voicebridge-bench survive --kills 200` is the long one."""


@pytest.mark.slow
def test_nothing_announced_is_lost_when_the_daemon_is_killed(tmp_path: Path) -> None:
    playlist = tmp_path / "playlist.wav"
    placed = write_playlist(playlist, [Piece(clip.text, clip.samples) for clip in commands(12, seed=3)], 0.9)
    survival = Kills(tmp_path / "state", playlist, placed, WHISPER_COMMANDS, seed=3).run(KILLS)
    print(survival)
    assert survival.passed, survival
    assert survival.announced >= KILLS
    assert survival.open_at_kill > 0
