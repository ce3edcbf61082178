import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.daemon import DaemonProcess
from voicebridge.daemon.systemd import extend_timeout, notify, reloading, status, watchdog_seconds
from voicebridge_bench.playlist import write_playlist


def listening(address: str) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.settimeout(10)
    return manager


def test_without_a_manager_nothing_happens() -> None:
    assert not notify("READY=1", environ={})
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": "vsock:2:1234"})


def test_a_manager_is_told(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as manager:
        assert notify("READY=1", status("Hearing the\nkitchen"), environ={"NOTIFY_SOCKET": address})
        assert manager.recv(4096) == b"READY=1\nSTATUS=Hearing the kitchen"


def test_a_manager_with_an_abstract_address_is_told() -> None:
    name = f"voicebridge-test-{os.getpid()}"
    with listening(f"\0{name}") as manager:
        assert notify("WATCHDOG=1", environ={"NOTIFY_SOCKET": f"@{name}"})
        assert manager.recv(4096) == b"WATCHDOG=1"


def test_a_manager_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_a_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address):
        told = [notify("WATCHDOG=1", environ={"NOTIFY_SOCKET": address}) for _ in range(2000)]
    assert told[0]
    assert not told[-1]


def test_the_socket_that_is_kept_is_closed_at_the_end(tmp_path: Path) -> None:
    program = """
import atexit, sys
from voicebridge.daemon import systemd
atexit.register(lambda: print(systemd._socket().fileno()))
systemd.notify("READY=1", environ={"NOTIFY_SOCKET": sys.argv[1]})
"""
    call = [sys.executable, "-c", program, str(tmp_path / "gone")]
    assert subprocess.run(call, capture_output=True, text=True, timeout=60, check=True).stdout == "-1\n"


def test_a_ping_needs_no_new_descriptor(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as manager:
        assert notify("READY=1", environ={"NOTIFY_SOCKET": address})
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
        try:
            assert notify("WATCHDOG=1", environ={"NOTIFY_SOCKET": address})
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert [manager.recv(4096), manager.recv(4096)] == [b"READY=1", b"WATCHDOG=1"]


def test_a_status_is_one_line_with_a_bound() -> None:
    assert status("x" * 1000) == "STATUS=" + "x" * 300


def test_times_are_told_in_microseconds() -> None:
    assert extend_timeout(2.5) == "EXTEND_TIMEOUT_USEC=2500000"
    assert reloading(12.000001) == ("RELOADING=1", "MONOTONIC_USEC=12000001")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_heeded_where_it_watches_this_process(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environ, pid=7) == seconds


def test_the_daemon_says_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    write_playlist(silence, [])
    address = str(tmp_path / "notify")
    with listening(address) as manager:
        environment = {**os.environ, "NOTIFY_SOCKET": address}
        daemon = DaemonProcess(tmp_path / "state", ["--file", str(silence)], {"engine.kind": "sphinx"}, environment)
        assert daemon.ended() == 0, daemon.errors()
        assert manager.recv(4096).startswith(b"EXTEND_TIMEOUT_USEC=300000000\nSTATUS=Starting")
        assert manager.recv(4096).startswith(b"READY=1\nSTATUS=")
        said = manager.recv(4096)
        while said.startswith(b"STATUS="):
            said = manager.recv(4096)
        assert said == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=Stopping"


def test_a_service_feeds_the_watchdog_while_it_hears(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as manager:
        call = [sys.executable, "-m", "voicebridge", "--state-dir", str(tmp_path / "state"), "-s", "engine.kind=sphinx"]
        environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
        raw = ["run", "--service", "--stdin", "--realtime"]
        with subprocess.Popen(
            [*call, *raw], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as process:
            assert process.stdin is not None
            process.stdin.write(bytes(32_000))
            process.stdin.flush()
            pings = 0
            while pings < 4:
                pings += manager.recv(4096) == b"WATCHDOG=1"
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")
