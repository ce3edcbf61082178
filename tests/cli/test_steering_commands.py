"""mute, unmute, reload and status against a real `voicebridge run`, as people and systemd use them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.hearing import rows
from tests.fakes.children import SPHINX, Home, no_sound, wait_until
from voicebridge.domain.errors import ExitCode


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration file of the daemon."""
    path = tmp_path / "voicebridge.toml"
    path.write_text("[endpoint]\nhangover_ms = 800\n")
    return path


@contextmanager
def serving(home: Home, config: Path, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a daemon without a microphone; it listens in the state directory."""
    home.environment["ALSA_CONFIG_PATH"] = str(no_sound(home.path))
    with home.start("--config", config, *SPHINX, "run", "--service", **options) as process:
        wait_until((home.state / "control").is_socket, process)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "Stopping: it was sent SIGTERM" in process.stderr.read()
            assert process.wait(60) == ExitCode.OK


def status(home: Home) -> dict[str, Any]:
    """Return what `voicebridge status` says."""
    found: dict[str, Any] = json.loads(home.run("status", "--json").stdout)["status"]
    return found


def test_mute_is_in_force_at_once_and_after_a_restart_when_told_so(home: Home, config: Path) -> None:
    with serving(home, config):
        assert status(home)["muted"] is False
        assert "also after a restart" in home.run("mute", "--keep").stdout
        assert status(home)["muted"] is True
    with serving(home, config):
        assert status(home)["muted"] is True
        assert home.run("unmute").returncode == ExitCode.OK
        assert status(home)["muted"] is False
        assert not (home.state / "muted").exists()


def test_the_status_counts_what_was_done_at_each_bound(home: Home, config: Path) -> None:
    with serving(home, config) as process:
        wait_until(lambda: "commits_rescued" in status(home)["counters"], process)  # once the store has been tidied
        found = status(home)["counters"]
    assert found.keys() >= {
        "audio_dropped_kept",
        "reserve_given_up",
        "anchors_put_off",
        "announcements_dropped",
        "audio_dropped_failed",
        "audio_dropped_pending",
        "control_bad_requests",
        "control_orders_dropped",
        "control_timed_out",
        "control_turned_away",
        "gaps_merged",
        "loads_failed",
        "log_dropped",
        "log_suppressed",
        "ring_overrun_samples",
        "writer_given_up",
        "writer_refused",
        "writer_retries",
    }


def test_signals_mute_and_unmute(home: Home, config: Path) -> None:
    with serving(home, config) as process:
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: status(home)["muted"], process)
        process.send_signal(signal.SIGUSR2)
        wait_until(lambda: not status(home)["muted"], process)


def test_a_reload_takes_what_the_file_says_now(home: Home, config: Path) -> None:
    with serving(home, config):
        assert home.run("reload").stdout == "Nothing has changed.\n"
        config.write_text("[endpoint]\nhangover_ms = 900\n[vad]\nmode = 'webrtc'\n[log]\nlevel = 'debug'\n")
        done = home.run("reload")
        assert done.stdout.splitlines() == [
            "In force from now on: endpoint.hangover_ms, log.level.",
            "Changed, but not in force before a restart: vad.mode.",
        ]


def test_a_reload_of_a_bad_file_is_refused_and_it_goes_on(home: Home, config: Path) -> None:
    with serving(home, config) as process:
        config.write_text("[endpoint\n")
        done = home.run("--config", config, "reload")  # with the same mistake, as systemd's reload has it
        assert done.returncode == ExitCode.SETTINGS
        assert f"{config}:1:" in done.stderr
        assert "The old settings stay in force." in done.stderr
        assert status(home)["counters"]["reloads_refused"] == 1
        wait_until(lambda: ("reload_refused",) in rows(home.state, "SELECT kind FROM events"), process)
        config.write_text("[endpoint]\nhangover_ms = 850\n")
        assert "endpoint.hangover_ms" in home.run("reload").stdout
        assert process.poll() is None


@pytest.fixture
def hangup() -> Iterator[None]:
    """SIGHUP as it is by default: a suite under nohup has it ignored, and every child would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
def test_sighup_reads_the_settings_again(home: Home, config: Path) -> None:
    with serving(home, config, start_new_session=True) as process:
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: ("reloaded",) in rows(home.state, "SELECT kind FROM events"), process)


def test_the_completion_knows_the_new_commands(home: Home) -> None:
    words = {"COMP_WORDS": "voicebridge ", "COMP_CWORD": "1", "_VOICEBRIDGE_COMPLETE": "bash_complete"}
    call = [sys.executable, "-c", "import sys; sys.argv[0] = 'voicebridge'; from voicebridge.cli import main; main()"]
    done = subprocess.run(call, env=home.environment | words, capture_output=True, text=True, check=True)
    assert {"plain,mute", "plain,unmute", "plain,reload"} <= set(done.stdout.splitlines())
