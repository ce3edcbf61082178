import importlib.util
import os
import socket
from pathlib import Path

import pytest

from tests.system.daemon import DaemonProcess
from voicebridge.daemon.systemd import notify
from voicebridge_bench.playlist import write_playlist


def without_systemd_python() -> bool:
    return importlib.util.find_spec("systemd") is None


needs_systemd_python = pytest.mark.skipif(without_systemd_python(), reason="systemd-python is optional and not here")


def listening(path: Path) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(path))
    manager.settimeout(10)
    return manager


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


@needs_systemd_python
def test_a_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(tmp_path / "notify") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert notify("READY=1", "STATUS=Hearing the kitchen")
        assert manager.recv(4096) == b"READY=1\nSTATUS=Hearing the kitchen"


@needs_systemd_python
def test_a_manager_that_is_gone_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


@needs_systemd_python
def test_the_daemon_says_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    write_playlist(silence, [])
    with listening(tmp_path / "notify") as manager:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        daemon = DaemonProcess(
            tmp_path / "state", ["--file", str(silence)], {"engine.kind": "sphinx"}, {**os.environ, **environment}
        )
        assert daemon.ended() == 0, daemon.errors()
        assert manager.recv(4096).startswith(b"READY=1\nSTATUS=Hearing silence.wav")
        assert manager.recv(4096) == b"STOPPING=1"
