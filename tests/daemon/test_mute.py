"""Mute: who asked for it, and whether it survives a restart."""

import json
from pathlib import Path

import pytest

from voicebridge.daemon.mute import KEPT, Mute
from voicebridge.domain.errors import StoreError
from voicebridge.domain.events import Event, MuteChanged


class Switch:
    """A switch that mutes nothing."""

    def __init__(self) -> None:
        self.muted = False


class Published(list[Event]):
    """Where events are published."""

    def publish(self, event: Event) -> None:
        self.append(event)


@pytest.fixture
def events() -> Published:
    return Published()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "muted"


@pytest.fixture
def mute(path: Path, events: Published) -> Mute:
    return Mute(Switch(), path, events)


def test_each_change_is_announced_once_with_who_asked(mute: Mute, events: Published) -> None:
    mute.mute("ada")
    mute.mute("bob")
    assert mute.muted
    mute.unmute("cyd")
    mute.unmute("dan")
    assert not mute.muted
    assert events == [MuteChanged(True, "ada"), MuteChanged(False, "cyd")]


def test_a_mute_is_forgotten_by_a_restart(mute: Mute, path: Path, events: Published) -> None:
    mute.mute("ada")
    again = Mute(Switch(), path, events)
    again.restore()
    assert not again.muted


def test_a_mute_that_is_kept_survives_a_restart(mute: Mute, path: Path, events: Published) -> None:
    mute.mute("ada", keep=True)
    assert mute.kept
    assert json.loads(path.read_text())["by"] == "ada"
    assert path.stat().st_mode & 0o777 == 0o600
    again = Mute(Switch(), path, events)
    again.restore()
    assert again.muted
    assert events[-1] == MuteChanged(True, KEPT)


def test_one_that_is_muted_can_still_be_kept(mute: Mute, events: Published) -> None:
    mute.mute("ada")
    mute.mute("ada", keep=True)
    assert mute.kept
    assert len(events) == 1


def test_unmute_forgets_what_was_kept(mute: Mute, path: Path) -> None:
    mute.mute("ada", keep=True)
    mute.unmute("ada")
    assert not mute.kept
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"{"])
def test_a_file_that_cannot_be_understood_mutes_all_the_same(mute: Mute, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    mute.restore()
    assert mute.muted


def test_a_dangling_link_in_its_place_mutes_too(mute: Mute, path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")
    mute.restore()
    assert mute.muted


def test_what_cannot_be_kept_is_muted_and_told(tmp_path: Path, events: Published) -> None:
    mute = Mute(Switch(), tmp_path / "gone" / "muted", events)
    with pytest.raises(StoreError, match="Muted, but not after a restart"):
        mute.mute("ada", keep=True)
    assert mute.muted


def test_a_file_that_cannot_be_deleted_is_told(tmp_path: Path, events: Published) -> None:
    (tmp_path / "muted").mkdir()
    mute = Mute(Switch(), tmp_path / "muted", events)
    mute.restore()
    with pytest.raises(StoreError, match="but again after a restart"):
        mute.unmute("ada")
    assert not mute.muted
