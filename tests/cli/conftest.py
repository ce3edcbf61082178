"""Fixtures of the commands' tests."""

from pathlib import Path

import pytest

from tests.fakes.children import Home, write_wav


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home directory without any configuration."""
    return Home(tmp_path)


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV of two commands, 9 s long."""
    return write_wav(tmp_path_factory.mktemp("speech") / "two.wav")
