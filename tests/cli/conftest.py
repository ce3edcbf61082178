"""Fixtures of the commands' tests."""

from pathlib import Path

import pytest

from tests.fakes.children import WHISPER, Home, write_wav
from tests.fakes.commands import Said, Transcribe
from voicebridge.cli import group, guarded


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home directory without any configuration."""
    return Home(tmp_path)


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV of two commands, 9 s long."""
    return write_wav(tmp_path_factory.mktemp("speech") / "two.wav")


@pytest.fixture
def transcribe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Transcribe:
    """Run `voicebridge transcribe` in this process, with the small Whisper."""
    config = tmp_path / "voicebridge.toml"
    config.touch()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def run(*arguments: str | Path, before: tuple[str, ...] = WHISPER) -> Said:
        code = guarded(group, ["--config", str(config), *before, "transcribe", *map(str, arguments)])
        said = capsys.readouterr()
        assert list(scratch.iterdir()) == []  # the store of its own is gone
        return Said(code, said.out, said.err)

    return run
