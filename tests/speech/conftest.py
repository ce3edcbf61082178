import shutil
from pathlib import Path

import pytest

from voicebridge_bench.models import WHISPER_COMMANDS


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A copy of whisper-commands that a test may spoil."""
    folder = tmp_path / "stick" / "commands"
    shutil.copytree(WHISPER_COMMANDS, folder)
    return folder


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "models"
