"""Nothing leaves the box: the daemon's system calls are traced while it hears speech."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.pulse import PulseServer
from tests.system.daemon import DaemonProcess
from voicebridge_bench.models import WHISPER_COMMANDS
from voicebridge_bench.playlist import Piece, write_playlist
from voicebridge_bench.speech_corpus import commands, human_recordings

CALLS = "trace=connect,sendto,sendmsg,sendmmsg,bind"
ADDRESS = re.compile(r'sin_addr=inet_addr\("(?P<v4>[^"]+)"\)|inet_pton\(AF_INET6, "(?P<v6>[^"]+)"')
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
HTTP = {"http.enabled": "true", "http.bind": "127.0.0.1:0"}
NAME_SERVICE = re.compile(r"nscd/socket|systemd/resolve|htons\(53\)|io\.systemd\.Resolve")


def tracer(log: Path) -> list[str]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.fail("strace is not installed: apt install strace")
    return [strace, "-f", "-qq", "-e", CALLS, "-o", str(log)]


def leaks(log: Path) -> list[str]:
    """Return the traced calls that ask for a name or go beyond loopback."""
    lines = log.read_text(errors="replace").splitlines()
    return [
        line
        for line in lines
        if NAME_SERVICE.search(line)
        or any(not LOOPBACK.match(found["v4"] or found["v6"]) for found in ADDRESS.finditer(line))
    ]


def test_the_trace_would_show_a_connection_and_a_name_that_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    talk = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.connect(('192.0.2.1', 9))\n"
        "try: socket.getaddrinfo('voicebridge.invalid', 80)\n"
        "except OSError: pass\n"
    )
    subprocess.run([*tracer(log), sys.executable, "-c", talk], check=True, timeout=60)
    assert any("192.0.2.1" in line for line in leaks(log))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["whisper", "sphinx"])
def test_a_minute_of_speech_makes_no_name_query_and_no_connection(engine: str, tmp_path: Path) -> None:
    speech, home, log = tmp_path / "speech.wav", tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    spoken = (
        [Piece(clip.text, clip.samples) for clip in commands(14, seed=9)]
        if engine == "whisper"
        else [Piece(r.text or "", r.samples) for r in human_recordings()]
    )
    write_playlist(speech, spoken)
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(tmp_path)}
    environment = {key: value for key, value in environment.items() if not key.startswith("ORT_")}

    daemon = DaemonProcess(
        tmp_path / "state",
        ["--file", str(speech)],
        {"engine.kind": engine, "whisper.model": str(WHISPER_COMMANDS), **HTTP},
        environment,
        prefix=tracer(log),
    )
    assert daemon.ended() == 0, daemon.errors()

    assert len(daemon.announced) >= 10
    assert leaks(log) == []
    assert list(home.rglob("*")) == [], "something was left in the home directory"


@pytest.mark.slow
@pytest.mark.pulse
def test_a_microphone_makes_no_name_query_and_no_connection(pulse: PulseServer, tmp_path: Path) -> None:
    speech, log = tmp_path / "speech.wav", tmp_path / "trace"
    placed = write_playlist(speech, [Piece(clip.text, clip.samples) for clip in commands(4, seed=21)])
    daemon = DaemonProcess(
        tmp_path / "state",
        [],
        {"engine.kind": "whisper", "whisper.model": str(WHISPER_COMMANDS), **HTTP},
        pulse.environment,
        prefix=tracer(log),
    )
    daemon.wait_until_hearing()
    pulse.play(speech)
    daemon.wait_until_settled(len(placed))
    # strace hands signals on to the program that it runs only when it is not interrupted itself.
    child = psutil.Process(daemon.process.pid).children()[0]
    child.send_signal(signal.SIGINT)
    assert daemon.ended() == 0, daemon.errors()
    assert leaks(log) == []
