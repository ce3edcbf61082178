"""Setting up: nothing twice, nothing half, whatever happened before."""

import fcntl
import os
import shutil
import time
from pathlib import Path

from tests.install.checkout import TIMEOUT_SECONDS, Checkout, interrupt


def pips(checkout: Checkout) -> list[str]:
    return [call for call in checkout.calls if call.startswith("pip")]


def test_a_first_run_makes_an_environment_and_installs_with_the_lock(checkout: Checkout) -> None:
    checkout.run("try")
    assert checkout.calls == [
        "venv",
        f"pip install --no-input --constraint {checkout.root}/requirements/test.lock --editable {checkout.root}",
    ]


def test_a_run_with_everything_installed_asks_nothing_and_takes_under_three_seconds(checkout: Checkout) -> None:
    checkout.run("try")
    assert checkout.calls
    started = time.monotonic()
    assert checkout.run("try").returncode == 7
    assert time.monotonic() - started < 3
    assert checkout.calls == []


def test_what_the_tests_need_includes_what_a_trial_needs(checkout: Checkout) -> None:
    checkout.run("test")
    assert any("[test]" in call for call in checkout.calls)
    checkout.run("try")
    assert checkout.calls == []


def test_a_changed_lock_is_installed(checkout: Checkout) -> None:
    checkout.run("try")
    assert checkout.calls
    lock = checkout.root / "requirements" / "test.lock"
    lock.write_text(lock.read_text() + "# renewed\n")
    checkout.run("try")
    assert len(pips(checkout)) == 1


def test_an_environment_that_was_left_half_filled_is_made_anew(checkout: Checkout) -> None:
    checkout.run("try")
    assert checkout.calls
    (checkout.root / ".venv" / ".set-up-unfinished").touch()
    (checkout.root / ".venv" / "debris").touch()
    assert checkout.run("try").returncode == 7
    assert checkout.calls[0] == "venv"
    assert not (checkout.root / ".venv" / "debris").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.run("try")
    assert checkout.calls
    (checkout.root / ".venv" / "bin" / "python").unlink()
    assert checkout.run("try").returncode == 7
    assert checkout.calls[0] == "venv"


def test_an_environment_that_was_moved_is_made_anew(checkout: Checkout) -> None:
    checkout.run("try")
    assert checkout.calls
    moved = Checkout(checkout.root.rename(checkout.root.with_name("moved")), checkout.stubs)
    assert moved.run("try").returncode == 7
    assert moved.calls[0] == "venv"


def test_a_failure_of_pip_shows_its_last_lines_and_is_tried_again(checkout: Checkout) -> None:
    checkout.say("failing", "network")
    done = checkout.run("try")
    assert done.returncode == 69
    assert "  | ERROR: the network is gone" in done.stderr
    assert "run this again" in done.stderr
    assert checkout.calls
    checkout.say("failing")
    assert checkout.run("try").returncode == 7
    assert len(pips(checkout)) == 1


def test_a_mirror_without_a_locked_version_gives_another(checkout: Checkout) -> None:
    checkout.say("failing", "lock")
    done = checkout.run("try")
    assert done.returncode == 7
    assert "cannot be had here" in done.stderr
    assert ["--constraint" in call for call in pips(checkout)] == [True, False]


def test_a_second_set_up_waits_for_the_first(checkout: Checkout) -> None:
    (checkout.root / "build").mkdir()
    with (checkout.root / "build" / "install.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = checkout.start("try")
        assert second.stderr is not None
        assert "waiting" in second.stderr.readline()
        assert checkout.calls == []
    second.communicate(timeout=TIMEOUT_SECONDS)
    assert second.returncode == 7


def test_the_lock_is_not_held_while_voicebridge_runs(checkout: Checkout) -> None:
    checkout.run("try")
    bench = checkout.root / ".venv" / "bin" / "voicebridge-bench"
    bench.write_text("#!/bin/sh\nreadlink /proc/self/fd/9 && exit 1 || exit 0\n")
    assert checkout.run("try").returncode == 0


def test_ctrl_c_ends_a_set_up_and_the_next_run_heals_it(checkout: Checkout) -> None:
    checkout.say("failing", "hang")
    os.mkfifo(checkout.stubs / "fifo")
    process = checkout.start("try")
    assert (checkout.stubs / "fifo").read_text() == "started\n"
    interrupt(process)
    _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130
    assert "Stopped." in errors
    assert checkout.calls
    checkout.say("failing")
    assert checkout.run("try").returncode == 7
    assert checkout.calls[0] == "venv"


def test_a_directory_that_cannot_be_written_is_named(checkout: Checkout) -> None:
    # Root may write anywhere, so a file stands where a directory must be made.
    (checkout.root / "build").touch()
    done = checkout.run("try")
    assert done.returncode == 69
    assert f"{checkout.root} cannot be written" in done.stderr


def test_no_environment_variable_of_python_leads_astray(checkout: Checkout, tmp_path: Path) -> None:
    python = checkout.stubs / "bin" / "python3.11"
    python.write_text(
        python.read_text().replace("set -euo pipefail", '[ -z "${PYTHONPATH-}${PYTHONHOME-}" ] || exit 9')
    )
    shutil.copy2(python, checkout.stubs / "bin" / "python3")
    assert checkout.run("try", PYTHONPATH=str(tmp_path), PYTHONHOME="/nowhere").returncode == 7
