"""Where a device's sound comes from."""

import socket
from pathlib import Path

import pytest

from tests.install.checkout import Checkout


def drop_in(device: Checkout) -> Path:
    return device.device / "usr/local/lib/systemd/system/voicebridge.service.d/sound.conf"


def test_alsa_is_taken_where_no_server_runs_for_the_whole_system(device: Checkout) -> None:
    done = device.run("install")
    assert "Sound: alsa (no sound server" in done.stderr
    assert "DeviceAllow=char-alsa rw" in drop_in(device).read_text()


def test_the_socket_of_a_server_for_the_whole_system_is_found(
    device: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = device.device / "run/pulse"
    folder.mkdir()
    monkeypatch.chdir(folder)  # the path of a socket has at most 107 characters
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("native")
        assert "Sound: pulse:/run/pulse/native" in device.run("install").stderr
    assert "PULSE_SERVER=unix:/run/pulse/native" in drop_in(device).read_text()


def test_a_socket_that_was_asked_for_stays_with_the_next_run(device: Checkout) -> None:
    device.run("install", "--sound", "pulse:/run/room/native")
    assert "@SOCKET@" not in drop_in(device).read_text()
    done = device.run("install")
    assert "Sound: pulse:/run/room/native (as it was" in done.stderr
    assert "Nothing new" in done.stderr


def test_another_sound_alone_puts_the_drop_in_in_place_and_starts_anew(device: Checkout) -> None:
    device.run("install", "--sound", "pulse:/run/room/native")
    assert device.calls
    done = device.run("install", "--sound", "alsa")
    assert done.returncode == 0
    assert "char-alsa" in drop_in(device).read_text()
    calls = device.calls
    assert any(call.startswith("systemctl restart") for call in calls)
    assert not any(call.startswith("pip") for call in calls)


def test_a_users_own_socket_is_refused_with_the_way_to_share_it(device: Checkout) -> None:
    done = device.run("install", "--sound", "pulse:/run/user/1000/pulse/native")
    assert done.returncode == 2
    assert "loginctl enable-linger" in done.stderr
    assert "/etc/pulse/default.pa.d/voicebridge.pa" in done.stderr
    assert "pipewire-pulse.conf.d" in done.stderr


def test_a_path_that_systemd_would_read_in_its_own_way_is_refused(device: Checkout) -> None:
    done = device.run("install", "--sound", "pulse:/run/%i/native")
    assert done.returncode == 2


def test_the_plugin_for_sound_servers_is_installed_where_it_is_needed(device: Checkout) -> None:
    assert "libasound2-plugins" not in device.run("--check", "--sound", "alsa").stderr
    device.say("installed", "libportaudio2")
    assert "libasound2-plugins" in device.run("--check", "--sound", "pulse").stderr


def test_a_systemd_that_knows_how_restarts_without_failing_is_told_to(device: Checkout) -> None:
    restart = drop_in(device).with_name("restart.conf")
    device.run("install")
    assert not restart.exists()
    device.say("systemd", "257")
    device.run("install")
    assert "RestartMode=direct" in restart.read_text()
