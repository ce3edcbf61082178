"""What is run once everything is there, and how install.sh is called."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.install.checkout import ROOT, Checkout

SCRIPTS = ("install.sh", "install/check.sh", "requirements/renew", ".ci/run")


def test_the_scripts_are_clean_for_shellcheck() -> None:
    shellcheck = shutil.which("shellcheck")
    assert shellcheck is not None, "install the package shellcheck"
    stubs = sorted(str(stub) for stub in (ROOT / "tests" / "install" / "stubs").iterdir())
    subprocess.run([shellcheck, "--external-sources", "--check-sourced", *SCRIPTS, *stubs], cwd=ROOT, check=True)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_usage_names_every_mode(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    done = checkout.run(*arguments)
    assert done.returncode == 0
    assert "\n  try " in done.stdout
    assert "\n  test " in done.stdout
    assert "\n  install [OPTIONS]" in done.stdout


def test_an_unknown_mode_is_wrong_usage(checkout: Checkout) -> None:
    done = checkout.run("fly")
    assert done.returncode == 2
    assert "no mode 'fly'" in done.stderr
    assert "Usage:" in done.stderr


def test_a_trial_gets_its_arguments_as_they_are_and_gives_its_exit_status(checkout: Checkout) -> None:
    done = checkout.run("try", "--seconds", "20", "two words")
    assert done.stdout.splitlines()[0] == "bench try --seconds 20 two words"
    assert done.returncode == 7


def test_a_symlink_from_another_directory_works_and_the_directory_stays(checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    link = elsewhere / "hear"
    link.symlink_to(checkout.root / "install.sh")
    done = checkout.run("try", script=link, cwd=elsewhere)
    assert done.stdout.splitlines() == ["bench try", str(elsewhere)]


def test_every_check_runs_and_the_last_line_is_the_count_of_pytest(checkout: Checkout) -> None:
    done = checkout.run("test")
    assert done.returncode == 0
    called = {call.split()[0] for call in checkout.calls}
    assert {"ruff", "mypy", "pytest"} <= called
    assert done.stdout.splitlines()[-1] == "3 passed, 1 skipped in 0.10s"


def test_a_failing_check_does_not_stop_the_others_and_fails_the_run(checkout: Checkout) -> None:
    checkout.say("failing", "mypy")
    done = checkout.run("test")
    assert done.returncode == 1
    assert re.search(r"^mypy +FAILED", done.stdout, re.MULTILINE)
    assert re.search(r"^pytest +ok", done.stdout, re.MULTILINE)


def test_with_arguments_only_pytest_runs_with_them(checkout: Checkout) -> None:
    checkout.run("test", "-k", "a gap")
    calls = [call for call in checkout.calls if not call.startswith(("venv", "pip"))]
    assert calls == ["pytest -k a gap"]


def test_the_lock_pins_every_package_and_names_no_index() -> None:
    lines = (ROOT / "requirements" / "test.lock").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert all(re.match(r"^[a-z0-9-]+==[\w.]+( ; .+)?$", pin) for pin in pins), pins
