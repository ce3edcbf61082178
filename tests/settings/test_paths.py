"""Where things are."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from voicebridge.settings import Settings, paths
from voicebridge.settings.layers import load
from voicebridge.settings.schema import StoreSettings, WhisperSettings


def test_the_user_file_is_where_xdg_says() -> None:
    assert paths.user_config({"XDG_CONFIG_HOME": "/c"}) == Path("/c/voicebridge/voicebridge.toml")
    assert paths.user_config({"HOME": "/h"}) == Path("/h/.config/voicebridge/voicebridge.toml")


def test_the_state_directory_is_the_setting_then_systemd_then_the_user() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/s", "HOME": "/h"}
    given = Settings(store=StoreSettings(state_dir=Path("/set")))
    assert paths.state_dir(given, environ) == Path("/set")
    assert paths.state_dir(Settings(), environ) == Path("/var/lib/a")
    del environ["STATE_DIRECTORY"]
    assert paths.state_dir(Settings(), environ) == Path("/s/voicebridge")
    del environ["XDG_STATE_HOME"]
    assert paths.state_dir(Settings(), environ) == Path("/h/.local/state/voicebridge")


def test_models_are_where_they_are_set_or_in_the_state_directory() -> None:
    environ = {"STATE_DIRECTORY": "/state"}
    assert paths.models_dir(Settings(), environ) == Path("/state/models")
    given = Settings(whisper=WhisperSettings(models_dir=Path("/m")))
    assert paths.models_dir(given, environ) == Path("/m")


def test_a_tilde_in_a_setting_is_the_home_directory() -> None:
    given = load(None, ["store.state_dir=~/heard"], {}, system_config=Path("/nonexistent")).settings
    assert paths.state_dir(given) == Path.home() / "heard"


@pytest.mark.parametrize(
    ("place", "name"),
    [(paths.database_path, "voicebridge.db"), (paths.spool_dir, "spool"), (paths.audio_dir, "audio")],
)
def test_everything_kept_is_in_the_state_directory(place: Callable[[Path], Path], name: str) -> None:
    assert place(Path("/s")) == Path("/s") / name


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without an entry")
def test_a_user_without_a_home_is_told_what_to_set() -> None:
    child = """
import os, pathlib
from voicebridge.settings import Settings, paths
from voicebridge.settings.layers import load
os.setuid(54321)
assert load(None, (), {}, system_config=pathlib.Path("/nonexistent")).settings == Settings()
paths.state_dir(Settings(), {})
"""
    environ = {name: value for name, value in os.environ.items() if name != "HOME"}
    done = subprocess.run([sys.executable, "-c", child], env=environ, capture_output=True, text=True, check=False)
    assert "SettingsError: This user has no home directory. Set HOME, or store.state_dir." in done.stderr


def test_a_private_directory_is_made_with_its_parents_for_their_owner_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    paths.make_private(tmp_path / "voicebridge" / "demonstration")
    paths.make_private(tmp_path / "voicebridge" / "demonstration")
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("", "voicebridge", "voicebridge/demonstration")]
    assert modes == [0o755, 0o700, 0o700]
